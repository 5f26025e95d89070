"""The status machine: jobs and steps are written, claimed and ended here; the moves are listed in the package's words."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Row, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Text, Uuid

from core.ids import new_id
from db.engine import MOVED, SETTLED, Role, become
from db.jobs.breakers import close_answered

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
    provider: str | None = None  # what it calls on the outside


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
    provider: str | None = None

    def words(self) -> dict[str, object]:
        """What it is, for a line of the log."""
        return {
            "job_id": str(self.job_id),
            "pipeline": self.pipeline,
            "step": self.step,
            "attempt": self.attempt,
            "claim_id": str(self.claim_id),
        }


_IDS = bindparam("ids", type_=ARRAY(Uuid))
_AFTER = bindparam("after", type_=ARRAY(Text))
# Arrays, not COPY: that is refused where row-level security holds.
_INSERT_JOBS = text("""
INSERT INTO jobs.jobs (id, pipeline, owner_id, subject, args, priority, unique_key, start_by, finish_by)
SELECT n.id, :pipeline, :owner_id, :subject, CAST(n.args AS jsonb), :priority, :unique_key,
    now() + make_interval(secs => :start_seconds), now() + make_interval(secs => :finish_seconds)
FROM unnest(:ids, :args) n(id, args)
""").bindparams(_IDS, bindparam("args", type_=ARRAY(Text)))
_INSERT_STEPS = text("""
INSERT INTO jobs.job_steps (id, job_id, name, after, queue, optional, status, max_attempts, priority, owner_id, pipeline, provider)
SELECT n.id, n.job_id, :name, :after, :queue, :optional, :status, :max_attempts, :priority, :owner_id, :pipeline, :provider
FROM unnest(:ids, :job_ids) n(id, job_id)
""").bindparams(_IDS, _AFTER, bindparam("job_ids", type_=ARRAY(Uuid)))
# A source that runs again decides anew; a part that was there keeps its row, and with it its attempts.
_INSERT_PARTS = text("""
INSERT INTO jobs.job_steps (id, job_id, part, input, name, after, queue, optional, status, max_attempts, priority, owner_id, pipeline,
    provider)
SELECT n.id, j.id, n.part - 1, CAST(n.input AS jsonb), :name, :after, :queue, :optional, :status, :max_attempts,
    j.priority, j.owner_id, j.pipeline, :provider
