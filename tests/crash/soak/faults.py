"""What is done to the platform, drawn from a seed, each deed noted with its time."""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tests.crash.soak.stage import WORKERS, Stage
from tests.crash.soak.words import tell

_DEATHS_A_MINUTE = 4  # the runner gives up at five
_WINDOW_SECONDS = 62
_RESCUE_SECONDS = 1.5  # a lease that expired is found at the next tick
_PYTHON = ("web", "scheduler", *WORKERS)
_RUNS = text("SELECT 1 FROM jobs.job_steps WHERE status = 'running' AND queue = ANY(:queues) LIMIT 1")
_STEPS = text("""
(SELECT id, queue FROM jobs.job_steps WHERE status IN ('queued', 'retrying', 'running') ORDER BY random() LIMIT 40)
UNION ALL (SELECT id, queue FROM jobs.job_steps WHERE status NOT IN ('queued', 'retrying', 'running') ORDER BY id DESC LIMIT 40)
""")
_CUT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """`process` is None where no process of ours was hit; `loses_steps` where its leases may expire."""

    at: datetime
    deed: str
    process: str | None
    loses_steps: bool


class Faults:
    """One thread that does one thing after another until it is stopped, then undoes what is still undone."""

    def __init__(self, stage: Stage, *, every_seconds: tuple[float, float], seed: int) -> None:
        self.done: list[Fault] = []
        self._stage = stage
        self._every_seconds = every_seconds
        self._random = random.Random(f"faults {seed}")
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stopped: set[str] = set()
        self._deeds: list[Callable[[], bool]] = [
            *(lambda name=name: self._send(name, signal.SIGKILL) for name in _PYTHON),
            *(lambda name=name: self._send(name, signal.SIGTERM) for name in _PYTHON),
            *(lambda name=name: self._freeze(name) for name in WORKERS),
            lambda: self._stand_still("scheduler"),
            lambda: self._stand_still("valkey"),
            *(self._flush, self._double_hints, self._cut_connections, self._second_scheduler),
            lambda: self._send("valkey", signal.SIGKILL),
            lambda: self._send("postgres", signal.SIGKILL),
            lambda: self._send("postgres", signal.SIGINT),
        ]
        self._bag: list[Callable[[], bool]] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Do no more harm, and let go of everything."""
        self._over.set()
        self._thread.join()
        for _, act in sorted(self._later, key=lambda one: one[0]):
            act()

    def counts(self) -> Counter[str]:
        return Counter(f"{fault.deed} {fault.process or ''}".strip() for fault in self.done)

    def _run(self) -> None:
        next_at = time.monotonic() + self._random.uniform(*self._every_seconds) / 2
        while not self._over.wait(0.05):
            now = time.monotonic()
            due = [act for at, act in self._later if at <= now]
            self._later = [(at, act) for at, act in self._later if at > now]
            for act in due:
                act()
            if now >= next_at:
                self._do_one()
                next_at = time.monotonic() + self._random.uniform(*self._every_seconds)

    def _do_one(self) -> None:
        """Every deed once before any comes twice; one that is not possible now is passed over."""
        for _ in range(2 * len(self._deeds)):
            if not self._bag:
                self._bag = self._random.sample(self._deeds, len(self._deeds))
            try:
                if self._bag.pop()():
                    return
            except (redis.RedisError, SQLAlchemyError):
                continue  # that server is away just now

    def _note(self, deed: str, process: str | None = None, *, loses_steps: bool = False) -> bool:
        self.done.append(Fault(datetime.now(UTC), deed, process, loses_steps))
        tell(f"{self.done[-1].at:%H:%M:%S.%f} {deed} {process or ''}".rstrip())
        return True

    def _wait_for_work(self, name: str) -> None:
        """Strike where it hurts: while a step of this worker runs, if one does within two seconds."""
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and not self._over.wait(0.002):
            with self._stage.database.jobs() as session:
                if session.scalar(_RUNS, {"queues": list(WORKERS[name])}):
                    return

    def _may_die(self, name: str) -> bool:
        now = datetime.now(UTC)
        deaths = [one for one in self.done if one.process == name and one.deed in {"SIGKILL", "SIGTERM", "SIGINT"}]
        return sum((now - one.at).total_seconds() < _WINDOW_SECONDS for one in deaths) < _DEATHS_A_MINUTE

    def _send(self, name: str, number: signal.Signals) -> bool:
        process = self._stage.process_of(name)
        if process is None or name in self._stopped or not self._may_die(name):
            return False
        if name in WORKERS and self._random.random() < 0.75:  # the others strike at any moment
            self._wait_for_work(name)
        with suppress(ProcessLookupError):
            os.kill(process, number)
        return self._note(number.name, name, loses_steps=name in WORKERS and number == signal.SIGKILL)

    def _freeze(self, name: str) -> bool:
        """A worker stands still until its leases are another's, and wakes up beside that other."""
        process = self._stage.process_of(name)
        beside = self._stage.start_beside(name) if process and name not in self._stopped else None
        if process is None or beside is None:
            return False
        self._wait_for_work(name)
        awake = self._stop(name, process)
        self._later.append((awake + self._stage.lease_seconds, lambda: _end(beside)))
        return self._note("SIGSTOP", name, loses_steps=True)

    def _stand_still(self, name: str) -> bool:
        """Longer than a lease, with nobody in its place: nothing is decided, or every hint waits."""
        process = self._stage.process_of(name)
        if process is None or name in self._stopped:
            return False
        self._stop(name, process)
        return self._note("SIGSTOP", name)

    def _stop(self, name: str, process: int) -> float:
        """Stop it, and return when it wakes up."""
        awake = time.monotonic() + 1.5 * self._stage.lease_seconds + _RESCUE_SECONDS
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
        self._stopped.add(name)

        def wake() -> None:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
            self._stopped.discard(name)

        self._later.append((awake, wake))
        return awake

    def _redis(self) -> redis.Redis:
        """One that does not wait for a server that stands still: this thread is the one to wake it."""
        return redis.Redis.from_url(self._stage.redis_url, socket_timeout=1)

    def _flush(self) -> bool:
        with self._redis() as client:
            client.flushall()
        return self._note("FLUSHALL")

    def _double_hints(self) -> bool:
        """What is there twice and in another order, with hints of steps that run or have ended."""
        with self._stage.database.jobs() as session:
            known = [(str(row.id), row.queue) for row in session.execute(_STEPS)]
        with self._redis() as client:
            for queue in ("io", "web", "media", "ai"):
                there = [hint.decode() for hint in client.lrange(f"hints:{queue}", 0, -1)]
                doubled = 2 * (there + [step_id for step_id, its_queue in known if its_queue == queue])
                if doubled:
                    client.rpush(f"hints:{queue}", *self._random.sample(doubled, len(doubled)))
        return self._note("hints doubled")

    def _cut_connections(self) -> bool:
        with self._stage.database.engine.begin() as connection:
            connection.execute(_CUT)
        return self._note("connections cut")

    def _second_scheduler(self) -> bool:
        second = self._stage.start_beside("scheduler")
        if second is None:
            return False
        self._later.append((time.monotonic() + 2 * self._stage.lease_seconds, lambda: _end(second)))
        return self._note("second scheduler")


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
