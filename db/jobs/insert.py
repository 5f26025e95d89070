"""Jobs and their steps are written here."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Text, Uuid

from core.ids import new_id
from core.nudge import Start
from db.engine import MOVED, run
from db.jobs.words import DEFAULT_PRIORITY, NewStep, Status

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

# After a retry the source may decide on fewer parts than before.
_DROP_PARTS = text("DELETE FROM jobs.job_steps WHERE job_id = :job_id AND name = :name AND part >= :count")


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
    moved_before = MOVED in session.info
    starts: list[Start] = []  # of one job; many are for the relay
    texts = [json.dumps(dict(each)) for each in args]
    run(session, _INSERT_JOBS, {**columns, "ids": ids, "args": texts})
    for step in steps:
        if step.for_each is None:
            rows = {"ids": [new_id() for _ in ids], "job_ids": ids}
            about = _step_columns(step, steps)
            run(session, _INSERT_STEPS, {**columns, **about, **rows})
            if len(ids) == 1 and about["status"] is Status.QUEUED:
                starts.append(Start(step.queue, rows["ids"][0]))
    session.info[MOVED] = starts[0] if len(starts) == 1 and not moved_before else True


def insert_parts(session: Session, job_id: UUID, step: NewStep, steps: Sequence[NewStep], parts: Sequence[object]) -> None:
    """Make the step's parts these: what was there keeps its row, what is too much goes."""
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
