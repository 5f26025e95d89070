"""How steps and pipelines are declared, found and enqueued."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

import pipelines
from core.errors import Invalid, NotFound
from db import jobs
from pipelines.context import Context


@dataclass(frozen=True, slots=True)
class Step:
    """A function and what the platform must know of it. Placed in a pipeline by `after`."""

    name: str
    function: Callable[[Context], object]
    queue: str
    max_attempts: int = 5
    optional: bool = False
    comes_after: tuple[str, ...] = ()
    for_each: str | None = None

    def after(self, *steps: Self, for_each: Self | None = None) -> Self:
        """This step, to be started when `steps` have ended; with `for_each`, once for every part that step decides on."""
        names = tuple(step.name for step in steps)
        return dataclasses.replace(self, comes_after=names, for_each=for_each.name if for_each else None)

    def row(self) -> jobs.NewStep:
        return jobs.NewStep(self.name, self.queue, self.comes_after, self.for_each, self.optional, self.max_attempts)


def step(*, queue: str, max_attempts: int = 5, optional: bool = False) -> Callable[[Callable[[Context], object]], Step]:
    """Declare a step. Its name is the function's."""

    def declare(function: Callable[[Context], object]) -> Step:
        return Step(function.__name__, function, queue, max_attempts, optional)

    return declare


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A named DAG of steps and the type of its arguments (a frozen dataclass)."""

    name: str
    args: type[Any]
    steps: tuple[Step, ...]

    def rows(self) -> list[jobs.NewStep]:
        return [step.row() for step in self.steps]

    def step(self, name: str) -> Step:
        """The step of that name. Raises NotFound."""
        for candidate in self.steps:
            if candidate.name == name:
                return candidate
        raise NotFound(f"pipeline {self.name} has no step {name}; was the job made by another version?")


def find_pipelines() -> dict[str, Pipeline]:
    """Every module of the package that has a PIPELINE, by name."""
    found: dict[str, Pipeline] = {}
    for module in pkgutil.iter_modules(pipelines.__path__):
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


def enqueue(session: Session, name: str, args: Mapping[str, object], *, owner_id: str, subject: str | None = None) -> UUID:
    """Write a job in the caller's transaction and return its id. Raises NotFound, Invalid."""
    pipeline = get_pipeline(name)
    unknown = set(args) - {field.name for field in dataclasses.fields(pipeline.args)}
    if unknown:
        raise Invalid(f"arguments of {name}: unknown: {', '.join(sorted(unknown))}")
    adapter = TypeAdapter(pipeline.args)
    try:
        valid = adapter.dump_python(adapter.validate_python(dict(args)), mode="json")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise Invalid(f"arguments of {name}: {problems}") from None
    return jobs.insert_job(session, pipeline=name, owner_id=owner_id, args=valid, steps=pipeline.rows(), subject=subject)
