"""The status machine: jobs and steps are written, claimed and ended here; the moves are listed in the package's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Text

from core.ids import new_id
from db.engine import MOVED, SETTLED
from db.jobs.limits import has_room
from db.jobs.pauses import NOT_PAUSED

DEFAULT_PRIORITY = 2
Evidence = Mapping[str, object]  # small JSON
NO_EVIDENCE: Evidence = MappingProxyType({})


class Status(StrEnum):
    """Of a step; a job has all but `waiting`."""

    WAITING = "waiting"  # for the steps it comes after
    QUEUED = "queued"  # may run as soon as a worker has room
    RUNNING = "running"  # a worker holds its lease
    RETRYING = "retrying"  # failed, and runs again at available_at
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"  # lost its worker twice: a person must look


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step as a pipeline declares it. `after` names the steps that must have ended; `for_each` the one that decides its parts."""

    name: str
    queue: str
    after: tuple[str, ...] = ()
    for_each: str | None = None
    optional: bool = False
    max_attempts: int = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """One claimed execution of a step."""

    claim_id: UUID
    step_id: UUID
    job_id: UUID
    pipeline: str
    owner_id: str
    step: str
    part: int
    attempt: int
    max_attempts: int
    args: dict[str, Any]
    input: Any
    checkpoint: Any


_INSERT_JOB = text(
    "INSERT INTO jobs.jobs (id, pipeline, owner_id, subject, args, priority, unique_key)"
    " VALUES (:id, :pipeline, :owner_id, :subject, :args, :priority, :unique_key)"
).bindparams(bindparam("args", type_=JSONB))
_STEP_ROW = """
INSERT INTO jobs.job_steps (id, job_id, name, part, after, input, queue, optional, status, max_attempts, priority,
    owner_id, pipeline)
SELECT :id, :job_id, :name, :part, :after, CAST(:input AS jsonb), :queue, :optional, :status, :max_attempts, j.priority, j.owner_id, j.pipeline
FROM jobs.jobs j WHERE j.id = :job_id
"""
_STEP_TYPES = (bindparam("input", type_=JSONB(none_as_null=True)), bindparam("after", type_=ARRAY(Text)))
_INSERT_STEP = text(_STEP_ROW).bindparams(*_STEP_TYPES)
# A source that runs again decides anew; a part that was there keeps its row, and with it its attempts.
_INSERT_PART = text(
    _STEP_ROW + "ON CONFLICT (job_id, name, part) DO UPDATE SET input = excluded.input, status = excluded.status"
).bindparams(*_STEP_TYPES)


def insert_job(
    session: Session,
    *,
    pipeline: str,
    owner_id: str,
    args: Mapping[str, Any],
    steps: Sequence[NewStep],
    subject: str | None,
    priority: int = DEFAULT_PRIORITY,
    unique_key: str | None = None,
    job_id: UUID | None = None,
) -> UUID:
    """Write a job and its steps; they exist once the caller's transaction commits. `priority`: 0 goes first, 3 last."""
    job_id = job_id or new_id()
    session.info[MOVED] = True
    session.execute(
        _INSERT_JOB,
        {
            "id": job_id,
            "pipeline": pipeline,
            "owner_id": owner_id,
            "subject": subject,
            "args": dict(args),
            "priority": priority,
            "unique_key": unique_key,
        },
    )
    for step in steps:
        if step.for_each is None:
            _insert_step(session, job_id, step, steps)
    return job_id


def _insert_step(session: Session, job_id: UUID, step: NewStep, steps: Sequence[NewStep]) -> None:
    session.execute(_INSERT_STEP, _step_row(job_id, step, steps, part=0, part_input=None))


def _insert_parts(session: Session, job_id: UUID, step: NewStep, steps: Sequence[NewStep], parts: Sequence[object]) -> None:
    for part, part_input in enumerate(parts):
        session.execute(_INSERT_PART, _step_row(job_id, step, steps, part=part, part_input=part_input))
    session.execute(_DROP_PARTS, {"job_id": job_id, "name": step.name, "count": len(parts)})


