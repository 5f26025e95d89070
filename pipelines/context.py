"""What a running step sees of the platform."""

import dataclasses
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, text
from sqlalchemy.orm import Session

from core.children import Limits, Output
from core.errors import Cancelled, NotFound, Overdue, Released, Replaced
from core.sandbox.run import Sandbox
from core.storage import Storage
from db import jobs
from db.engine import Database, Role, become


class Context:
    """One attempt. The flags are set by the worker's keeper thread; the step meets them in `check`."""

    def __init__(
        self,
        held: jobs.Claim,
        steps: Sequence[jobs.NewStep],
        *,
        database: Database,
        storage: Storage,
        scratch: Path,
        sandbox: Sandbox,
    ) -> None:
        self.held = held
        self.args: dict[str, Any] = held.args
        self.input: Any = held.input
        self.last_checkpoint: Any = held.checkpoint
        self.storage = storage
        self.ended = False
        self.last_progress: tuple[float | None, str | None] = (None, None)
        self.replaced = self.cancelled = self.released = False
        self.deadline_at = math.inf  # until the step begins
        self._steps = steps
        self._database = database
        self._sandbox = sandbox
        self._folder = scratch / held.claim_id.hex
        self._made_folder = False

    @property
    def folder(self) -> Path:
        """The attempt's own folder; gone when the attempt has ended."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._made_folder = True
        return self._folder

    def remove_folder(self) -> None:
        """Remove the attempt's folder, if it has one."""
        if self._made_folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def key(self, name: str) -> str:
        """A storage key that belongs to this attempt."""
        return f"attempts/{self.held.claim_id.hex}/{name}"

    def stopping(self) -> bool:
        """Tell whether the step should come to an end."""
        return self.replaced or self.cancelled or self.released or self.overdue_seconds() > 0

    def overdue_seconds(self) -> float:
        """How long ago the step should have come to its end; negative before."""
        return time.monotonic() - self.deadline_at

    def check(self) -> None:
        """Raise Replaced, Cancelled, Released or Overdue when the step should come to an end."""
        if self.replaced:
            raise Replaced(f"another attempt holds step {self.held.step}")
        if self.cancelled:
            raise Cancelled(f"job {self.held.job_id} was asked to stop")
        if self.released:
            raise Released(f"this worker is stopping; step {self.held.step} goes back")
        if self.overdue_seconds() > 0:
            raise Overdue(f"step {self.held.step} took longer than its deadline and was ended")

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        """Say how far the step is, 0 to 1; travels with the next renewal. Raises as `check`."""
        self.check()
        self.last_progress = (None if fraction is None else min(1.0, max(0.0, fraction)), message)

    def checkpoint(self, value: object) -> None:
        """Keep `value` (small JSON) for the next attempt as `last_checkpoint`. Raises as `check`."""
        with self._database.jobs() as session:
            if not jobs.save_checkpoint(session, self.held, value):
                raise Replaced(f"another attempt holds step {self.held.step}")
        self.check()

    def run(
        self,
        argv: Sequence[str],
        *,
        inputs: Sequence[Path] = (),
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        """Run a program in the sandbox, in the attempt's folder: see `core.children.Run`."""
        return self._sandbox.run(argv, folder=self.folder, inputs=inputs, limits=limits, on_line=on_line, check=self.check)

    def log(self, message: str, *, level: str = "info") -> None:
        """Write a line that the job's owner sees on its page."""
        with self._database.jobs() as session:
            jobs.insert_log_line(session, self.held, message, level=level)

    def result(self, step: str) -> Any:  # noqa: ANN401  (what that step returned)
        """What `step` of this job returned; None when it was optional and failed. Raises NotFound."""
        with self._database.jobs() as session:
            row = session.execute(
                text("SELECT result FROM jobs.job_steps WHERE job_id = :job_id AND name = :name AND part = 0"),
                {"job_id": self.held.job_id, "name": step},
            ).one_or_none()
        if row is None:
            raise NotFound(f"job {self.held.job_id} has no step {step}")
        return row.result

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees what the job's owner sees."""
        with self._database.tenant(self.held.owner_id) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Product rows in a transaction of their own, under the fence; the step goes on. Raises Replaced before the block runs."""
        owner = self.held.owner_id
        with self._database.tenant(owner) as session:
            become(session, Role.JOBS, "")
            if not jobs.holds(session, self.held):
                raise Replaced(f"another attempt holds step {self.held.step}")
            become(session, Role.TENANT, owner)
            yield session

    def success(self, result: object = None, *, rows: jobs.Rows | None = None) -> jobs.Success:
        """How this step ends well."""
        return jobs.Success(self.held, self._steps, None if result is None else json.dumps(result), rows=rows)

    def finish(self, statement: Executable, *params: Mapping[str, Any], result: object = None) -> jobs.Success:
        """For `return ctx.finish(INSERT_PRICE, {...}, {...})`: product rows that are written with the step's end.

        The statement sees what the job's owner sees. It is executed once for all steps that end together and name the same one, so
        it is best a constant; where it fails for one of them, each step is written by itself and fails by itself.
        """
        return self.success(result, rows=jobs.Rows(statement, params))

    @contextmanager
    def complete(self, result: object = None, *, parts: Sequence[object] = ()) -> Iterator[Session]:
        """Product rows, the step's end and what it unblocks, in one transaction. Raises Replaced before the block runs."""
        with self.write() as session:
            yield session
            session.flush()
            become(session, Role.JOBS, "")
            jobs.succeed(session, [dataclasses.replace(self.success(result), parts=parts)])
        self.ended = True