FROM jobs.jobs j CROSS JOIN unnest(:ids, :inputs) WITH ORDINALITY n(id, input, part) WHERE j.id = :job_id
ON CONFLICT (job_id, name, part) DO UPDATE SET input = excluded.input, status = excluded.status
""").bindparams(_IDS, _AFTER, bindparam("inputs", type_=ARRAY(Text)))


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
    start_seconds: float | None = None,
    finish_seconds: float | None = None,
) -> UUID:
    """Write a job and its steps; they exist once the caller's transaction commits. `priority`: 0 goes first, 3 last.

    Not begun in `start_seconds`, or not ended in `finish_seconds`, it fails.
    """
    job_id = job_id or new_id()
    columns = {
        "pipeline": pipeline,
        "owner_id": owner_id,
        "subject": subject,
        "priority": priority,
        "unique_key": unique_key,
        "start_seconds": start_seconds,
        "finish_seconds": finish_seconds,
    }
    _insert_jobs(session, [job_id], [args], steps, columns)
    return job_id


def insert_jobs(
    session: Session,
    *,
    pipeline: str,
    owner_id: str,
    args: Sequence[Mapping[str, Any]],
    steps: Sequence[NewStep],
    subject: str | None,
    priority: int = DEFAULT_PRIORITY,
    start_seconds: float | None = None,
    finish_seconds: float | None = None,
) -> list[UUID]:
    """Write one job for each of `args`, as `insert_job` does, in a few statements for all."""
    ids = [new_id() for _ in args]
    columns = {
        "pipeline": pipeline,
        "owner_id": owner_id,
        "subject": subject,
        "priority": priority,
        "unique_key": None,
        "start_seconds": start_seconds,
        "finish_seconds": finish_seconds,
    }
    _insert_jobs(session, ids, args, steps, columns)
    return ids


def _insert_jobs(
    session: Session,
    ids: Sequence[UUID],
    args: Sequence[Mapping[str, Any]],
    steps: Sequence[NewStep],
    columns: Mapping[str, object],
) -> None:
    session.info[MOVED] = True
    texts = [json.dumps(dict(each)) for each in args]
    session.execute(_INSERT_JOBS, {**columns, "ids": ids, "args": texts})
    for step in steps:
        if step.for_each is None:
            rows = {"ids": [new_id() for _ in ids], "job_ids": ids}
            session.execute(_INSERT_STEPS, {**columns, **_step_columns(step, steps), **rows})


def _insert_parts(session: Session, job_id: UUID, step: NewStep, steps: Sequence[NewStep], parts: Sequence[object]) -> None:
    rows = {"ids": [new_id() for _ in parts], "inputs": [json.dumps(part) for part in parts]}
    session.execute(_INSERT_PARTS, {"job_id": job_id, **_step_columns(step, steps), **rows})
    session.execute(_DROP_PARTS, {"job_id": job_id, "name": step.name, "count": len(parts)})


def _step_columns(step: NewStep, steps: Sequence[NewStep]) -> dict[str, object]:
    after = _waits_for(step, steps)
    return {
        "name": step.name,
        "after": sorted(after),
        "queue": step.queue,
        "optional": step.optional,
        "status": Status.WAITING if after else Status.QUEUED,
        "max_attempts": step.max_attempts,
        "provider": step.provider,
    }


def _waits_for(step: NewStep, steps: Sequence[NewStep]) -> set[str]:
    # A join waits for what its parts wait for as well: before there are any, or where there are none, "no part is live" would be true.
    parted = (other for other in steps if other.name in step.after and other.for_each)
    own = {*step.after, *([step.for_each] if step.for_each else [])}
    return own.union(*(_waits_for(other, steps) for other in parted))


_HELD = text("""
SELECT 1 FROM jobs.job_steps WHERE id = :step_id AND claim_id = :claim_id AND status = 'running' FOR UPDATE
""")
_END = text("""
UPDATE jobs.job_steps SET status = :status, finished_at = now(), lease_until = NULL, result = NULL, error = :error
WHERE id = :step_id
""")
# The fence of many: a row comes back only for a claim that still holds its step.
_FENCED = """
UPDATE jobs.job_steps s SET status = 'succeeded', finished_at = now(), lease_until = NULL, error = NULL, progress = 1,
    result = CAST(e.result AS jsonb)
FROM unnest(:step_ids, :claim_ids, :results) e(id, claim_id, result)
WHERE s.id = e.id AND s.claim_id = e.claim_id AND s.status = 'running'
"""
_ENDED = (
    bindparam("step_ids", type_=ARRAY(Uuid)),
    bindparam("claim_ids", type_=ARRAY(Uuid)),
    bindparam("results", type_=ARRAY(Text)),
    bindparam("job_ids", type_=ARRAY(Uuid)),
)
_SUCCEED = text(f"{_FENCED} RETURNING s.claim_id").bindparams(*_ENDED[:3])
# What `lock`, `_SUCCEED` and `_DERIVE` come to where the job has this one step. All jobs are locked before the first step: the count
# says so. A step or job that changed while they were waited for is looked at again as it is then. A job to which another version of
# its pipeline gave more steps is left alone.
_SUCCEED_ALONE = text(f"""
WITH locked AS MATERIALIZED (SELECT id FROM jobs.jobs WHERE id = ANY(:job_ids) ORDER BY id FOR NO KEY UPDATE),
ended AS ({_FENCED} AND (SELECT count(*) FROM locked) > 0
    AND NOT EXISTS (SELECT 1 FROM jobs.job_steps o WHERE o.job_id = s.job_id AND o.id <> s.id)
    RETURNING s.claim_id, s.job_id)
