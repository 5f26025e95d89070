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
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

import pipelines
from core.errors import AskStephenError, Invalid, NotFound
from core.log import get_logger
from db import jobs, status
from db.engine import Role, become
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
) -> Callable[[Callable[[Context], object]], Step]:
    """Declare a step. Its name is the function's; an attempt that takes longer than `deadline` is ended, and counts.

    `provider` is what it calls on the outside: it waits while that one is unavailable, paused, or at its limit.
    """

    def declare(function: Callable[[Context], object]) -> Step:
        return Step(function.__name__, function, queue, max_attempts, optional, deadline, provider=provider)

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
    transaction that moved the job, with the job's row.
    """

    name: str
    args: type[Any]
    steps: tuple[Step, ...]
    follow: Callable[[Session, RowMapping], None] | None = None
    unique: Unique | None = None

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
) -> UUID:
    """Write a job in the caller's transaction and return its id, or that of the one that stands for it (see `Unique`).

    `priority`: 0 goes first, 3 last. Raises NotFound, Invalid, Conflict.
    """
    return enqueue_many(session, name, [args], owner_id=owner_id, subject=subject, priority=priority)[0]


def enqueue_many(
    session: Session,
    name: str,
    args: Sequence[Mapping[str, object]],
    *,
    owner_id: str,
    subject: str | None = None,
    priority: int = jobs.DEFAULT_PRIORITY,
) -> list[UUID]:
    """One job for each of `args`, as `enqueue` does; where the pipeline is not unique, in a few statements for all."""
    pipeline = get_pipeline(name)
    valid = [_validated(pipeline, each) for each in args]
    if not 0 <= priority <= _LOWEST_PRIORITY:
        raise Invalid(f"priority of {name}: 0 to {_LOWEST_PRIORITY}, not {priority}")
    new: dict[str, Any] = {"pipeline": name, "owner_id": owner_id, "subject": subject, "priority": priority}
    if pipeline.unique is None:
        return jobs.insert_jobs(session, **new, args=valid, steps=pipeline.rows)
    key, on_conflict = pipeline.unique.key, pipeline.unique.on_conflict
    return [
        jobs.insert_unique_job(session, **new, args=each, steps=pipeline.rows, key=key(each), on_conflict=on_conflict)
        for each in valid
    ]


def _validated(pipeline: Pipeline, args: Mapping[str, object]) -> Mapping[str, Any]:
    if unknown := args.keys() - pipeline.arguments:
        raise Invalid(f"arguments of {pipeline.name}: unknown: {', '.join(sorted(unknown))}")
    try:
        valid: Mapping[str, Any] = pipeline.adapter.dump_python(pipeline.adapter.validate_python(dict(args)), mode="json")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise Invalid(f"arguments of {pipeline.name}: {problems}") from None
    return valid


def settle(session: Session, pipeline_of: Mapping[UUID, str]) -> None:
    """Let the pipelines of these jobs follow them; for `Database(settle=…)`. What goes wrong there does not undo the move."""
    for job_id, name in sorted(pipeline_of.items()):
        follow = pipeline.follow if (pipeline := find_pipelines().get(name)) else None
        if follow is None:
            continue
        become(session, Role.JOBS, "")
        job = status.get_job(session, job_id)
        try:
            with session.begin_nested():
                become(session, Role.TENANT, job["owner_id"])
                follow(session, job)
        except (AskStephenError, SQLAlchemyError):
            _log.exception("job.not_followed", job_id=str(job_id), pipeline=name)
