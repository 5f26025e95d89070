"""Runs one claimed step and settles how it ended."""

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.errors import AskStephenError, Cancelled, ChildDied, Permanent, Released, Replaced, Snoozed, Transient
from core.log import get_logger, redact
from core.sandbox.run import Sandbox
from core.storage import Storage
from db import jobs
from db.engine import Database
from pipelines.base import get_pipeline
from pipelines.context import Context

_log = get_logger(__name__)
_LONGEST_DELAY_SECONDS = 300.0
_LONGEST_STDERR = 4000


class StepRunner:
    """What the threads of one worker process share."""

    def __init__(
        self, database: Database, storage: Storage, sandbox: Sandbox, *, worker_id: UUID, scratch: Path, lease: timedelta
    ) -> None:
        self.held: dict[UUID, Context] = {}
        self.stopping = threading.Event()
        self._database = database
        self._storage = storage
        self._sandbox = sandbox
        self._worker_id = worker_id
        self._scratch = scratch
        self._lease = lease

    def run(self, step_id: UUID) -> None:
        """Claim the hinted step and run it to an end; a stale hint does nothing."""
        if self.stopping.is_set():
            return
        with self._database.jobs() as session:
            held = jobs.claim(session, step_id, worker_id=self._worker_id, lease=self._lease)
        if held is None:
            return
        with structlog.contextvars.bound_contextvars(
            job_id=str(held.job_id), pipeline=held.pipeline, step=held.step, attempt=held.attempt, claim_id=str(held.claim_id)
        ):
            self._run(held)

    def _run(self, held: jobs.Claim) -> None:
        try:
            pipeline = get_pipeline(held.pipeline)
            step = pipeline.step(held.step)
        except Permanent as error:
            message = str(error)
            self._settle(held, lambda session: jobs.fail(session, held, error=message))
            return
        ctx = Context(
            held,
            pipeline.rows(),
            database=self._database,
            storage=self._storage,
            scratch=self._scratch,
            sandbox=self._sandbox,
            deadline=step.deadline,
        )
        self.held[held.claim_id] = ctx
        if self.stopping.is_set():
            ctx.released.set()
        try:
            end = self._execute(ctx, step.function)
            ctx.remove_folder()  # before the status says so: a cancelled job's partial files are gone
            if end is not None:
                self._settle(held, end)
        finally:
            self.held.pop(held.claim_id, None)
            ctx.remove_folder()

    def _execute(self, ctx: Context, function: Callable[[Context], object]) -> Callable[[Session], None] | None:
        """Call the step's function. Returns what to write, or None when there is nothing more to write."""
        try:
            ctx.check()
            value = function(ctx)
            if not ctx.ended:
                with ctx.complete(value):
                    pass
        except Replaced:
            _log.warning("step.replaced")
        except AskStephenError as error:
            return _end_of(ctx.held, error)
        except DBAPIError as error:
            if _passes(error):  # nobody's fault: no attempt counted
                _log.warning("step.database_lost", sqlstate=_sqlstate(error))
                return lambda session: jobs.release(session, ctx.held)
            _log.exception("step.crashed")
            return _retry_or_failure(ctx.held, "the database refused a statement; the log tells more", None)
        except Exception as error:  # noqa: BLE001  (a bug in a step must not take the worker with it)
            _log.exception("step.crashed")
            return _retry_or_failure(ctx.held, f"unexpected {type(error).__name__}; the log tells more", None)
        return None

    def _settle(self, held: jobs.Claim, write: Callable[[Session], None]) -> None:
        """Write an end under the fence. An unreachable database is waited for: until then nothing has ended."""
        while True:
            try:
                with self._database.jobs() as session:
                    if jobs.holds(session, held):
                        write(session)
                    else:
                        _log.warning("step.replaced")
            except DBAPIError as error:
                if not _passes(error):
                    raise
                if self.stopping.wait(0.5):
                    return  # the lease expires, and the step runs again
            else:
                return


def _passes(error: DBAPIError) -> bool:
    """Tell whether the same transaction may do well later: the server was away (classes 08 and 57), or chose us to break a deadlock (40)."""
    sqlstate = _sqlstate(error)
    return error.connection_invalidated or sqlstate is None or sqlstate.startswith(("08", "57", "40"))


def _sqlstate(error: DBAPIError) -> str | None:
    sqlstate: str | None = getattr(error.orig, "sqlstate", None)
    return sqlstate


def _end_of(held: jobs.Claim, error: AskStephenError) -> Callable[[Session], None]:
    match error:
        case Cancelled():
            return lambda session: jobs.cancel_step(session, held)
        case Released():
            return lambda session: jobs.release(session, held)
        case Snoozed(delay=delay):
            return lambda session: jobs.release(session, held, outcome="snoozed", delay=delay)
        case ChildDied(evidence=evidence):
            return _retry_or_failure(held, str(error), None, evidence=_without_secrets(evidence))
        case Transient(retry_after=retry_after):
            return _retry_or_failure(held, str(error), retry_after)
        case _:
            return _failure(held, str(error))


def _without_secrets(evidence: jobs.Evidence) -> jobs.Evidence:
    kept: dict[str, object] = redact(evidence)
    return kept | {"stderr": str(kept["stderr"])[-_LONGEST_STDERR:]} if "stderr" in kept else kept


def _failure(held: jobs.Claim, message: str, evidence: jobs.Evidence = jobs.NO_EVIDENCE) -> Callable[[Session], None]:
    return lambda session: jobs.fail(session, held, error=message, evidence=evidence)


def _retry_or_failure(
    held: jobs.Claim, message: str, retry_after: timedelta | None, *, evidence: jobs.Evidence = jobs.NO_EVIDENCE
) -> Callable[[Session], None]:
    if held.attempt >= held.max_attempts:
        return _failure(held, f"{message} (after {held.attempt} attempts)", evidence)
    delay = back_off(held.attempt) if retry_after is None else retry_after
    return lambda session: jobs.retry_later(session, held, error=message, delay=delay, evidence=evidence)


def back_off(attempt: int) -> timedelta:
    """How long to wait after attempt number `attempt` (from 1): doubling from 2 s to 5 minutes, spread by a fifth."""
    seconds = min(2.0**attempt, _LONGEST_DELAY_SECONDS)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311  (spread, not secrecy)