def _step_row(job_id: UUID, step: NewStep, steps: Sequence[NewStep], *, part: int, part_input: object) -> dict[str, object]:
    # A join waits for the step that decides the parts as well: before that one ends, "no part is live" would be true.
    sources = {other.for_each for other in steps if other.name in step.after and other.for_each}
    after = sorted({*step.after, *sources, *([step.for_each] if step.for_each else [])})
    return {
        "id": new_id(),
        "job_id": job_id,
        "name": step.name,
        "part": part,
        "after": after,
        "input": part_input,
        "queue": step.queue,
        "optional": step.optional,
        "status": Status.WAITING if after else Status.QUEUED,
        "max_attempts": step.max_attempts,
    }


# SKIP LOCKED: a row that somebody else holds is being claimed or cancelled right now.
_CLAIM = text(f"""
WITH free AS MATERIALIZED (
    SELECT s.id FROM jobs.job_steps s
    WHERE s.id = :step_id AND s.status IN ('queued', 'retrying') AND s.available_at <= now()
      AND {NOT_PAUSED}
    FOR UPDATE SKIP LOCKED),
up AS (
    UPDATE jobs.job_steps s
    SET status = 'running', attempt = s.attempt + 1, claim_id = gen_random_uuid(), worker_id = :worker_id,
        claimed_at = now(), lease_until = now() + :lease, error = NULL
    FROM free WHERE s.id = free.id
    RETURNING s.*)
SELECT up.claim_id, up.id AS step_id, up.job_id, j.pipeline, j.owner_id, up.name AS step, up.part, up.attempt, up.max_attempts,
       j.args, up.input, up.checkpoint
FROM up JOIN jobs.jobs j ON j.id = up.job_id
""")  # noqa: S608  (a constant)


def claim(session: Session, step_id: UUID, *, worker_id: UUID, lease: timedelta) -> Claim | None:
    """Start an attempt, or return None when the hint is stale, or a limit would be exceeded.

    Raises OperationalError when the job's row is held by another for a second.
    """
    statement = text("""
        SELECT job_id, queue, pipeline, owner_id, EXISTS (SELECT 1 FROM jobs.limits) AS limited FROM jobs.job_steps WHERE id = :id
    """)
    step = session.execute(statement, {"id": step_id}).one_or_none()
    if step is None:
        return None
    job_id = step.job_id
    # Whoever holds the row may be frozen: a hint that cannot be followed soon must not hold a thread. It comes again.
    session.execute(text("SET LOCAL lock_timeout = '1s'"))
    lock(session, job_id)
    if step.limited and not has_room(session, queue=step.queue, pipeline=step.pipeline, owner_id=step.owner_id):
        return None
    row = session.execute(_CLAIM, {"step_id": step_id, "worker_id": worker_id, "lease": lease}).mappings().one_or_none()
    if row is None:
        return None
    session.execute(_DERIVE, {"job_id": job_id})
    return Claim(**row)


_HELD = text("""
SELECT 1 FROM jobs.job_steps WHERE id = :step_id AND claim_id = :claim_id AND status = 'running' FOR UPDATE
""")
_END = text("""
UPDATE jobs.job_steps SET status = :status, finished_at = now(), lease_until = NULL, result = :result, error = :error,
    progress = CASE WHEN :status = 'succeeded' THEN 1 ELSE progress END
WHERE id = :step_id
""").bindparams(bindparam("result", type_=JSONB(none_as_null=True)))
# After a retry the source may decide on fewer parts than before.
_DROP_PARTS = text("DELETE FROM jobs.job_steps WHERE job_id = :job_id AND name = :name AND part >= :count")
_AGAIN = text("""
UPDATE jobs.job_steps SET status = :status, available_at = now() + :delay, lease_until = NULL, claim_id = NULL, error = :error,
    attempt = attempt - :uncounted
WHERE id = :step_id
""")
_ATTEMPT = text("""
INSERT INTO jobs.job_attempts (step_id, claim_id, attempt, worker_id, started_at, outcome, error, evidence)
SELECT id, claim_id, attempt, worker_id, claimed_at, :outcome, :error,
    jsonb_strip_nulls(jsonb_build_object('progress', progress, 'doing', progress_message)) || :evidence
FROM jobs.job_steps WHERE id = :step_id AND claim_id IS NOT NULL
ON CONFLICT (step_id, claim_id) DO NOTHING
""").bindparams(bindparam("evidence", type_=JSONB))


