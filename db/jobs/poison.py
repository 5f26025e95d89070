"""Contents that kill the children which read them: two deaths on the same one, of whatever jobs, are its own fault."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.jobs.ends import insert_attempt
from db.jobs.machine import advance
from db.jobs.words import Claim, Evidence

_DIED = text("SELECT 1 FROM jobs.job_attempts WHERE evidence ? 'content' AND evidence->>'content' = :content LIMIT 1")
_BURY = text("""
UPDATE jobs.job_steps SET status = CASE WHEN optional THEN 'failed' ELSE 'quarantined' END, finished_at = now(), lease_until = NULL,
    result = NULL, error = :error, error_class = :error_class, error_group = jobs.error_group(:error)
WHERE id = :step_id
""")
# For operators: the jobs may be of other owners.
ELSEWHERE = """
(SELECT jsonb_agg(DISTINCT d.job_id) FROM jobs.job_attempts o JOIN jobs.job_steps d ON d.id = o.step_id
    WHERE o.evidence ? 'content' AND o.evidence->>'content' = a.evidence->>'content' AND d.job_id <> s.job_id)
"""


def has_killed(session: Session, content: str) -> bool:
    """Tell whether a child of an earlier attempt died on this content."""
    return session.execute(_DIED, {"content": content}).first() is not None


def quarantine(session: Session, held: Claim, *, error: str, evidence: Evidence) -> None:
    """End the step until a person has looked: what it reads has killed twice."""
    insert_attempt(session, held.step_id, "failed", error, evidence)
    bury(session, held.step_id, error=error, error_class="Poison")
    advance(session, held.job_id)


def bury(session: Session, step_id: UUID, *, error: str, error_class: str) -> None:
    """Quarantine the step, whatever killed. An optional one fails instead: it stands in nobody's way, and is not tried again either."""
    session.execute(_BURY, {"step_id": step_id, "error": error, "error_class": error_class})