UPDATE jobs.jobs j SET status = 'succeeded', error = NULL, version = j.version + 1, updated_at = now(), finished_at = now()
FROM ended WHERE j.id = ended.job_id
RETURNING ended.claim_id, j.id, j.pipeline, j.unique_key, true AS ended
""").bindparams(*_ENDED)  # noqa: S608  (a constant)
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


@dataclass(frozen=True, slots=True)
class Rows:
    """Product rows: a statement, and the parameters of each time that it is executed."""

    statement: Executable
    params: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Success:
    """How a step ended well. `result` is JSON text; `rows` are written, as the job's owner, with the step's end."""

    held: Claim
    steps: Sequence[NewStep]  # of its pipeline
    result: str | None = None
    parts: Sequence[object] = ()
    rows: Rows | None = None


def succeed(session: Session, successes: Sequence[Success]) -> set[UUID]:
    """End these steps well, and queue what that unblocks. Returns the claims that held their step: the others wrote nothing."""
    ordered = sorted(successes, key=lambda each: each.held.step_id)  # rows are locked in one order everywhere
    alone = [each for each in ordered if len(each.steps) == 1]
    if len(alone) < len(ordered):
        lock(session, *{each.held.job_id for each in ordered})  # of all: in one order
    holding = _succeed_alone(session, alone)
    holding |= _succeed_among(session, [each for each in ordered if each.held.claim_id not in holding])
    kept = [each for each in ordered if each.held.claim_id in holding]
    for each in kept:
        if each.held.attempt > 1:
            insert_attempt(session, each.held.step_id, "succeeded", None)
    if called := [each.held.step_id for each in kept if each.held.provider is not None]:
        close_answered(session, called)
    _write_products(session, kept)
    return holding


def _succeed_alone(session: Session, successes: Sequence[Success]) -> set[UUID]:
    if not successes:
        return set()
    job_ids = [each.held.job_id for each in successes]
    rows = session.execute(_SUCCEED_ALONE, {**_arrays(successes), "job_ids": job_ids}).all()
    _moved(session, rows)
    return {row.claim_id for row in rows}


def _succeed_among(session: Session, successes: Sequence[Success]) -> set[UUID]:
    """Of jobs that have other steps too."""
    if not successes:
        return set()
    holding = set(session.execute(_SUCCEED, _arrays(successes)).scalars())
    kept = [each for each in successes if each.held.claim_id in holding]
    for each in kept:
        for step in each.steps:
            if step.for_each == each.held.step:
                _insert_parts(session, each.held.job_id, step, each.steps, each.parts)
    advance(session, *{each.held.job_id for each in kept})
    return holding


def _arrays(successes: Sequence[Success]) -> dict[str, object]:
    return {
        "step_ids": [each.held.step_id for each in successes],
        "claim_ids": [each.held.claim_id for each in successes],
        "results": [each.result for each in successes],
    }


def _write_products(session: Session, successes: Sequence[Success]) -> None:
    """One statement for all that write the same way, owner by owner."""
    writes: dict[str, dict[Executable, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for each in successes:
        if each.rows and each.rows.params:
            writes[each.held.owner_id][each.rows.statement].extend(each.rows.params)
    for owner_id, theirs in sorted(writes.items()):
        become(session, Role.TENANT, owner_id)
        for statement, params in theirs.items():
            session.execute(statement, params)
    if writes:
        become(session, Role.JOBS, "")


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


def release(
    session: Session, held: Claim, *, outcome: str = "released", delay: timedelta = timedelta(0), reason: str | None = None
) -> None:
    """Put the step back as it was; this attempt does not count. `reason` is shown while it waits."""
    insert_attempt(session, held.step_id, outcome, reason)
    _give_back(session, held, Status.QUEUED, error=reason, delay=delay, uncounted=1)


_PUT_BACK = text("""
UPDATE jobs.job_steps s SET status = 'queued', attempt = s.attempt - 1, claim_id = NULL, lease_until = NULL, error = :reason,
    claimed_at = CASE WHEN s.attempt > 1 THEN s.claimed_at END, available_at = now() + :delay