def holds(session: Session, held: Claim) -> bool:
    """Lock job and step, and tell whether this claim still holds the step: the fence before anything else is written."""
    lock(session, held.job_id)
    return session.execute(_HELD, {"step_id": held.step_id, "claim_id": held.claim_id}).first() is not None


def succeed(session: Session, held: Claim, *, result: object, parts: Sequence[object], steps: Sequence[NewStep]) -> None:
    """End the step well and queue what it unblocks; `holds` was true in this transaction."""
    if held.attempt > 1:
        insert_attempt(session, held.step_id, "succeeded", None)
    session.execute(_END, {"step_id": held.step_id, "status": Status.SUCCEEDED, "result": result, "error": None})
    for step in steps:
        if step.for_each == held.step:
            _insert_parts(session, held.job_id, step, steps, parts)
    advance(session, held.job_id)


def fail(session: Session, held: Claim, *, error: str, evidence: Evidence = NO_EVIDENCE) -> None:
    """End the step badly; unless it is optional, the job goes with it."""
    _end_attempt(session, held, Status.FAILED, error, evidence)


def cancel_step(session: Session, held: Claim) -> None:
    """End the step as cancelled; its processes and partial files are gone."""
    _end_attempt(session, held, Status.CANCELLED, None, NO_EVIDENCE)


def retry_later(session: Session, held: Claim, *, error: str, delay: timedelta, evidence: Evidence = NO_EVIDENCE) -> None:
    """Let the step run again after `delay`; this attempt counts."""
    insert_attempt(session, held.step_id, "retrying", error, evidence)
    _give_back(session, held, Status.RETRYING, error=error, delay=delay, uncounted=0)


def release(session: Session, held: Claim, *, outcome: str = "released", delay: timedelta = timedelta(0)) -> None:
    """Put the step back as it was; this attempt does not count."""
    insert_attempt(session, held.step_id, outcome, None)
    _give_back(session, held, Status.QUEUED, error=None, delay=delay, uncounted=1)


def _end_attempt(session: Session, held: Claim, status: Status, error: str | None, evidence: Evidence) -> None:
    insert_attempt(session, held.step_id, status.value, error, evidence)
    session.execute(_END, {"step_id": held.step_id, "status": status, "result": None, "error": error})
    advance(session, held.job_id)


def _give_back(session: Session, held: Claim, status: Status, *, error: str | None, delay: timedelta, uncounted: int) -> None:
    session.execute(_AGAIN, {"step_id": held.step_id, "status": status, "delay": delay, "error": error, "uncounted": uncounted})
    advance(session, held.job_id)


def insert_attempt(session: Session, step_id: UUID, outcome: str, error: str | None, evidence: Evidence = NO_EVIDENCE) -> None:
    """Keep how the step's present attempt ended and how far it was, before its row forgets it."""
    params = {"step_id": step_id, "outcome": outcome, "error": error, "evidence": dict(evidence)}
    session.execute(_ATTEMPT, params)


def lock(session: Session, job_id: UUID) -> None:
    """Serialise what follows with every other end of a step of this job."""
    session.execute(text("SELECT 1 FROM jobs.jobs WHERE id = :id FOR NO KEY UPDATE"), {"id": job_id})


