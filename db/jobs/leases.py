"""Leases, renewed by the worker that holds them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from db.jobs.words import STATUS_OF_NAMED, Claim

_RENEW = text(f"""
UPDATE jobs.job_steps s SET lease_until = now() + :lease, progress = coalesce(c.progress, s.progress),
    progress_message = coalesce(c.message, s.progress_message)
FROM unnest(:steps, :claims, CAST(:progress AS real[]), CAST(:messages AS text[])) c(id, claim_id, progress, message)
JOIN jobs.job_steps o ON o.id = c.id JOIN jobs.jobs j ON j.id = o.job_id
WHERE s.id = c.id AND s.claim_id = c.claim_id AND {STATUS_OF_NAMED} = 'running'
RETURNING s.claim_id, (j.cancel_requested_at IS NOT NULL OR EXISTS (SELECT 1 FROM jobs.job_steps d WHERE d.job_id = j.id
    AND (d.status = 'quarantined' OR (d.status = 'failed' AND NOT d.optional)))) AS stop
""").bindparams(bindparam("steps", type_=ARRAY(Uuid)), bindparam("claims", type_=ARRAY(Uuid)))  # noqa: S608  (a constant)


@dataclass(frozen=True, slots=True)
class Renewal:
    """One held claim, with what its step last said of its progress."""

    step_id: UUID
    claim_id: UUID
    progress: float | None
    message: str | None


def renew(session: Session, held: Sequence[Renewal], *, lease: timedelta) -> dict[UUID, bool]:
    """Prolong leases. Returns, for each claim that still holds its step, whether it should stop; absent ones were replaced."""
    ordered = sorted(held, key=lambda item: item.step_id)  # rows are locked in one order everywhere
    rows = session.execute(
        _RENEW,
        {
            "steps": [item.step_id for item in ordered],
            "claims": [item.claim_id for item in ordered],
            "progress": [item.progress for item in ordered],
            "messages": [item.message for item in ordered],
            "lease": lease,
        },
    )
    return {row.claim_id: row.stop for row in rows}


def save_checkpoint(session: Session, held: Claim, checkpoint: object) -> bool:
    """Keep `checkpoint` for the step's next attempt; it also clears what former attempts died of. False when replaced."""
    statement = text("""
        UPDATE jobs.job_steps SET checkpoint = :checkpoint, deaths = 0
        WHERE id = :step_id AND claim_id = :claim_id AND status = 'running' RETURNING 1
    """).bindparams(bindparam("checkpoint", type_=JSONB))
    params = {"checkpoint": checkpoint, "step_id": held.step_id, "claim_id": held.claim_id}
    return session.execute(statement, params).first() is not None


_MOST_LINES, _LONGEST_LINE = 2000, 2000
_LOG = text("""
INSERT INTO jobs.job_logs (job_id, step, level, message)
SELECT :job_id, :step, CASE WHEN n = :most THEN 'warning' ELSE :level END,
    CASE WHEN n = :most THEN 'the log is full; further lines are dropped' ELSE :message END
FROM (SELECT count(*) AS n FROM jobs.job_logs WHERE job_id = :job_id) c WHERE n <= :most
""")


def insert_log_line(session: Session, held: Claim, message: str, *, level: str) -> None:
    """Write a line of the job's log, which holds 2000 lines of 2000 characters; what is more is dropped, and said so once."""
    params = {"job_id": held.job_id, "step": held.step, "level": level, "message": message[:_LONGEST_LINE]}
    session.execute(_LOG, {**params, "most": _MOST_LINES})


def list_running_claims(session: Session, claims: Collection[UUID]) -> set[UUID]:
    """Those of these claims that hold their step."""
    return _which(session, claims, "s.status = 'running'")


def list_needed_claims(session: Session, claims: Collection[UUID]) -> set[UUID]:
    """Those of these claims that are the last of a step whose job has not ended for an hour: later steps read what they wrote."""
    return _which(session, claims, "j.finished_at IS NULL OR j.finished_at > now() - interval '1 hour'")


def _which(session: Session, claims: Collection[UUID], condition: str) -> set[UUID]:
    statement = text(f"""
        SELECT s.claim_id FROM jobs.job_steps s JOIN jobs.jobs j ON j.id = s.job_id
        WHERE s.claim_id = ANY(:claims) AND ({condition})
    """).bindparams(bindparam("claims", type_=ARRAY(Uuid)))  # noqa: S608  (one of two constants)
    return set(session.execute(statement, {"claims": list(claims)}).scalars())
