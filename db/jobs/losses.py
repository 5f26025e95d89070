"""Workers that are gone, and what becomes of the steps that they had."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from core.reaping import Reaped
from db.jobs.ends import insert_attempt
from db.jobs.machine import advance
from db.jobs.poison import bury

DEATHS_BEFORE_QUARANTINE = 2
_ERROR = "its worker was lost twice while it ran"
_DIED = text("""
UPDATE jobs.workers SET death = :death
WHERE id = (SELECT id FROM jobs.workers WHERE host = :host AND process = :process AND death IS NULL ORDER BY started_at DESC LIMIT 1)
RETURNING 1
""").bindparams(bindparam("death", type_=JSONB))


def record_death(session: Session, *, host: str, reaped: Reaped) -> bool:
    """Note that this process is gone: what it ran is given back at the next look. False when it had said goodbye, or never beat."""
    told = {"host": host, "process": reaped.process, "death": reaped.evidence()}
    return session.execute(_DIED, told).first() is not None


# A worker of which a death is known is gone for certain; of one whose lease expired it is believed.
_LOST = """
s.status = 'running' AND ((:believes_leases AND s.lease_until < now())
    OR s.worker_id IN (SELECT w.id FROM jobs.workers w WHERE w.death IS NOT NULL))
"""
# Nothing is waited for: whoever has their hands on a job or a step may be frozen, and the others are to come back. A second later both are looked at again.
_LOCK_JOBS = text(f"""
SELECT j.id FROM (SELECT DISTINCT s.job_id FROM jobs.job_steps s WHERE {_LOST}) l JOIN jobs.jobs j ON j.id = l.job_id
LIMIT 200 FOR NO KEY UPDATE OF j SKIP LOCKED
""")  # noqa: S608  (a constant)
_LOCK_STEPS = text(f"""
SELECT s.id, s.deaths, (SELECT w.death FROM jobs.workers w WHERE w.id = s.worker_id) AS death
FROM jobs.job_steps s WHERE s.job_id = :job_id AND {_LOST} ORDER BY s.id FOR UPDATE OF s SKIP LOCKED
""")  # noqa: S608  (a constant)
_LOSE = text("""
UPDATE jobs.job_steps SET status = CASE WHEN :is_last THEN status ELSE 'queued' END, deaths = deaths + 1, claim_id = NULL,
    lease_until = NULL, available_at = now()
WHERE id = :id
""")


def rescue(session: Session, *, believes_leases: bool = True) -> int:
    """Requeue steps whose worker is gone; bury those that lost theirs once too often. Returns how many.

    Without `believes_leases` only those whose worker is known to have died.
    """
    lost = session.execute(_LOCK_JOBS, {"believes_leases": believes_leases}).scalars().all()
    return sum(_rescue_job(session, job_id, believes_leases=believes_leases) for job_id in lost)


def _rescue_job(session: Session, job_id: UUID, *, believes_leases: bool) -> int:
    dead = session.execute(_LOCK_STEPS, {"job_id": job_id, "believes_leases": believes_leases}).all()
    for step_id, deaths, death in dead:
        insert_attempt(session, step_id, "expired", "its worker was lost", death or {})
        is_last = deaths + 1 >= DEATHS_BEFORE_QUARANTINE
        session.execute(_LOSE, {"is_last": is_last, "id": step_id})
        if is_last:
            bury(session, step_id, error=_ERROR, error_class="WorkerLost")
    if dead:
        advance(session, job_id)
    return len(dead)
