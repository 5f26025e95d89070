"""Keeps what the scheduler does every second going when the machine's clock is set back."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from core.log import get_logger

_log = get_logger(__name__)
_JUMP_SECONDS = 1.0


class Steady:
    """APScheduler waits until the time that it noted for each job comes: after a clock went back by an hour, that is an hour."""

    def __init__(
        self,
        clock: BackgroundScheduler,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._monotonic, self._wall = monotonic, wall
        self._offset = wall() - monotonic()

    def start(self) -> None:
        """Look every second, in a thread of its own."""
        threading.Thread(target=self._run, name="steady", daemon=True).start()

    def look(self) -> None:
        """Let every job run now if the clock went back since the last look."""
        was, self._offset = self._offset, self._wall() - self._monotonic()
        if was - self._offset > _JUMP_SECONDS:
            _log.warning("clock.went_back", seconds=round(was - self._offset, 1))
            for job in self._clock.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))

    def _run(self) -> None:
        while True:
            time.sleep(1)
            self.look()
