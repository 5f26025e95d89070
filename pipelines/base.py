"""How steps and pipelines are declared, found and enqueued."""

import dataclasses
import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import Any, Self
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from sqlalchemy import RowMapping
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

import pipelines
from core.errors import AskStephenError, Invalid, NotFound
from core.log import get_logger
from db import jobs, status
from db.engine import Role, become
from db.jobs import Needs
from pipelines.context import Context

_log = get_logger(__name__)
_LOWEST_PRIORITY = 3
_DEADLINE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Step:
    """A function and what the platform must know of it. Placed in a pipeline by `after`."""

    name: str
    function: Callable[[Context], object]
    queue: str
    max_attempts: int = 5
    optional: bool = False
    deadline: timedelta = _DEADLINE
    comes_after: tuple[str, ...] = ()
    for_each: str | None = None
    provider: str | None = None
    needs: Needs | Callable[[Context], Needs] | None = None

    def after(self, *steps: Self, for_each: Self | None = None) -> Self:
        """This step, to be started when `steps` have ended; with `for_each`, once for every part that step decides on."""
        names = tuple(step.name for step in steps)
        return dataclasses.replace(self, comes_after=names, for_each=for_each.name if for_each else None)

    def row(self) -> jobs.NewStep:
        return jobs.NewStep(
            self.name, self.queue, self.comes_after, self.for_each, self.optional, self.max_attempts, self.provider
        )


def step(
    *,
    queue: str,
    max_attempts: int = 5,
    optional: bool = False,
    deadline: timedelta = _DEADLINE,
    provider: str | None = None,
    needs: Needs | Callable[[Context], Needs] | None = None,
) -> Callable[[Callable[[Context], object]], Step]:
    """Declare a step. Its name is the function's; an attempt that takes longer than `deadline` is ended, and counts.

    `provider` is what it calls on the outside: it waits while that one is unavailable, paused, or at its limit. It begins only on a
    host that has what it `needs`, which may be computed of what the steps before it returned.
    """

    def declare(function: Callable[[Context], object]) -> Step:
        return Step(function.__name__, function, queue, max_attempts, optional, deadline, provider=provider, needs=needs)

    return declare


@dataclass(frozen=True, slots=True)
class Unique:
    """Of the jobs of one owner that agree in the arguments `by`, one may be unfinished."""

    by: tuple[str, ...]
    on_conflict: jobs.OnConflict = jobs.OnConflict.EXISTING

    def key(self, args: Mapping[str, object]) -> str:
        return json.dumps([args[name] for name in self.by], sort_keys=True)


@dataclass(frozen=True)
class Pipeline:
    """A named DAG of steps and the type of its arguments (a frozen dataclass).

    `follow` brings the product's rows after a job of it that ended or was opened again: called as the job's owner, in the
    transaction that moved the job, with the job's row. A job that has not begun within `start_within`, or not ended within
    `finish_within`, fails; `enqueue` may say otherwise.
    """

    name: str
    args: type[Any]
    steps: tuple[Step, ...]
    follow: Callable[[Session, RowMapping], None] | None = None
    unique: Unique | None = None
    start_within: timedelta | None = None
    finish_within: timedelta | None = None

    @cached_property
    def rows(self) -> tuple[jobs.NewStep, ...]:
        """Its steps as the job core knows them."""
        return tuple(step.row() for step in self.steps)

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Validates its arguments."""
        return TypeAdapter(self.args)

    @cached_property
    def arguments(self) -> frozenset[str]:
        """The names of its arguments."""
        return frozenset(field.name for field in dataclasses.fields(self.args))

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """What an argument is in a job that was written before the argument existed."""
        fields = dataclasses.fields(self.args)
        return {field.name: to_jsonable_python(field.default) for field in fields if field.default is not dataclasses.MISSING}

    def step(self, name: str) -> Step:
        """The step of that name. Raises NotFound."""
        for candidate in self.steps:
            if candidate.name == name:
                return candidate
        raise NotFound(f"pipeline {self.name} has no step {name}; was the job made by another version?")


def find_pipelines() -> Mapping[str, Pipeline]:
    """Every module of the package that has a PIPELINE, by name."""
    return _find_in(tuple(pipelines.__path__))


@cache
def _find_in(folders: tuple[str, ...]) -> Mapping[str, Pipeline]:
    """Looked for once: every claim and every job's end asks."""
    found: dict[str, Pipeline] = {}
    for module in pkgutil.iter_modules(folders):
        if not module.ispkg:
            pipeline = getattr(importlib.import_module(f"pipelines.{module.name}"), "PIPELINE", None)
            if isinstance(pipeline, Pipeline):
                found[pipeline.name] = pipeline
    return found


def get_pipeline(name: str) -> Pipeline:
    """The pipeline of that name. Raises NotFound."""
    pipelines_by_name = find_pipelines()
    if name not in pipelines_by_name:
        raise NotFound(f"there is no pipeline {name!r}; there are: {', '.join(sorted(pipelines_by_name))}")
    return pipelines_by_name[name]


