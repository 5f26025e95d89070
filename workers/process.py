"""What every process that runs steps is made of, and how it ends."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from core.ids import new_id
from core.log import get_logger
from core.nudge import Nudge
from core.reaping import Reaped
from core.sandbox.run import Sandbox
from core.settings import Settings
from core.storage import open_storage
from db import jobs
from db.engine import Database
from pipelines.base import find_pipelines, settle
from workers.lease import Keeper
from workers.runner import StepRunner
from workers.stop import Stop

_log = get_logger("workers")


class Process:
    """A runner of steps, the keeper of its leases, and the wish that both end."""

    def __init__(self, config: Settings, *, queues: Sequence[str], threads: int, alone: bool = False) -> None:
        find_pipelines()  # a module that does not import is found now, not at its first job
        self.stop = Stop()
        self.database = Database(
            config.database_url.get_secret_value(),
            connections=max(1, threads) + 2,
            nudge=Nudge(config.redis_url.get_secret_value()),
            settle=settle,
        )
        self._grace_seconds = config.grace_seconds
        worker_id, lease = new_id(), timedelta(seconds=config.lease_seconds)
        self.runner = StepRunner(
            self.database,
            open_storage(config),
            Sandbox(mode=config.sandbox),
            worker_id=worker_id,
            scratch=config.scratch,
            lease=lease,
            alone=alone,
        )
        self.keeper = Keeper(
            self.runner,
            self.database,
            worker_id=worker_id,
            queues=queues,
            threads=threads,
            lease=lease,
            on_deaf=self.stop.set,
        )

    def tell_loss(self, reaped: Reaped) -> None:
        """Note that a process which this one started is gone. Where that cannot be told, its lease expires."""
        try:
            with self.database.jobs() as session:
                jobs.record_death(session, host=self.runner.room.host, reaped=reaped)
        except SQLAlchemyError as error:
            _log.warning("alone.loss_not_told", error=type(error).__name__)

    def shut_down(self, *, others_run: Callable[[], bool] = lambda: False) -> None:
        """Give back what was not begun, wait for the grace time for what runs, give that back too, and end the process."""
        try:
            self.runner.stop()
        except SQLAlchemyError as error:
            _log.warning("worker.could_not_give_back", error=type(error).__name__)
        deadline = time.monotonic() + self._grace_seconds
        while (self.runner.is_busy() or others_run()) and time.monotonic() < deadline:
            time.sleep(0.05)
        try:
            self.runner.give_up()
            self.keeper.stop()
        except SQLAlchemyError as error:
            _log.warning("worker.left_without_goodbye", error=type(error).__name__)
        _log.info("worker.stopped", unfinished=len(self.runner.held))
        os._exit(0)  # a step that does not listen must not hold the process
