"""Limits on the time until a job begins and until it has ended: what breaks them is stopped, and ends as failed."""

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from db.jobs.machine import advance

# A step that was put back unbegun has no claimed_at; one that was given back in a deploy has.
MAY_BEGIN = """
(j.start_by IS NULL OR j.start_by > now() OR EXISTS (SELECT 1 FROM jobs.job_steps d WHERE d.job_id = j.id AND d.claimed_at IS NOT NULL))
"""
_MOST = 200
# Nothing is waited for: a job that somebody has their hands on is looked at again in a second.
_LOCK = text(f"""
SELECT j.id FROM jobs.jobs j WHERE j.finished_at IS NULL AND j.cancel_requested_at IS NULL
  AND (j.finish_by < now() OR (j.start_by < now() AND NOT {MAY_BEGIN}))
LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
""")  # noqa: S608  (a constant)
# Looked at again under the lock: a claim may have been quicker.
_STOP = text(f"""
UPDATE jobs.jobs j SET cancel_requested_at = now(), stop_reason = CASE WHEN j.finish_by < now()
    THEN 'it had not ended by ' || to_char(j.finish_by, 'YYYY-MM-DD HH24:MI:SS') || ' UTC, its limit'
    ELSE 'it had not begun by ' || to_char(j.start_by, 'YYYY-MM-DD HH24:MI:SS') || ' UTC, its limit' END
WHERE j.id = ANY(:ids) AND (j.finish_by < now() OR NOT {MAY_BEGIN})
RETURNING j.id
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))  # noqa: S608  (a constant)


def stop_late_jobs(session: Session) -> int:
    """Fail jobs that have not begun in time, and ask those that have not ended in time to stop. Returns how many."""
    ids = session.execute(_LOCK, {"most": _MOST}).scalars().all()
    stopped = session.execute(_STOP, {"ids": ids}).scalars().all() if ids else []
    advance(session, *stopped)
    return len(stopped)
