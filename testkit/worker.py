"""A worker of every queue that runs in the test's own process."""

import contextlib
import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, overload
from uuid import UUID, uuid4

from sqlalchemy import text

from core.sandbox.run import Sandbox
from core.storage import Storage
from db import status, users
from db.engine import Database
from pipelines.base import Pipeline, Step, enqueue, find_pipelines, step
from pipelines.context import Context
from testkit.enqueued import as_mapping
from testkit.registry import registered
from workers.runner import StepRunner

_MOST_ROUNDS = 100


@dataclasses.dataclass(frozen=True, slots=True)
class _NoArgs:
    """Of a step that reads none."""


class NotSucceeded(AssertionError):
    """The performed job did not succeed; `job` is its snapshot."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        steps = "\n".join(f"  {one['name']} {one['part'] or ''} {one['status']} {one['error'] or ''}" for one in job["steps"])
        super().__init__(f"job of {job['pipeline']} is {job['status']}: {job['error']}\n{steps}")
        self.job = job


class Worker:
    """Runs queued steps one after the other."""

    def __init__(self, database: Database, storage: Storage, sandbox: Sandbox, scratch: Path) -> None:
        self.database = database
        self.storage = storage
        self.scratch = scratch
        lease = timedelta(seconds=600)
        self.runner = StepRunner(database, storage, sandbox, worker_id=uuid4(), scratch=scratch, lease=lease, alone=True)

    @overload
    def perform(self, what: Pipeline, args: object = None, *, owner_id: str = ...) -> dict[str, Any]: ...
    @overload
    def perform(
        self, what: Step, args: object = None, *, owner_id: str = ..., results: Mapping[str, object] = ..., part: object = ...
    ) -> Any: ...  # noqa: ANN401  (what the step returns)

    def perform(
        self,
        what: Pipeline | Step,
        args: object = None,
        *,
        owner_id: str = users.LOCAL_OWNER,
        results: Mapping[str, object] | None = None,
        part: object = None,
    ) -> Any:
        """Run a job to its end and return its steps' results by name; of one step, its result. Raises NotSucceeded.

        `args` is the dataclass that the pipeline names, or for a whole pipeline a mapping. For one step, `results` is what
        `ctx.result` returns of the steps before it, and `part` its `ctx.input`. Of a step with parts the last part's result is told.
        """
        pipeline = what if isinstance(what, Pipeline) else _only(what, args, results or {}, part)
        known = find_pipelines().get(pipeline.name) is pipeline
        with contextlib.nullcontext() if known else registered(pipeline):
            with self.database.tenant(owner_id) as session:
                job_id = enqueue(session, pipeline.name, as_mapping(args), owner_id=owner_id)
            self.drain()
        job = self.job(job_id)
        if job["status"] != "succeeded":
            raise NotSucceeded(job)
        returned = {one["name"]: one["result"] for one in sorted(job["steps"], key=lambda one: one["part"])}
        return returned if isinstance(what, Pipeline) else returned[what.name]

    def drain(self) -> None:
        """Run what is due, and what that unblocks, until nothing is; a retry that waits for its time is not due."""
        for _ in range(_MOST_ROUNDS):
            due = self.list_due()
            if not due:
                return
            for step_id in due:
                self.runner.run(step_id)
        raise AssertionError(f"after {_MOST_ROUNDS} rounds there is still something to run")

    def list_due(self) -> list[UUID]:
        """The steps that a worker would start now."""
        with self.database.jobs() as session:
            statement = text(
                "SELECT id FROM jobs.job_steps WHERE status IN ('queued', 'retrying') AND available_at <= now() ORDER BY id"
            )
            return list(session.execute(statement).scalars())

    def job(self, job_id: UUID) -> dict[str, Any]:
        """The job with its steps and attempts, as the API shows it."""
        with self.database.jobs() as session:
            return status.snapshot(session, job_id)

    def log(self, job_id: UUID) -> list[str]:
        """The lines of the job's log."""
        with self.database.jobs() as session:
            return [row["message"] for row in status.list_log(session, job_id)]


def _only(what: Step, args: object, results: Mapping[str, object], part: object) -> Pipeline:
    """A pipeline of this step, and of steps that return what those before it did."""
    if args is not None and not dataclasses.is_dataclass(args):
        raise TypeError(f"the arguments of a step are the dataclass that its pipeline names, not {type(args).__name__}")
    before = [Step(name, lambda _ctx, result=result: result, what.queue) for name, result in results.items()]  # type: ignore[misc]
    alone = dataclasses.replace(what, comes_after=(), for_each=None)
    if part is not None:
        source = _source_of(part, what.queue)
        before.append(source)
        alone = alone.after(*before, for_each=source)
    else:
        alone = alone.after(*before)
    return Pipeline(f"only_{what.name}", _NoArgs if args is None else type(args), (*before, alone))


def _source_of(part: object, queue: str) -> Step:
    @step(queue=queue)
    def decide_parts(ctx: Context) -> None:
        with ctx.complete(parts=[part]):
            pass

    return decide_parts