def enqueue(
    session: Session,
    name: str,
    args: Mapping[str, object],
    *,
    owner_id: str,
    subject: str | None = None,
    priority: int = jobs.DEFAULT_PRIORITY,
    start_within: timedelta | None = None,
    finish_within: timedelta | None = None,
) -> UUID:
    """Write a job in the caller's transaction and return its id, or that of the one that stands for it (see `Unique`).

    `priority`: 0 goes first, 3 last. Not begun within `start_within`, or not ended within `finish_within`, it fails; None leaves
    that to the pipeline. Raises NotFound, Invalid, Conflict.
    """
    return enqueue_many(
        session,
        name,
        [args],
        owner_id=owner_id,
        subject=subject,
        priority=priority,
        start_within=start_within,
        finish_within=finish_within,
    )[0]


def enqueue_many(
    session: Session,
    name: str,
    args: Sequence[Mapping[str, object]],
    *,
    owner_id: str,
    subject: str | None = None,
    priority: int = jobs.DEFAULT_PRIORITY,
    start_within: timedelta | None = None,
    finish_within: timedelta | None = None,
) -> list[UUID]:
    """One job for each of `args`, as `enqueue` does; where the pipeline is not unique, in a few statements for all."""
    pipeline = get_pipeline(name)
    valid = _all_validated(pipeline, args)
    if not 0 <= priority <= _LOWEST_PRIORITY:
        raise Invalid(f"priority of {name}: 0 to {_LOWEST_PRIORITY}, not {priority}")
    new: dict[str, Any] = {
        "pipeline": name,
        "owner_id": owner_id,
        "subject": subject,
        "priority": priority,
        "start_seconds": _seconds(pipeline.start_within if start_within is None else start_within),
        "finish_seconds": _seconds(pipeline.finish_within if finish_within is None else finish_within),
    }
    if pipeline.unique is None:
        return jobs.insert_jobs(session, **new, args=valid, steps=pipeline.rows)
    on_conflict = pipeline.unique.on_conflict
    keys = [pipeline.unique.key(each) for each in valid]
    if len(keys) > 1:
        jobs.lock_holders(session, name, owner_id, keys)
    ids = {}
    for number in sorted(range(len(valid)), key=keys.__getitem__):  # keys are taken in one order everywhere
        one = {**new, "args": valid[number], "steps": pipeline.rows, "key": keys[number]}
        ids[number] = jobs.insert_unique_job(session, **one, on_conflict=on_conflict)
    return [ids[number] for number in range(len(valid))]


def _seconds(limit: timedelta | None) -> float | None:
    if limit is not None and limit <= timedelta(0):
        raise Invalid(f"a limit of time is more than nothing, not {limit}")
    return None if limit is None else limit.total_seconds()


def _all_validated(pipeline: Pipeline, args: Sequence[Mapping[str, object]]) -> list[Mapping[str, Any]]:
    if len(args) == 1:
        return [validated(pipeline, args[0])]
    valid = []
    for number, each in enumerate(args, 1):
        try:
            valid.append(validated(pipeline, each))
        except Invalid as error:
            raise Invalid(f"job {number} of {len(args)}: {error}") from None
    return valid


def validated(pipeline: Pipeline, args: Mapping[str, object]) -> Mapping[str, Any]:
    """These arguments as the pipeline declares them, for a row. Raises Invalid."""
    if unknown := args.keys() - pipeline.arguments:
        raise Invalid(f"arguments of {pipeline.name}: unknown: {', '.join(sorted(unknown))}")
    try:
        valid: Mapping[str, Any] = pipeline.adapter.dump_python(pipeline.adapter.validate_python(dict(args)), mode="json")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise Invalid(f"arguments of {pipeline.name}: {problems}") from None
    return valid


def settle(session: Session, pipeline_of: Mapping[UUID, str]) -> None:
    """Let the pipelines of these jobs, and the hooks of their batches, follow them; for `Database(settle=…)`.

    What goes wrong there, a mistake in our own code too, undoes neither the move nor those of other jobs in this transaction,
    unless the whole transaction may do well later (a deadlock).
    """
    for job_id, name in sorted(pipeline_of.items()):
        if (pipeline := find_pipelines().get(name)) and pipeline.follow:
            _follow(session, job_id, pipeline.follow)
    become(session, Role.JOBS, "")
    for due in jobs.settle_batches(session, pipeline_of.keys()):
        _enqueue_hook(session, due)


def _follow(session: Session, job_id: UUID, follow: Callable[[Session, RowMapping], None]) -> None:
    become(session, Role.JOBS, "")
    job = status.find_job(session, job_id)
    if job is None:  # removed in this transaction
        return
    try:
        with session.begin_nested():
            become(session, Role.TENANT, job["owner_id"])
            follow(session, job)
    except OperationalError:
        raise
    except Exception:  # noqa: BLE001  (what a pipeline does beside a job may not hold up the others)
        _log.exception("job.not_followed", job_id=str(job_id), pipeline=job["pipeline"])


def _enqueue_hook(session: Session, due: jobs.DueHook) -> None:
    try:
        with session.begin_nested():
            job_id = enqueue(session, due.hook.pipeline, due.hook.args, owner_id=due.owner_id, priority=due.priority)
    except OperationalError:
        raise
    except (AskStephenError, SQLAlchemyError) as error:
        _log.exception("batch.hook_not_enqueued", batch_id=str(due.batch_id), pipeline=due.hook.pipeline)
        words = str(error) if isinstance(error, AskStephenError) else "the database refused it; the log tells more"
        jobs.keep_hook(session, due.batch_id, job_id=None, error=words)
    else:
        jobs.keep_hook(session, due.batch_id, job_id=job_id)
