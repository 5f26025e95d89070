"""Runs the steps of hints: claims them, calls them, and settles how each ended."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.errors import NotFound
from core.log import about, get_logger
from core.sandbox.run import Sandbox
from core.storage import Storage
from db import jobs
from db.engine import Database
from pipelines.base import get_pipeline
from pipelines.context import Context
from workers.endings import Ending, ending_of, passes
from workers.group import GroupCommit
from workers.hint import Attempt, Hint, take_all
from workers.room import HostRoom
from workers.times import StepTimes

_log = get_logger(__name__)
_LARGEST_GROUP = 256
_SLOW_SECONDS = 0.1  # a step that runs longer holds its neighbours up
_UNKNOWN_DELAY = timedelta(minutes=1)


class StepRunner:
    """What the threads of one worker process share."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        sandbox: Sandbox,
        *,
        worker_id: UUID,
        scratch: Path,
        lease: timedelta,
        alone: bool = False,  # whether steps that lost their worker may run here
    ) -> None:
        self._alone = alone
        self.held: dict[UUID, Context] = {}
        self.stopping = threading.Event()
        self.times = StepTimes()
        self.room = HostRoom(database, scratch, storage)
        self._hints: dict[int, Hint] = {}
        self._claims = GroupCommit(self._claim, most=_LARGEST_GROUP)
        self._successes = GroupCommit(self._succeed, most=_LARGEST_GROUP)
        self._database = database
        self._storage = storage
        self._sandbox = sandbox
        self._worker_id = worker_id
        self._scratch = scratch
        self._lease = lease

    def run(self, *step_ids: UUID) -> None:
        """Claim the hinted steps and run them to their ends, one after the other; a stale hint does nothing."""
        hint = self._hints[threading.get_ident()] = Hint()  # before anything is claimed: who stops the process waits for it
        try:
            if self.stopping.is_set():
                return
            hint.fill(self._attempts(self._start(step_ids)))
            if self.stopping.is_set():
                self.stop()
            while (attempt := hint.next()) is not None:
                self._run(attempt, hint)
                if hint.wants_writing():
                    self._write_successes(hint.take_ended())
        finally:
            self._write_successes(hint.take_ended())
            del self._hints[threading.get_ident()]

    def stop(self) -> None:
        """Take nothing new, give back what was not begun, and tell what runs."""
        self.stopping.set()
        waiting = [attempt for hint in list(self._hints.values()) for attempt in take_all(hint.waiting)]
        for ctx in list(self.held.values()):
            ctx.released = True
        self._give_back(waiting)

    def give_up(self) -> None:
        """Give back what did not listen: nothing of it goes on, because the process ends now. What is past its deadline loses its lease."""
        for ctx in [ctx for ctx in list(self.held.values()) if ctx.overdue_seconds() <= 0]:
            try:
                self._give_up(ctx.held)
            except DBAPIError as error:  # the others are still to be given back
                _log.warning("step.not_given_back", **ctx.held.words(), error=type(error).__name__)

    def _give_up(self, held: jobs.Claim) -> None:
        with self._database.jobs() as session:
            session.execute(text("SET LOCAL lock_timeout = '1s'"))  # its own transaction may be what it hangs in
            if jobs.holds(session, held):
                jobs.release(session, held)

    def is_busy(self) -> bool:
        """Tell whether anything is claimed, runs, or is not written yet."""
        return bool(self._hints)

    def free_neighbours(self) -> None:
        """Let go of what stands in a hint beside a slow step: other threads take what was not begun, and what ended is written."""
        slow = time.monotonic() - _SLOW_SECONDS
        for hint in list(self._hints.values()):
            if hint.since < slow:
                self._give_back(take_all(hint.waiting))
                self._write_successes(take_all(hint.ended))

    def _start(self, step_ids: Sequence[UUID]) -> list[jobs.Claim]:
        got = self._claims.submit(step_ids)
        # Taken out of what the group shares: of a step that is hinted twice at once, one hint gets the claim.
        claims = [claim for step_id in step_ids if (claim := got.pop(step_id, None))]
        if len(claims) < len(step_ids):
            claims += self._start_held_up(set(step_ids) - {claim.step_id for claim in claims})
        return claims

    def _claim(self, step_ids: Sequence[UUID]) -> dict[UUID, jobs.Claim]:
        with self._database.hot(durable=False) as session:  # a claim that is lost is made again
            claims = jobs.claim_many(
                session, list(dict.fromkeys(step_ids)), worker_id=self._worker_id, lease=self._lease, alone=self._alone
            )
        return {claim.step_id: claim for claim in claims}

    def _start_held_up(self, step_ids: Iterable[UUID]) -> list[jobs.Claim]:
        """Those whose job another transaction had its hands on."""
        claims = []
        for step_id in step_ids:
            try:
                with self._database.hot(durable=False) as session:
                    claim = jobs.claim(session, step_id, worker_id=self._worker_id, lease=self._lease, alone=self._alone)
            except DBAPIError as error:  # the row is as it was: the relay hints it again
                _log.warning("step.not_claimed", error=type(error).__name__)
                continue
            if claim is not None:
                claims.append(claim)
        return claims

    def _attempts(self, claims: Iterable[jobs.Claim]) -> list[Attempt]:
        attempts = []
        for claim in claims:
            try:
                pipeline = get_pipeline(claim.pipeline)
                step = pipeline.step(claim.step)
            except NotFound as error:  # a newer worker may know it
                _log.warning("step.unknown", pipeline=claim.pipeline, step=claim.step)
                self._settle(claim, partial(jobs.put_back, claims=[claim], delay=_UNKNOWN_DELAY, reason=str(error)))
                continue
            ctx = Context(
                claim._replace(args={**pipeline.defaults, **claim.args}),
                pipeline.rows,
                database=self._database,
                storage=self._storage,
                scratch=self._scratch,
                sandbox=self._sandbox,
            )
            self.held[claim.claim_id] = ctx
            attempts.append((ctx, step))
        return attempts

    def _run(self, attempt: Attempt, hint: Hint) -> None:
        ctx, step = attempt
        held = ctx.held
        ctx.deadline_at = time.monotonic() + step.deadline.total_seconds()
        with about(held.words):
            try:
                ctx.check()
                if self.room.reserve(ctx, step):
                    began = time.monotonic()
                    value = step.function(ctx)
                    self.times.add(held.pipeline, held.step, time.monotonic() - began)
                    if not ctx.ended:
                        hint.end(ctx, value if isinstance(value, jobs.Success) else ctx.success(value))
                        return
            except Exception as error:  # noqa: BLE001  (each is told apart)
                self._settle_error(ctx, error)
            self._let_go(ctx)

    def _settle_error(self, ctx: Context, error: Exception) -> None:
        ctx.remove_folder()  # before the status says so: a cancelled job's partial files are gone
        ending = ending_of(ctx.held, self.room.explain(error))
        if ending is None:
            return
        try:
            self._settle(ctx.held, ending)
        except Exception as unwritten:  # noqa: BLE001  (its lease expires; the steps behind it are to run)
            _log.error("step.end_not_written", exc_info=unwritten)

    def _let_go(self, ctx: Context) -> None:
        self.held.pop(ctx.held.claim_id, None)
        ctx.remove_folder()

    def _write_successes(self, ended: Sequence[tuple[Context, jobs.Success]]) -> None:
        """Returns once they are committed. Where the group fails, each is written by itself, and fails by itself."""
        if not ended:
            return
        try:
            holding = self._successes.submit([success for _, success in ended])
        except Exception as error:  # noqa: BLE001  (it is told apart for each)
            if len(ended) > 1 or not isinstance(error, DBAPIError):
                _log.warning("group.failed", error=type(error).__name__)
            for ctx, success in ended:
                self._write_alone(ctx, success)
        else:
            for ctx, _ in ended:
                if ctx.held.claim_id not in holding:
                    _log.warning("step.replaced", claim_id=str(ctx.held.claim_id))
        for ctx, _ in ended:
            self._let_go(ctx)

    def _write_alone(self, ctx: Context, success: jobs.Success) -> None:
        try:
            self._insist(lambda: self._succeed([success]))
        except Exception as error:  # noqa: BLE001  (its own write went wrong)
            self._settle_error(ctx, error)

    def _succeed(self, successes: Sequence[jobs.Success]) -> set[UUID]:
        with self._database.hot() as session:
            return jobs.succeed(session, successes)

    def _give_back(self, waiting: Sequence[Attempt]) -> None:
        for ctx, _ in waiting:
            self.held.pop(ctx.held.claim_id, None)  # first: if the database cannot be told, the leases must expire
        if waiting:
            with self._database.jobs() as session:
                jobs.put_back(session, [ctx.held for ctx, _ in waiting])

    def _settle(self, held: jobs.Claim, write: Ending) -> None:
        """Write an end under the fence."""

        def fenced() -> None:
            with self._database.jobs() as session:
                if jobs.holds(session, held):
                    write(session)
                else:
                    _log.warning("step.replaced")

        self._insist(fenced)

    def _insist(self, write: Callable[[], object]) -> None:
        """Write an end. An unreachable database is waited for: until then nothing has ended."""
        while True:
            try:
                write()
            except DBAPIError as error:
                if not passes(error):
                    raise
                if self.stopping.wait(0.5):
                    return  # the lease expires, and the step runs again
            else:
                return
