"""What people ask of jobs that exist: stop, run again, go away."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from db.jobs.archive import bring_back, is_archived
from db.jobs.machine import advance, lock, settled, take_key


def request_cancel(session: Session, job_id: UUID) -> None:
    """Ask a job to stop: what has not started is cancelled now, what runs is told. Raises NotFound, Conflict."""
    lock(session, job_id)
    row = session.execute(text("SELECT finished_at FROM jobs.jobs WHERE id = :id"), {"id": job_id}).one_or_none()
    if row is None and not is_archived(session, job_id):
        raise NotFound(f"there is no job {job_id}")
    if row is None or row.finished_at is not None:
        raise Conflict(f"job {job_id} has ended already")
    session.execute(
        text("UPDATE jobs.jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = :id"), {"id": job_id}
    )
    advance(session, job_id)


def delete_jobs(session: Session, subject: str, *, owner_id: str) -> int:
    """Remove this owner's jobs about `subject`, with all they said; a running attempt finds itself replaced. Returns how many."""
    removed: dict[UUID, str] = {}
    for table in ("jobs", "archived_jobs", "jobs"):  # in this order one that is being moved, either way, is met
        statement = text(f"""
            DELETE FROM jobs.{table} WHERE subject = :subject AND owner_id = :owner_id RETURNING id, pipeline
        """)  # noqa: S608  (constants)
        removed.update((row.id, row.pipeline) for row in session.execute(statement, {"subject": subject, "owner_id": owner_id}))
    settled(session, removed)  # a batch may have waited for them
    return len(removed)


# What stands in the way of the job's end is begun again too, or nothing would run. Where what comes before a step runs again, or the
# step had succeeded, its checkpoint is of another input or at the end already. A success at the first try is told by its row alone.
_RESET = text("""
WITH RECURSIVE first AS (
    SELECT id, name, status = 'succeeded' AS done FROM jobs.job_steps WHERE job_id = :job_id AND (name = :step
        OR status IN ('cancelled', 'quarantined') OR (status = 'failed' AND (NOT optional OR CAST(:step AS text) IS NULL)))),
later(name) AS (
    SELECT s.name FROM jobs.job_steps s JOIN first f ON f.name = ANY(s.after) WHERE s.job_id = :job_id
    UNION
    SELECT s.name FROM jobs.job_steps s JOIN later l ON l.name = ANY(s.after) WHERE s.job_id = :job_id),
again AS (
    SELECT s.*, f.done IS DISTINCT FROM false OR s.name IN (TABLE later) AS from_the_start
    FROM jobs.job_steps s LEFT JOIN first f USING (id)
    WHERE s.job_id = :job_id AND (f.id IS NOT NULL OR s.name IN (TABLE later))),
kept AS (
    INSERT INTO jobs.job_attempts (step_id, claim_id, attempt, worker_id, started_at, finished_at, outcome)
    SELECT id, claim_id, attempt, worker_id, claimed_at, finished_at, 'succeeded' FROM again WHERE status = 'succeeded'
    ON CONFLICT (step_id, claim_id) DO NOTHING)
UPDATE jobs.job_steps s SET status = 'waiting', attempt = 0, deaths = 0, error = NULL, error_class = NULL, error_group = NULL, result = NULL, finished_at = NULL,
    claim_id = NULL, progress = NULL, progress_message = NULL, available_at = now(),
    needs_disk_bytes = NULL, needs_memory_bytes = NULL,
    checkpoint = CASE WHEN NOT a.from_the_start THEN s.checkpoint END
FROM again a WHERE s.id = a.id
RETURNING s.id
""")


# Whoever runs it again has seen that it is late: its limits of time are over.
_REOPEN = text("""
UPDATE jobs.jobs SET cancel_requested_at = NULL, finished_at = NULL, stop_reason = NULL, start_by = NULL, finish_by = NULL WHERE id = :id
""")


def retry(session: Session, job_id: UUID, *, step: str | None = None) -> None:
    """Run what did not succeed of a job that ended again, and all after it; with `step`, that too. Raises NotFound, Conflict."""
    lock(session, job_id)  # waits for one that is being archived
    bring_back(session, job_id)
    lock(session, job_id)
    statement = text("SELECT finished_at, pipeline, unique_key FROM jobs.jobs WHERE id = :id")
    row = session.execute(statement, {"id": job_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    if row.finished_at is None:
        raise Conflict(f"job {job_id} has not ended; cancel it first")
    if row.unique_key is not None and not take_key(session, row.pipeline, row.unique_key, job_id):
        raise Conflict(f"job {job_id} cannot run again now: another one for the same has not ended")
    known = text("SELECT 1 FROM jobs.job_steps WHERE job_id = :job_id AND name = :step")
    if step is not None and session.execute(known, {"job_id": job_id, "step": step}).first() is None:
        raise Conflict(f"job {job_id} has no step {step!r}")
    if not session.execute(_RESET, {"job_id": job_id, "step": step}).all():
        raise Conflict(f"job {job_id} has nothing to run again")
    session.execute(_REOPEN, {"id": job_id})
    advance(session, job_id)
    settled(session, {job_id: row.pipeline})
