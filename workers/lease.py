"""The keeper: one thread per worker process that renews leases, carries progress, and brings back requests to stop."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Text

from core.log import get_logger
from core.version import source_version
from db import jobs
from db.engine import MOVED, Database
from workers.runner import StepRunner

_log = get_logger(__name__)
_LOOK_SECONDS = 0.1
_DEAF_SECONDS = 60.0  # past its deadline
_BEAT = text("""
INSERT INTO jobs.workers (id, queues, threads, host, process, version, free_disk_bytes, free_memory_bytes)
VALUES (:id, :queues, :threads, :host, :process, :version, :disk_bytes, :memory_bytes)
ON CONFLICT (id) DO UPDATE SET seen_at = now(), free_disk_bytes = excluded.free_disk_bytes,
    free_memory_bytes = excluded.free_memory_bytes
""").bindparams(bindparam("queues", type_=ARRAY(Text)))


class Keeper:
    """Beats every second or so until told to stop, and between beats looks for steps that hold their neighbours up."""

    def __init__(
        self,
        runner: StepRunner,
        database: Database,
        *,
        worker_id: UUID,
        queues: Sequence[str],
        threads: int,
        lease: timedelta,
        on_deaf: Callable[[], object] = lambda: None,  # called when a step keeps its thread though it lost its lease
    ) -> None:
        self._on_deaf = on_deaf
        self._runner = runner
        self._database = database
        self._beat = {
            "id": worker_id,
            "queues": list(queues),
            "threads": threads,
            "host": runner.room.host,
            "process": os.getpid(),
            "version": source_version(),
        }
        self._lease = lease
        self._held_before: set[UUID] = set()  # at the last beat
        self._every_seconds = min(1.0, lease.total_seconds() / 4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye, so that the relay sends nothing more here."""
        self._stop.set()
        self._thread.join(timeout=5)
        with self._database.jobs() as session:
            session.execute(text("DELETE FROM jobs.workers WHERE id = :id"), {"id": self._beat["id"]})

    def _keep(self) -> None:
        beat_at = 0.0
        while True:
            try:
                self._runner.free_neighbours()
                # A step that nobody knows to be short is hinted alone: what is new is told at once.
                if time.monotonic() >= beat_at or self._runner.times.has_news():
                    beat_at = time.monotonic() + self._every_seconds
                    self.beat()
            except SQLAlchemyError as error:
                _log.warning("keeper.database_unreachable", error=type(error).__name__)
            if self._stop.wait(_LOOK_SECONDS):
                return

    def beat(self) -> None:
        """One heartbeat and one renewal of all that is held."""
        held = dict(self._runner.held)
        # One that does not listen loses its lease: another worker takes the step, and its own writes are fenced off.
        deaf = {claim_id: ctx for claim_id, ctx in held.items() if ctx.overdue_seconds() >= _DEAF_SECONDS}
        # What was claimed since the last beat and waits for its thread has a fresh lease and nothing to tell: of short steps, most.
        renewals = [
            jobs.Renewal(ctx.held.step_id, claim_id, *ctx.last_progress)
            for claim_id, ctx in held.items()
            if (ctx.has_begun() or claim_id in self._held_before) and not ctx.ended and claim_id not in deaf
        ]
        self._held_before = set(held)
        if deaf:
            _log.error("step.does_not_listen", steps=[ctx.held.words() for ctx in deaf.values()])
            self._on_deaf()
        free = self._runner.room.measure()
        with self._database.hot(durable=False) as session:
            session.execute(_BEAT, {**self._beat, **asdict(free)})
            kept = jobs.renew(session, renewals, lease=self._lease) if renewals else {}
            if times := self._runner.times.take():
                jobs.keep_times(session, times)
            if renewals:
                session.info[MOVED] = True
        for renewal in renewals:
            if renewal.claim_id not in kept:
                held[renewal.claim_id].replaced = True
            elif kept[renewal.claim_id]:
                held[renewal.claim_id].cancelled = True
