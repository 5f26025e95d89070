"""What one owner's backlog does to another's first job, and whether limits hold when many workers race for the last slot.

- wait: a noisy owner enqueues 1 000 steps of 0.2 s; while they run, owners who have nothing else enqueue one each. Measured is the time from
  the end of the enqueue call to the step's first line, beside that of a job which the noisy owner enqueues at the same moments: that one waits
  for the whole backlog, as everybody would who shared one line with it. The promise: no longer than the longest step that runs;
- limit: eight worker processes of four threads, an owner who may run three at once, steps of 20 ms: the most that ever ran beside each other,
  counted by the steps themselves.

Real servers, scheduler and workers, production settings. The last line is JSON.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import text

from benchmarks.queue_peers.names import MOST_BESIDE, STARTED
from core.local_stack.servers import Program, Servers, kill_session, stop
from core.nudge import Nudge
from db import jobs
from db.engine import Database
from db.migrations import upgrade
from pipelines.base import enqueue, enqueue_many

ROOT = Path(__file__).parents[1]
DROP_IN = ROOT / "benchmarks" / "queue_peers" / "dropin"
SECONDS, THREADS = 0.2, 2
LIMIT, RACING, RACING_THREADS, RACING_SECONDS = 3, 8, 4, 0.02


class Platform:
    """Servers with the tables, a scheduler and as many workers as asked for."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.url = servers.environment["DATABASE_URL"]
        self.wire = redis.Redis.from_url(servers.environment["REDIS_URL"])
        upgrade(self.url)
        self.database = Database(self.url, nudge=Nudge(servers.environment["REDIS_URL"]))

    @contextmanager
    def running(self, *, workers: int, threads: int) -> Iterator[None]:
        """Until the block ends."""
        environment = {**os.environ, **self.servers.environment, "LOG_LEVEL": "warning"}
        environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{DROP_IN}", "ASKSTEPHEN_HOME": str(self.servers.home / "ours")}
        log = self.servers.home / "logs" / "fairness.log"
        worker = ["-m", "workers", "--queues", "media", "--threads", str(threads)]
        started: list[subprocess.Popen[bytes]] = []
        try:
            for number, words in enumerate([["-m", "scheduler"], *[worker] * workers]):
                started.append(Program(f"fairness-{number}", (sys.executable, *words), ROOT, log, environment).start())
            yield
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
            for process in started:
                stop(process, signal.SIGTERM, seconds=10)
                kill_session(process)

    def owner(self, name: str) -> str:
        """One more user."""
        with self.database.jobs() as session:
            session.execute(text("INSERT INTO public.users (id, first_name) VALUES (:id, :id)"), {"id": name})
        return name

    def started(self) -> dict[str, float]:
        """When each step began that did."""
        got: dict[Any, Any] = self.wire.hgetall(STARTED)
        return {name.decode(): float(at) for name, at in got.items()}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a backlog of 200, 160 racing steps")
    parser.add_argument("--data", help="not used")
    options = parser.parse_args(arguments)
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    sys.path.append(str(DROP_IN))
    import pipelines

    pipelines.__path__.append(str(DROP_IN / "pipelines"))
    with tempfile.TemporaryDirectory(prefix="askstephen-fairness-") as folder:
        Path(folder).chmod(0o711)
        with Servers(Path(folder) / "home", durable=True) as servers:
            os.environ["REDIS_URL"] = servers.environment["REDIS_URL"]
            platform = Platform(servers)
            figures = waits(platform, backlog=200 if options.quick else 1000, others=20 if options.quick else 50)
            figures |= race(platform, count=160 if options.quick else 800)
    for name, value in figures.items():
        print(f"{name:<28} {value:,.3f}")
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))
    return 0 if figures["limit_most_seen"] == LIMIT else 1


def waits(platform: Platform, *, backlog: int, others: int) -> dict[str, float]:
    """Seconds from enqueue to start, of owners who have nothing else and of the one with the backlog."""
    pick = random.Random(1)
    noisy = platform.owner("noisy")
    names = [platform.owner(f"quiet-{number}") for number in range(others)]
    asked: dict[str, float] = {}
    with platform.running(workers=1, threads=THREADS):
        with platform.database.tenant(noisy) as session:
            many = [{"name": f"backlog-{number}", "seconds": SECONDS} for number in range(backlog)]
            enqueue_many(session, "hold", many, owner_id=noisy)
        until(lambda: len(platform.started()) > THREADS)
        pause = backlog * SECONDS / THREADS / others * 0.7  # all are asked for while the backlog is there
        for name in names:
            for owner, label in ((name, name), (noisy, f"again-{name}")):
                with platform.database.tenant(owner) as session:
                    enqueue(session, "hold", {"name": label, "seconds": SECONDS}, owner_id=owner)
                asked[label] = time.monotonic()
            time.sleep(pick.uniform(0.5, 1.5) * pause)
        until(lambda: asked.keys() <= platform.started().keys())
    started = platform.started()
    quiet = sorted(started[name] - asked[name] for name in names)
    same = sorted(started[f"again-{name}"] - asked[f"again-{name}"] for name in names)
    return {
        "backlog": backlog,
        "step_seconds": SECONDS,
        "quiet_wait_p50_s": statistics.median(quiet),
        "quiet_wait_max_s": quiet[-1],
        "noisy_wait_p50_s": statistics.median(same),
        "noisy_vs_quiet": statistics.median(same) / statistics.median(quiet),
    }


def race(platform: Platform, *, count: int) -> dict[str, float]:
    """How many steps of an owner who may run three ran at once, with 32 threads waiting for work."""
    owner = platform.owner("limited")
    with platform.database.jobs() as session:
        jobs.set_limit(session, jobs.Scope.OWNER, owner, LIMIT)
    platform.wire.delete(MOST_BESIDE, STARTED)
    with platform.database.tenant(owner) as session:
        many = [{"name": f"racing-{number}", "seconds": RACING_SECONDS} for number in range(count)]
        enqueue_many(session, "hold", many, owner_id=owner)
    with platform.running(workers=RACING, threads=RACING_THREADS):
        until(platform.started)
        began = time.monotonic()
        until(lambda: len(platform.started()) == count)
        seconds = time.monotonic() - began
    return {
        "limit": LIMIT,
        "limit_most_seen": float(platform.wire.get(MOST_BESIDE) or 0),
        "limited_steps_per_s": count / seconds,
    }


def until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + 600
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError("nothing came of it in ten minutes")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
