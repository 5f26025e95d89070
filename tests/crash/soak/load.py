"""What is asked of the platform: jobs of mixed kinds in random bursts, and some of them cancelled while they run."""

import random
import threading
import time
from collections import Counter
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from core.errors import Conflict
from db import jobs, users
from pipelines.base import enqueue
from tests.crash.soak.stage import Stage

# Each kind with its weight.
KINDS = {
    "soak_instant": 40,
    "soak_short": 30,
    "soak_count": 10,
    "soak_fan": 10,
    "soak_retry": 5,
    "soak_file": 5,
    "soak_child": 3,
    "soak_stop": 2,
}
_MOST_AT_ONCE = 60
_RUNNING = text("""
SELECT j.id FROM jobs.jobs j JOIN jobs.job_steps s ON s.job_id = j.id
WHERE j.pipeline = 'soak_stop' AND j.finished_at IS NULL AND j.cancel_requested_at IS NULL AND s.status = 'running'
""")


class Load:
    """Two threads. `accepted` holds what was committed: the promise is about those."""

    def __init__(self, stage: Stage, *, jobs_wanted: int, seconds: float, seed: int) -> None:
        self.accepted: dict[UUID, str] = {}
        self.refused = Counter[str]()
        self._stage = stage
        self._wanted = jobs_wanted
        self._seconds = seconds
        self._random = random.Random(f"load {seed}")
        self._over = threading.Event()
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._enqueue_all, self._cancel_all)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_until_all_are_accepted(self) -> None:
        self._threads[0].join()

    def stop(self) -> None:
        """No more cancelling."""
        self._over.set()
        self._threads[1].join()

    def _enqueue_all(self) -> None:
        began = time.monotonic()
        while len(self.accepted) < self._wanted and self._stage.runner.poll() is None:
            size = min(self._random.randint(1, _MOST_AT_ONCE), self._wanted - len(self.accepted))
            kinds = self._random.choices(list(KINDS), weights=list(KINDS.values()), k=size)
            due = began + self._seconds * len(self.accepted) / self._wanted
            self._over.wait(max(0.0, due - time.monotonic()))
            self._enqueue(kinds)

    def _enqueue(self, kinds: list[str]) -> None:
        """As a client does: what was not acknowledged is asked for again."""
        while self._stage.runner.poll() is None:
            try:
                with self._stage.database.tenant(users.LOCAL_OWNER) as session:
                    made = {enqueue(session, kind, self._args(kind), owner_id=users.LOCAL_OWNER): kind for kind in kinds}
            except SQLAlchemyError as error:
                self.refused[type(error).__name__] += 1
                self._over.wait(0.2)
            else:
                self.accepted |= made
                return

    def _args(self, kind: str) -> dict[str, object]:
        match kind:
            case "soak_short":
                return {"milliseconds": self._random.randint(5, 50)}
            case "soak_count":
                return {"to": 10}
            case "soak_fan":
                return {"parts": 5}
        return {}

    def _cancel_all(self) -> None:
        while not self._over.wait(0.3):
            try:
                with self._stage.database.jobs() as session:
                    running = session.scalars(_RUNNING).all()
                for job_id in running:
                    with self._stage.database.jobs() as session:
                        jobs.request_cancel(session, job_id)
            except (SQLAlchemyError, Conflict):
                continue  # looked at again