FROM unnest(:step_ids, :claim_ids) c(id, claim_id)
WHERE s.id = c.id AND s.claim_id = c.claim_id AND s.status = 'running'
""").bindparams(bindparam("step_ids", type_=ARRAY(Uuid)), bindparam("claim_ids", type_=ARRAY(Uuid)))


def put_back(session: Session, claims: Sequence[Claim], *, delay: timedelta = timedelta(0), reason: str | None = None) -> None:
    """Undo claims whose steps were never begun; those that were replaced meanwhile are left alone."""
    ordered = sorted(claims, key=lambda held: held.step_id)
    job_ids = {held.job_id for held in ordered}
    lock(session, *job_ids)
    rows = {"step_ids": [held.step_id for held in ordered], "claim_ids": [held.claim_id for held in ordered]}
    session.execute(_PUT_BACK, {**rows, "delay": delay, "reason": reason})
    advance(session, *job_ids)


def _end_attempt(session: Session, held: Claim, status: Status, error: str | None, evidence: Evidence) -> None:
    insert_attempt(session, held.step_id, status.value, error, evidence)
    session.execute(_END, {"step_id": held.step_id, "status": status, "error": error})
    advance(session, held.job_id)


def _give_back(session: Session, held: Claim, status: Status, *, error: str | None, delay: timedelta, uncounted: int) -> None:
    session.execute(_AGAIN, {"step_id": held.step_id, "status": status, "delay": delay, "error": error, "uncounted": uncounted})
    advance(session, held.job_id)


def insert_attempt(session: Session, step_id: UUID, outcome: str, error: str | None, evidence: Evidence = NO_EVIDENCE) -> None:
    """Keep how the step's present attempt ended and how far it was, before its row forgets it."""
    params = {"step_id": step_id, "outcome": outcome, "error": error, "evidence": dict(evidence)}
    session.execute(_ATTEMPT, params)


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
_DERIVE = text("""
UPDATE jobs.jobs j SET version = j.version + 1, updated_at = now(),
    status = CASE WHEN f.status = 'cancelled' AND j.stop_reason IS NOT NULL THEN 'failed' ELSE f.status END,
    error = CASE WHEN f.status = 'cancelled' THEN coalesce(j.stop_reason, f.error) ELSE f.error END,
    finished_at = CASE WHEN f.live THEN NULL ELSE coalesce(j.finished_at, now()) END
FROM (
    SELECT s.job_id, CASE
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
    FROM jobs.job_steps s WHERE s.job_id = ANY(:job_ids) GROUP BY s.job_id) f
WHERE j.id = f.job_id
RETURNING j.id, j.pipeline, j.unique_key, j.finished_at IS NOT NULL AS ended
""").bindparams(_JOB_IDS)


def advance(session: Session, *job_ids: UUID) -> None:
    """Stop, unblock and derive, in that order, each in a statement of its own so that it sees what the last one wrote."""
    if job_ids:
        session.execute(_STOP_REST, {"job_ids": list(job_ids)})
        session.execute(_UNBLOCK, {"job_ids": list(job_ids)})
        derive(session, *job_ids)


def derive(session: Session, *job_ids: UUID) -> None:
    """Bring the status of these jobs, whose steps are as they should be, and what follows from their end."""
    if not job_ids:
        return
    _moved(session, session.execute(_DERIVE, {"job_ids": list(job_ids)}).all())


def _moved(session: Session, rows: Sequence[Row[Any]]) -> None:
    session.info[MOVED] = True
    ended = [row for row in rows if row.ended]
    if ended:
        settled(session, {row.id: row.pipeline for row in ended})
    if keyed := [row.id for row in ended if row.unique_key is not None]:
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
