"""The status machine: what the end of a step means for its job, its neighbours and those who wait for its unique key."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from db.engine import MOVED, SETTLED
from db.jobs.insert import insert_job
from db.jobs.words import LIVE_STATUSES, NewStep


def lock(session: Session, *job_ids: UUID) -> None:
    """Serialise what follows with every other end of a step of these jobs."""
    session.execute(_LOCK, {"job_ids": list(job_ids)})


_JOB_IDS = bindparam("job_ids", type_=ARRAY(Uuid))
_LOCK = text("SELECT 1 FROM jobs.jobs WHERE id = ANY(:job_ids) ORDER BY id FOR NO KEY UPDATE").bindparams(_JOB_IDS)
_STOP_REST = text("""
UPDATE jobs.job_steps s SET status = 'cancelled', finished_at = now()
WHERE s.job_id = ANY(:job_ids) AND s.status IN ('waiting', 'queued', 'retrying')
  AND (EXISTS (SELECT 1 FROM jobs.jobs j WHERE j.id = s.job_id AND j.cancel_requested_at IS NOT NULL)
    OR EXISTS (SELECT 1 FROM jobs.job_steps d WHERE d.job_id = s.job_id
               AND (d.status IN ('quarantined', 'cancelled') OR (d.status = 'failed' AND NOT d.optional))))
""").bindparams(_JOB_IDS)
_UNBLOCK = text("""
UPDATE jobs.job_steps s SET status = 'queued', available_at = now()
WHERE s.job_id = ANY(:job_ids) AND s.status = 'waiting' AND NOT EXISTS (
    SELECT 1 FROM jobs.job_steps d WHERE d.job_id = s.job_id AND d.name = ANY(s.after)
    AND NOT (d.status = 'succeeded' OR (d.status = 'failed' AND d.optional)))
""").bindparams(_JOB_IDS)
_DERIVE = text(f"""
UPDATE jobs.jobs j SET version = j.version + 1, updated_at = now(),
    status = CASE WHEN f.status = 'cancelled' AND j.stop_reason IS NOT NULL THEN 'failed' ELSE f.status END,
    error = CASE WHEN f.status = 'cancelled' THEN coalesce(j.stop_reason, f.error) ELSE f.error END,
    finished_at = CASE WHEN f.live THEN NULL ELSE coalesce(j.finished_at, now()) END
FROM (
    SELECT s.job_id, CASE
        WHEN bool_or(s.status IN {LIVE_STATUSES}) THEN CASE
            WHEN bool_or(s.status = 'running') THEN 'running'
            WHEN bool_or(s.status = 'retrying') THEN 'retrying'
            WHEN bool_and(s.attempt = 0) THEN 'queued'
            ELSE 'running' END
        WHEN bool_or(s.status = 'quarantined') THEN 'quarantined'
        WHEN bool_or(s.status = 'failed' AND NOT s.optional) THEN 'failed'
        WHEN bool_or(s.status = 'cancelled') THEN 'cancelled'
        ELSE 'succeeded' END AS status,
        bool_or(s.status IN {LIVE_STATUSES}) AS live,
        min(s.error) FILTER (WHERE s.status IN ('failed', 'quarantined') AND NOT s.optional) AS error
    FROM jobs.job_steps s WHERE s.job_id = ANY(:job_ids) GROUP BY s.job_id) f
WHERE j.id = f.job_id
RETURNING j.id, j.pipeline, j.unique_key, j.finished_at IS NOT NULL AS ended
""").bindparams(_JOB_IDS)  # noqa: S608  (a constant)


def advance(session: Session, *job_ids: UUID) -> None:
    """Stop, unblock and derive, in that order, each in a statement of its own so that it sees what the last one wrote."""
    if job_ids:
        session.execute(_STOP_REST, {"job_ids": list(job_ids)})
        session.execute(_UNBLOCK, {"job_ids": list(job_ids)})
        moved = session.execute(_DERIVE, {"job_ids": list(job_ids)}).all()
        ended = [row for row in moved if row.ended]
        note_ends(session, {row.id: row.pipeline for row in ended}, [row.id for row in ended if row.unique_key is not None])


def note_ends(session: Session, pipeline_of: Mapping[UUID, str], keyed: Sequence[UUID]) -> None:
    """Note a move, and follow up the jobs that it ended; `keyed` are those of them that held a unique key."""
    session.info[MOVED] = True
    if pipeline_of:
        settled(session, pipeline_of)
    if keyed:
        _free_keys(session, keyed)


def settled(session: Session, pipeline_of: Mapping[UUID, str]) -> None:
    """Note that these jobs ended, or are open again, for what has to follow them before the commit."""
    session.info.setdefault(SETTLED, {}).update(pipeline_of)


_TAKE_KEY = text("""
INSERT INTO jobs.unique_keys (pipeline, key, job_id) VALUES (:pipeline, :key, :job_id) ON CONFLICT DO NOTHING RETURNING 1
""")
_FREE_KEYS = text("DELETE FROM jobs.unique_keys WHERE job_id = ANY(:job_ids) RETURNING pipeline, key, replay").bindparams(
    _JOB_IDS
)


def take_key(session: Session, pipeline: str, key: str, job_id: UUID) -> bool:
    """Let this job hold the unique key; False when another one does."""
    return session.execute(_TAKE_KEY, {"pipeline": pipeline, "key": key, "job_id": job_id}).first() is not None


def _free_keys(session: Session, job_ids: Iterable[UUID]) -> None:
    """Give the keys of jobs that ended to those that wait for them, if any do."""
    for freed in session.execute(_FREE_KEYS, {"job_ids": sorted(job_ids)}).all():
        if freed.replay is not None:
            new = {
                **freed.replay,
                "steps": [NewStep(**{**step, "after": tuple(step["after"])}) for step in freed.replay["steps"]],
            }
            again = insert_job(session, **new, unique_key=freed.key)
            take_key(session, freed.pipeline, freed.key, again)