_STOP_REST = text("""
UPDATE jobs.job_steps s SET status = 'cancelled', finished_at = now()
WHERE s.job_id = :job_id AND s.status IN ('waiting', 'queued', 'retrying')
  AND (EXISTS (SELECT 1 FROM jobs.jobs j WHERE j.id = :job_id AND j.cancel_requested_at IS NOT NULL)
    OR EXISTS (SELECT 1 FROM jobs.job_steps d WHERE d.job_id = :job_id
               AND (d.status IN ('quarantined', 'cancelled') OR (d.status = 'failed' AND NOT d.optional))))
""")
_UNBLOCK = text("""
UPDATE jobs.job_steps s SET status = 'queued', available_at = now()
WHERE s.job_id = :job_id AND s.status = 'waiting' AND NOT EXISTS (
    SELECT 1 FROM jobs.job_steps d WHERE d.job_id = :job_id AND d.name = ANY(s.after)
    AND NOT (d.status = 'succeeded' OR (d.status = 'failed' AND d.optional)))
""")
_DERIVE = text("""
UPDATE jobs.jobs j SET status = f.status, error = f.error, version = j.version + 1, updated_at = now(),
    finished_at = CASE WHEN f.live THEN NULL ELSE coalesce(j.finished_at, now()) END
FROM (
    SELECT CASE
        WHEN bool_or(s.status IN ('waiting', 'queued', 'running', 'retrying')) THEN CASE
            WHEN bool_or(s.status = 'running') THEN 'running'
            WHEN bool_or(s.status = 'retrying') THEN 'retrying'
            WHEN bool_and(s.attempt = 0) THEN 'queued'
            ELSE 'running' END
        WHEN bool_or(s.status = 'quarantined') THEN 'quarantined'
        WHEN bool_or(s.status = 'failed' AND NOT s.optional) THEN 'failed'
        WHEN bool_or(s.status = 'cancelled') THEN 'cancelled'
        ELSE 'succeeded' END AS status,
        bool_or(s.status IN ('waiting', 'queued', 'running', 'retrying')) AS live,
        min(s.error) FILTER (WHERE s.status IN ('failed', 'quarantined') AND NOT s.optional) AS error
    FROM jobs.job_steps s WHERE s.job_id = :job_id) f
WHERE j.id = :job_id
RETURNING j.finished_at IS NOT NULL
""")


def advance(session: Session, job_id: UUID) -> None:
    """Stop, unblock and derive, in that order, each in a statement of its own so that it sees what the last one wrote."""
    session.info[MOVED] = True
    session.execute(_STOP_REST, {"job_id": job_id})
    session.execute(_UNBLOCK, {"job_id": job_id})
    if session.scalar(_DERIVE, {"job_id": job_id}):
        settled(session, job_id)
        _free_key(session, job_id)


_TAKE_KEY = text("""
INSERT INTO jobs.unique_keys (pipeline, key, job_id) VALUES (:pipeline, :key, :job_id) ON CONFLICT DO NOTHING RETURNING 1
""")
_FREE_KEY = text("DELETE FROM jobs.unique_keys WHERE job_id = :job_id RETURNING pipeline, key, replay")


def take_key(session: Session, pipeline: str, key: str, job_id: UUID) -> bool:
    """Let this job hold the unique key; False when another one does."""
    return session.execute(_TAKE_KEY, {"pipeline": pipeline, "key": key, "job_id": job_id}).first() is not None


def _free_key(session: Session, job_id: UUID) -> None:
    """Give the key of a job that ended to the one that waits for it, if one does."""
    freed = session.execute(_FREE_KEY, {"job_id": job_id}).one_or_none()
    if freed is None or freed.replay is None:
        return
    new = {**freed.replay, "steps": [NewStep(**{**step, "after": tuple(step["after"])}) for step in freed.replay["steps"]]}
    again = insert_job(session, **new, unique_key=freed.key)
    take_key(session, freed.pipeline, freed.key, again)


def settled(session: Session, job_id: UUID) -> None:
    """Note that the job ended, or is open again, for what has to follow it before the commit."""
    session.info.setdefault(SETTLED, set()).add(job_id)
