"""What is done to the platform, drawn from a seed, each deed noted with its time."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tests.crash.soak.points import crash_points
from tests.crash.soak.stage import WORKERS, Stage
from tests.crash.soak.surroundings import surroundings
from tests.crash.soak.words import tell

_DEATHS_A_MINUTE = 3  # the runner gives up at five, and the server died once for its log to be moved
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

Deed = Callable[[], bool]  # False: not possible now


@dataclass(frozen=True, slots=True)
class Fault:
    """`process` is None where none of ours or every one was hit; `loses_steps` where its leases may expire."""

    at: datetime
    deed: str
    process: str | None
    loses_steps: bool
    seconds: float = 0.0  # how long it went on

    @property
    def until(self) -> datetime:
        return self.at + timedelta(seconds=self.seconds)


class Faults:
    """One thread that does one thing after another until it is stopped, then undoes what is still undone.

    `only`: deeds whose name has one of these words; all, where there are none.
    """

    def __init__(self, stage: Stage, *, every_seconds: tuple[float, float], seed: int, only: Collection[str] = ()) -> None:
        self.done: list[Fault] = []
        self.stage = stage
        self.random = random.Random(f"faults {seed}")
        self._every_seconds = every_seconds
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._away: set[str] = set()
        deeds: dict[str, Deed] = {
            **{f"SIGKILL {name}": partial(self._send, name, signal.SIGKILL) for name in (*_PYTHON, "valkey", "postgres")},
            **{f"SIGTERM {name}": partial(self._send, name, signal.SIGTERM) for name in _PYTHON},
            "SIGINT postgres": partial(self._send, "postgres", signal.SIGINT),
            **{f"SIGSTOP {name}": partial(self._freeze, name) for name in WORKERS},
            **{f"SIGSTOP {name}": partial(self._stand_still, name) for name in ("scheduler", "valkey")},
            "FLUSHALL": self._flush,
            "hints doubled": self._double_hints,
            "connections cut": self._cut_connections,
            "second scheduler": self._second_scheduler,
            **crash_points(self),
            **surroundings(self),
        }
        self._deeds = [deed for name, deed in deeds.items() if not only or any(word in name for word in only)]
        if not self._deeds:
            sys.exit(f"no fault has one of the words {', '.join(only)} in its name; there are: {', '.join(deeds)}")
        self._bag: list[Deed] = []

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
        next_at = time.monotonic() + self.random.uniform(*self._every_seconds) / 2
        while not self._over.wait(0.05):
            now = time.monotonic()
            due = [act for at, act in self._later if at <= now]
            self._later = [(at, act) for at, act in self._later if at > now]
            for act in due:
                act()
            if now >= next_at:
                self._do_one()
                next_at = time.monotonic() + self.random.uniform(*self._every_seconds)

    def _do_one(self) -> None:
        """Every deed once before any comes twice; one that is not possible now is passed over."""
        for _ in range(2 * len(self._deeds)):
            if not self._bag:
                self._bag = self.random.sample(self._deeds, len(self._deeds))
            try:
                if self._bag.pop()():
                    return
            except (redis.RedisError, SQLAlchemyError):
                continue  # that server is away just now

    def note(self, deed: str, process: str | None = None, *, loses_steps: bool = False, seconds: float = 0.0) -> bool:
        self.done.append(Fault(datetime.now(UTC), deed, process, loses_steps, seconds))
        tell(f"{self.done[-1].at:%H:%M:%S.%f} {deed} {process or ''}".rstrip())
        return True

    def wait_for_work(self, name: str) -> None:
        """Strike where it hurts: while a step of this worker runs, if one does within two seconds."""

        def works() -> bool:
            with self.stage.database.jobs() as session:
                return session.scalar(_RUNS, {"queues": list(WORKERS[name])}) is not None

        self.wait(works, seconds=2)

    def may_die(self, name: str, times: int = 1) -> bool:
        now = datetime.now(UTC)
        deaths = [one for one in self.done if one.process == name and one.deed.startswith(("SIGKILL", "SIGTERM", "SIGINT"))]
        return sum((now - one.at).total_seconds() < _WINDOW_SECONDS for one in deaths) + times <= _DEATHS_A_MINUTE

    def _send(self, name: str, number: signal.Signals) -> bool:
        process = self.process_of(name)
        if process is None or not self.may_die(name):
            return False
        if name in WORKERS and self.random.random() < 0.75:  # the others strike at any moment
            self.wait_for_work(name)
        with suppress(ProcessLookupError):
            os.kill(process, number)
        return self.note(number.name, name, loses_steps=name in WORKERS and number == signal.SIGKILL)

    def _freeze(self, name: str) -> bool:
        """A worker stands still until its leases are another's, and wakes up beside that other."""
        if self.replace(name) is None:
            return False
        return self.note("SIGSTOP", name, loses_steps=True)

    def _stand_still(self, name: str) -> bool:
        """Longer than a lease, with nobody in its place: nothing is decided, or every hint waits."""
        process = self.process_of(name)
        if process is None:
            return False
        self._stop(name, process)
        return self.note("SIGSTOP", name, seconds=self.long_seconds())

    def replace(self, name: str, **environment: str) -> float | None:
        """Stop it, with another in its place until a lease after it wakes up; returns when it does. None: not possible."""
        process = self.process_of(name)
        if process is None:
            return None
        if name in WORKERS:
            self.wait_for_work(name)  # may raise: nothing is started yet that would have to be ended
        beside = self.stage.start_beside(name, **environment)
        if beside is None:
            return None
        awake = self._stop(name, process)
        self._later.append((awake + self.stage.lease_seconds, lambda: _end(beside)))
        return awake

    def process_of(self, name: str) -> int | None:
        """None while it is dead, stands still, or is away: it is left alone."""
        return None if name in self._away else self.stage.process_of(name)

    def is_away(self, name: str) -> bool:
        """Tell whether something was done to it that is not undone yet."""
        return name in self._away

    def _stop(self, name: str, process: int) -> float:
        """Stop it, and return when it wakes up."""
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)

        def wake() -> None:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)

        return self.away(name, self.long_seconds(), wake)

    def long_seconds(self) -> float:
        """Until what is away for so long looks dead, and has been replaced."""
        return 1.5 * self.stage.lease_seconds + _RESCUE_SECONDS

    def away(self, name: str, seconds: float, undo: Callable[[], object]) -> float:
        """Nothing else is done to it until this is undone; returns when that is."""
        self._away.add(name)

        def undo_all() -> None:
            undo()
            self._away.discard(name)

        return self.after(seconds, undo_all)

    def spare(self, name: str) -> None:
        """Nothing more is done to it until its deaths are forgotten."""
        self.away(name, _WINDOW_SECONDS, lambda: None)

    def after(self, seconds: float, act: Callable[[], object]) -> float:
        """Let this thread do it then, or at the end; returns when."""
        at = time.monotonic() + seconds
        self._later.append((at, act))
        return at

    def wait(self, holds: Callable[[], bool], *, seconds: float) -> bool:
        """Wait for that while nothing else is done."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline or self._over.wait(0.002):
                return holds()
        return True

    def _flush(self) -> bool:
        with self.stage.redis() as client:
            client.flushall()
        return self.note("FLUSHALL")

    def _double_hints(self) -> bool:
        """What is there twice and in another order, with hints of steps that run or have ended."""
        with self.stage.database.jobs() as session:
            known = [(str(row.id), row.queue) for row in session.execute(_STEPS)]
        with self.stage.redis() as client:
            for queue in ("io", "web", "media", "ai"):
                there = [hint.decode() for hint in client.lrange(f"hints:{queue}", 0, -1)]
                doubled = 2 * (there + [step_id for step_id, its_queue in known if its_queue == queue])
                if doubled:
                    client.rpush(f"hints:{queue}", *self.random.sample(doubled, len(doubled)))
        return self.note("hints doubled")

    def _cut_connections(self) -> bool:
        with self.stage.database.engine.begin() as connection:
            connection.execute(_CUT)
        return self.note("connections cut")

    def _second_scheduler(self) -> bool:
        second = self.stage.start_beside("scheduler")
        if second is None:
            return False
        self.after(2 * self.stage.lease_seconds, lambda: _end(second))
        return self.note("second scheduler")


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
