"""What a running step sees of the platform."""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, text
from sqlalchemy.orm import Session

from core.children import Limits, Output
from core.errors import Cancelled, ChildDied, NotFound, Overdue, Permanent, Released, Replaced, Snoozed
from core.sandbox.run import Sandbox
from core.storage import Storage, mark_content
from db import jobs, operators
from db.engine import Database, Role, become
from db.jobs import EffectStatus, Spend
from db.permissions import OperatorDeed, require_operator_deed

_CRASHES = frozenset({"signal", "memory"})  # a deadline may be the host's fault


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
        self.database = database
        self._sandbox = sandbox
        self._scratch = scratch
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """The attempt's own folder; gone when the attempt has ended."""
        if self._folder is None:
            self._folder = self._scratch / self.held.claim_id.hex
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def remove_folder(self) -> None:
        """Remove the attempt's folder, if it has one."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def key(self, name: str) -> str:
        """A storage key that belongs to this attempt."""
        return f"attempts/{self.held.claim_id.hex}/{name}"

    def stopping(self) -> bool:
        """Tell whether the step should come to an end."""
        return self.replaced or self.cancelled or self.released or self.overdue_seconds() > 0

    def has_begun(self) -> bool:
        """Tell whether the step was called; until then it waits behind others of its hint."""
        return self.deadline_at < math.inf

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
        with self.database.jobs() as session:
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
        """Run a program in the sandbox, in the attempt's folder: see `core.children.Run`.

        The evidence of a child that crashed names the content on which it did: of those inputs that are stored files.
        """
        try:
            return self._sandbox.run(argv, folder=self.folder, inputs=inputs, limits=limits, on_line=on_line, check=self.check)
        except ChildDied as error:
            stored = [path for path in inputs if self.storage.keeps(path)]
            if stored and error.evidence.get("reason") in _CRASHES:
                error.evidence["content"] = mark_content(stored)
            raise

    def log(self, message: str, *, level: str = "info") -> None:
        """Write a line that the job's owner sees on its page."""
        with self.database.jobs() as session:
            jobs.insert_log_line(session, self.held, message, level=level)

    def result(self, step: str) -> Any:  # noqa: ANN401  (what that step returned)
        """What `step` of this job returned; None when it was optional and failed. Raises NotFound."""
        with self.database.jobs() as session:
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
        with self.database.tenant(self.held.owner_id) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Product rows in a transaction of their own, under the fence; the step goes on. Raises Replaced before the block runs."""
        owner = self.held.owner_id
        with self.database.tenant(owner) as session:
            become(session, Role.JOBS, "")
            if not jobs.holds(session, self.held):
                raise Replaced(f"another attempt holds step {self.held.step}")
            become(session, Role.TENANT, owner)
            yield session

    @contextmanager
    def operate(self, deed: OperatorDeed) -> Iterator[Session]:
        """A transaction of the job core under the fence, for what the job's owner asked for as an operator.

        Raises Refused when the owner may not (any more), Replaced; both before the block runs.
        """
        with self._fenced() as session:
            require_operator_deed(operators.find_role(session, self.held.owner_id), deed)
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
            jobs.succeed(session, [self.success(result)._replace(parts=parts)])
        self.ended = True

    def calls(self, provider: str) -> None:
        """Say what this step calls, where only its input tells; before the first call. Raises as `check`.

        Raises Snoozed at the first time: the step goes back, and starts again when that provider's rules let it.
        """
        self.check()
        with self._fenced() as session:
            is_new = jobs.name_provider(session, self.held.step_id, provider)
        if is_new:
            raise Snoozed(f"it calls {provider}", delay=timedelta(0))

    def spend(self, budget: str, *, units: int = 1) -> Spend:
        """Take units from a budget that all workers share, before the call that costs them. Raises as `check`.

        Raises Snoozed until the budget starts anew when fewer are left: nothing is taken, and no attempt is counted.
        """
        self.check()
        with self._fenced() as session:
            return jobs.spend(session, budget, units)

    def refund(self, spent: Spend) -> None:
        """Give back what was taken for a call that was not made; once."""
        with self.database.jobs() as session:
            jobs.refund(session, spent)

    def effect(
        self,
        kind: str,
        *,
        key: str,
        make: Callable[[], object],
        find: Callable[[], object | None],
        request: Mapping[str, object] | None = None,
    ) -> Any:  # noqa: ANN401  (what `make` or `find` returned)
        """Do something on the outside once, whatever attempts die; returns what it answered (small JSON, not None).

        `key` is the same for every attempt at it, and for every job that means the same effect. `make` does it: a Permanent
        error from it says that it did not happen, any other that nobody knows. `find` looks on the outside for one that was
        made, and returns its answer, or None when there is none; it is called when an attempt was lost between call and
        answer. Raises as `check`, Snoozed while another step is at it, and what `make` and `find` raise.
        """
        self.check()
        with self._fenced() as session:
            effect = jobs.intend(session, self.held, kind, key, request=request)
        if effect.status is EffectStatus.MADE:
            return effect.response
        if effect.status is EffectStatus.UNKNOWN:
            found = find()
            if found is not None:
                self._settle(effect, EffectStatus.MADE, response=found)
                return found
            self.check()
            with self._fenced() as session:
                jobs.intend_again(session, self.held, effect)
        try:
            response = make()
        except Permanent as error:
            self._settle(effect, EffectStatus.FAILED, error=str(error))
            raise
        self._settle(effect, EffectStatus.MADE, response=response)
        return response

    def _settle(self, effect: jobs.Effect, status: EffectStatus, *, response: object = None, error: str | None = None) -> None:
        with self.database.jobs() as session:
            if not jobs.settle_effect(session, self.held.claim_id, effect, status, response=response, error=error):
                raise Replaced(f"another attempt took over {effect.kind} {effect.key}")

    @contextmanager
    def _fenced(self) -> Iterator[Session]:
        """A transaction of the job core under the fence. Raises Replaced before the block runs."""
        with self.database.jobs() as session:
            if not jobs.holds(session, self.held):
                raise Replaced(f"another attempt holds step {self.held.step}")
            yield session
