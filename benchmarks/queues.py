"""Our job core beside its peers: enqueue, drain and start latency of the same job on the same servers in one run.

    ./askstephen bench queues [--quick]
    .venv/bin/python -m benchmarks.queues [--quick] [--systems ours,dramatiq] [--rounds N]

The job is one Redis INCR. Every system gets two worker processes (of eight threads where it has threads, else its default),
set up as its documentation recommends (`queue_peers/`); the servers run with the settings of production. Systems take turns,
round after round, each on empty servers (but for `ours_full`: many rows of others, see queue_peers/ours.py):

- enqueue: a third of the jobs one by one from one thread, a third from eight, a third in bulk where there is such a thing;
- drain: from when both workers run jobs until nothing is left, which includes the last acknowledgement or commit;
- start: from the beginning of the enqueue call to the job's first line; idle (gaps of 20 to 60 ms), then at half the rate that
  enqueueing one by one and draining reach together;
- correct: as many INCRs as jobs; ours all `succeeded`.
- ours with limits on its queue, pipeline and owners; ours_rows writes a product row with each job's end; ours_full has a million
  finished and 100 000 waiting jobs in its tables.

Bare dramatiq runs in the project's environment, with the same Redis client as ours; the other peers in one made from
requirements/bench.lock at the first run. The last line is JSON: medians over rounds, and the ratios of ours to others.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis

from benchmarks.queue_peers.names import STARTED, ran_key
from benchmarks.queue_peers.report import Rounds, summary, table
from core.local_stack.servers import Program, Servers, kill_session, stop

ROOT = Path(__file__).parents[1]
DROP_IN = ROOT / "benchmarks" / "queue_peers" / "dropin"
PEERS = ROOT / ".local" / "bench-venv"
WORKERS, THREADS = 2, 8
STALLED_SECONDS = 60  # without any progress


class Failed(Exception):
    """A system could not be measured."""


@dataclass(frozen=True)
class System:
    """How to run one system. `python` in a command is that of its environment, as is any other program."""

    name: str
    worker: str
    beside: tuple[str, ...] = ()  # what runs once beside its workers
    module: str = ""  # in queue_peers, where it is not the name
    in_project: bool = False
    many_rows: bool = False
    pipeline: str = ""  # of ours


_OUR_WORKER, _OUR_SCHEDULER = f"python -m workers --queues io --threads {THREADS}", ("python -m scheduler",)
_AT = "benchmarks.queue_peers"
SYSTEMS = (
    System("dramatiq", f"dramatiq {_AT}.dramatiq --processes 1 --threads {THREADS}", in_project=True),
    System("ours", _OUR_WORKER, _OUR_SCHEDULER, in_project=True, pipeline="count_once"),
    System("ours_rows", _OUR_WORKER, _OUR_SCHEDULER, module="ours", in_project=True, pipeline="count_row"),
    System("ours_full", _OUR_WORKER, _OUR_SCHEDULER, module="ours", in_project=True, pipeline="count_once", many_rows=True),
    System("huey", f"huey_consumer {_AT}.huey.huey --workers {THREADS} --worker-type thread --quiet"),
    System("celery", f"celery -A {_AT}.celery worker --pool threads --concurrency {THREADS} --loglevel WARNING"),
    System("rq", "rq worker --url {redis} --quiet"),
    System("arq", f"arq {_AT}.arq.WorkerSettings"),
    System("saq", f"saq {_AT}.saq.settings --quiet"),
    System("procrastinate", f"procrastinate --app {_AT}.procrastinate.app worker --concurrency {THREADS}"),
    System("pgqueuer", f"python -m {_AT}.pgqueuer"),
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    jobs: int
    idle_starts: int
    half_load_seconds: float
    finished_rows: int
    waiting_rows: int
    rounds: int


FULL = Sizes(24_000, 300, 5.0, 1_000_000, 100_000, 3)
QUICK = Sizes(6_000, 100, 2.0, 100_000, 10_000, 1)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer jobs, one round: under five minutes")
    parser.add_argument("--systems", help="comma-separated; default: all of " + ",".join(each.name for each in SYSTEMS))
    parser.add_argument("--rounds", type=int, help="how often each system is measured")
    parser.add_argument("--data", help="not used")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else FULL
    names = options.systems.split(",") if options.systems else [system.name for system in SYSTEMS]
    if unknown := set(names) - {system.name for system in SYSTEMS}:
        parser.error(f"unknown systems: {', '.join(sorted(unknown))}")
    chosen = [system for system in SYSTEMS if system.name in names]
    if not all(system.in_project for system in chosen) and not install_peers():
        chosen = [system for system in chosen if system.in_project]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is stopped
    for name in ("DATABASE_URL", "REDIS_URL"):  # everything in them would be lost
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="askstephen-queues-") as folder:
        Path(folder).chmod(0o711)
        with Servers(Path(folder) / "home", durable=True) as servers:
            rounds, failed = measure_all(chosen, servers, sizes, options.rounds or sizes.rounds)
    print(table(rounds))
    print(json.dumps(summary(rounds, {name: "not installed" for name in names if name not in rounds} | failed, sizes.jobs)))
    return 1 if failed else 0


def install_peers() -> bool:
    """Make the peers' environment what the lock says; False, with words, where that is not possible."""
    lock = ROOT / "requirements" / "bench.lock"
    mark = PEERS / ".installed"
    if mark.exists() and mark.read_bytes() == lock.read_bytes():
        return True
    print(f"installing the peers into {PEERS.relative_to(ROOT)}", flush=True)
    shutil.rmtree(PEERS, ignore_errors=True)
    python = str(PEERS / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    beside = Path(sys.executable).with_name("uv")
    uv = shutil.which("uv") or (str(beside) if beside.exists() else None)
    installer = [uv, "pip", "install", "--quiet", "--system-certs", "--compile-bytecode", "--python", python] if uv else None
    for command in (installer, [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]):
        if command and not subprocess.run([*command, "--require-hashes", "--no-deps", "-r", str(lock)], check=False).returncode:
            shutil.copy(lock, mark)
            return True
    print("the peers could not be installed (see above): only what runs in the project's environment is measured")
    return False


def measure_all(systems: Sequence[System], servers: Servers, sizes: Sizes, rounds: int) -> tuple[Rounds, dict[str, str]]:
    """The figures of every round by system, and what went wrong with whom."""
    figures: Rounds = {}
    failed: dict[str, str] = {}
    for number in range(rounds):
        for system in systems if number % 2 == 0 else reversed(systems):
            try:
                got = Bench(system, servers, sizes).measure(seed=number)
            except Failed as error:
                failed[system.name] = str(error)
                print(f"round {number + 1}  {system.name}: {error}", flush=True)
            else:
                figures.setdefault(system.name, []).append(got)
                shown = "  ".join(f"{name} {value:,.1f}" for name, value in got.items() if value is not None)
                print(f"round {number + 1}  {system.name}: {shown}", flush=True)
    return figures, failed


class Bench:
    """One round of one system."""

    def __init__(self, system: System, servers: Servers, sizes: Sizes) -> None:
        self._system, self._servers, self._sizes = system, servers, sizes
        self._redis = redis.Redis.from_url(servers.environment["REDIS_URL"])
        self._running: list[subprocess.Popen[bytes]] = []
        self._log = servers.home / "logs" / f"{system.name}.log"
        self._environment = {
            **os.environ,
            **servers.environment,
            "DATABASE_URL": urlsplit(servers.environment["DATABASE_URL"])._replace(path=f"/bench_{system.name}").geturl(),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(DROP_IN))),
            "BENCH_FINISHED": str(sizes.finished_rows if system.many_rows else 0),
            "BENCH_PIPELINE": system.pipeline,
            "BENCH_WAITING": str(sizes.waiting_rows if system.many_rows else 0),
            "ASKSTEPHEN_HOME": str(servers.home / "ours"),
            "LOG_LEVEL": "warning",
        }

    def measure(self, *, seed: int) -> dict[str, float | None]:
        """Rates in jobs per second, times in milliseconds. Raises Failed."""
        third = self._sizes.jobs // 3 // THREADS * THREADS
        self._empty_servers()
        with self._load() as ask:
            ask("prepare")
            figures: dict[str, float | None] = {
                "enqueue_1_thread": ask("one_by_one", count=third, threads=1),
                "enqueue_8_threads": ask("one_by_one", count=third, threads=THREADS),
                "enqueue_bulk": ask("many", count=third),
            }
            with self._workers():
                drain = figures["drain"] = self._drain(ask, 3 * third)
                pick = random.Random(seed)
                gaps = [pick.uniform(0.020, 0.060) for _ in range(self._sizes.idle_starts)]
                figures |= named("idle", self._starts(ask, gaps, threads=1))
                both = 1 / (1 / drain + 1 / float(figures["enqueue_8_threads"] or drain))  # they share the cores
                count = max(100, int(both / 2 * self._sizes.half_load_seconds))
                gaps = [pick.expovariate(both / 2) for _ in range(count)]
                figures |= named("half", self._starts(ask, gaps, threads=THREADS))
        return figures

    def _empty_servers(self) -> None:
        self._redis.flushall()
        name = f"bench_{self._system.name}"
        with psycopg.connect(self._servers.environment["DATABASE_URL"], autocommit=True) as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if there and self._system.many_rows:  # loaded once; its own finished jobs of earlier rounds stay as well
                return
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')

    def _argv(self, command: str) -> tuple[str, ...]:
        program, *words = command.format(redis=self._environment["REDIS_URL"]).split()
        folder = Path(sys.executable).parent if self._system.in_project else PEERS / "bin"
        return (str(folder / program), *words)

    @contextmanager
    def _load(self) -> Iterator[Callable[..., Any]]:
        argv = self._argv(f"python -m {_AT}.load {self._system.module or self._system.name}")
        with (
            self._log.open("ab") as log,
            subprocess.Popen(
                argv, cwd=ROOT, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            ) as process,
        ):

            def ask(do: str, **arguments: object) -> Any:  # noqa: ANN401  (what that command answers)
                try:
                    print(json.dumps({"do": do, **arguments}), file=process.stdin, flush=True)
                except BrokenPipeError:
                    raise Failed(f"its writer is gone: {self._last_words()}") from None
                if not (answer := process.stdout.readline() if process.stdout else ""):
                    raise Failed(f"its writer died at {do}: {self._last_words()}")
                return json.loads(answer)

            try:
                yield ask
            finally:
                process.kill()

    @contextmanager
    def _workers(self) -> Iterator[None]:
        commands = [*self._system.beside, *([self._system.worker] * WORKERS)]
        try:
            for number, command in enumerate(commands, start=1 - len(self._system.beside)):
                environment = {**self._environment, "BENCH_WORKER": str(number)}
                program = Program(f"{self._system.name}-{number}", self._argv(command), ROOT, self._log, environment)
                self._running.append(program.start())
            yield
        finally:
            for process in self._running:
                process.send_signal(signal.SIGTERM)
            for process in self._running:
                stop(process, signal.SIGTERM, seconds=10)
                kill_session(process)

    def _drain(self, ask: Callable[..., Any], count: int) -> float:
        ran = self._wait_for_both(count)
        began, before = time.monotonic(), ran
        self._wait(self._ran, count, seconds=0.005)
        self._wait_for_none(ask)
        rate = (count - before) / (time.monotonic() - began)
        if (ran := self._ran()) != count:
            raise Failed(f"{ran} effects of {count} jobs")
        return rate

    def _wait_for_both(self, count: int) -> int:
        """How many jobs had run when the second worker ran its first."""
        keys = [ran_key(str(number)) for number in range(1, WORKERS + 1)]
        deadline = time.monotonic() + STALLED_SECONDS
        while not all(each := [int(value or 0) for value in self._redis.mget(keys)]):
            self._check_alive()
            if sum(each) >= count:
                raise Failed("one worker ran every job before the other was up: measure more jobs")
            if time.monotonic() > deadline:
                raise Failed(f"a worker ran nothing: {self._last_words()}")
            time.sleep(0.002)
        return sum(each)

    def _ran(self) -> int:
        keys = [ran_key(str(number)) for number in range(1, WORKERS + 1)]
        return sum(int(value or 0) for value in self._redis.mget(keys))

    def _starts(self, ask: Callable[..., Any], gaps: Sequence[float], *, threads: int) -> tuple[list[float], float]:
        """Milliseconds from call to start, sorted, and the calls per second that there were."""
        self._redis.delete(STARTED)
        began = ask("pace", gaps=gaps, threads=threads)
        self._wait(lambda: self._redis.hlen(STARTED), len(gaps), seconds=0.02)
        started = self._redis.hgetall(STARTED)
        self._wait_for_none(ask)
        waits = sorted(1000 * (float(started[str(number).encode()]) - at) for number, at in enumerate(began))
        return waits, (len(gaps) - 1) / (max(began) - min(began))

    def _wait(self, reached: Callable[[], int], count: int, *, seconds: float) -> None:
        last: int | None = None
        moved = time.monotonic()
        while (now := reached()) < count:
            if now != last:
                last, moved = now, time.monotonic()
            self._check_alive()
            if time.monotonic() - moved > STALLED_SECONDS:
                raise Failed(f"stalled at {now} of {count}: {self._last_words()}")
            time.sleep(seconds)

    def _wait_for_none(self, ask: Callable[..., Any]) -> None:
        self._wait(lambda: -int(ask("left")), 0, seconds=0.01)

    def _check_alive(self) -> None:
        for process in self._running:
            if process.poll() is not None:
                raise Failed(f"a process ended with status {process.returncode}: {self._last_words()}")

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-1500:] if self._log.exists() else "no log"


def named(name: str, got: tuple[list[float], float]) -> dict[str, float | None]:
    waits, rate = got
    p99 = waits[min(len(waits) - 1, round(0.99 * len(waits)))]
    return {f"{name}_p50_ms": statistics.median(waits), f"{name}_p99_ms": p99, f"{name}_rate": rate}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
