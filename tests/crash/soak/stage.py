"""`up` on a home of its own with production settings, and what an attacker of it needs."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from sqlalchemy.exc import OperationalError

from core.local_stack.programs import SAME
from core.nudge import Nudge
from db.engine import Database
from tests.crash.soak import disks
from tests.crash.soak.links import Links
from tests.crash.soak.words import tell
from tests.crash.test_up import DROPIN, ROOT, processes_of, wait_until

_EFFECTS = """
CREATE SCHEMA soak;
CREATE TABLE soak.effects (
    job_id uuid NOT NULL, step_id uuid NOT NULL, claim_id uuid NOT NULL, step text NOT NULL, part integer NOT NULL,
    began_at timestamptz NOT NULL, counted_at timestamptz NOT NULL DEFAULT clock_timestamp());
GRANT USAGE ON SCHEMA soak TO askstephen_tenant;
GRANT INSERT ON soak.effects TO askstephen_tenant;
"""
_WORDS = {
    "postgres": "bin/postgres\0-D",
    "valkey": "valkey-server",
    "web": "-m\0api_stub\0",
    "scheduler": "-m\0scheduler\0",
    "worker": "-m\0workers\0--queues\0io,web\0",
    "media": "-m\0workers\0--queues\0media\0",
    "ai": "-m\0workers\0--queues\0ai\0",
}
_HOOKS = Path(__file__).with_name("hooks")
_DISK_BYTES = 1 << 29
WORKERS = {"worker": ("io", "web"), "media": ("media",), "ai": ("ai",)}
LINKED = ("scheduler", *WORKERS)


@dataclass(slots=True)
class Stage:
    """A running platform."""

    home: Path
    lease_seconds: float
    runner: subprocess.Popen
    database: Database
    links: Links
    small_disks: tuple[Path, ...]  # each full as soon as somebody fills it; none where they cannot be made

    @property
    def redis_url(self) -> str:
        return f"unix://{self.redis_socket}"

    @property
    def redis_socket(self) -> Path:
        return self.home / "run" / "valkey" / "s"

    def redis(self) -> redis.Redis:
        """One that does not wait for a server that stands still: who asks is the one to wake it."""
        return redis.Redis.from_url(self.redis_url, socket_timeout=1)

    def answers(self) -> bool:
        """Tell whether Postgres does."""
        try:
            with self.database.engine.connect() as connection:
                return connection.exec_driver_sql("SELECT true").scalar_one()
        except OperationalError:
            return False

    def inside(self, path: Path) -> Path:
        """Where that which the platform sees at `path` is for us: it may lie on a disk of its own."""
        return Path(f"/proc/{self.runner.pid}/root") / path.relative_to("/")

    def process_of(self, name: str) -> int | None:
        """The one that the runner started; None while it is dead."""
        for number in processes_of(self.home):
            try:
                line = Path(f"/proc/{number}/cmdline").read_text()
                parent = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == self.runner.pid and _WORDS[name] in line and "child.py" not in line:
                return number
        return None

    def start_beside(self, name: str, **more: str) -> subprocess.Popen | None:
        """A second process of that name, as on another host, with `more` in its environment; None while the first is dead."""
        number = self.process_of(name)
        if number is None:
            return None
        try:
            words = Path(f"/proc/{number}/cmdline").read_text().split("\0")[1:-1]
            pairs = Path(f"/proc/{number}/environ").read_text().split("\0")
        except OSError:
            return None
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair) | more
        enter = ["nsenter", f"--mount=/proc/{self.runner.pid}/ns/mnt", "env", f"--chdir={ROOT}"] if self.small_disks else []
        command = SAME.command([*enter, sys.executable, *words], death_signal=signal.SIGKILL)
        with (self.home / "logs" / f"{name}-beside.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)

    def scratch(self) -> list[Path]:
        """Folders of attempts that are there."""
        folder = self.inside(self.home / "attempts")
        return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


@contextmanager
def platform(*, lease_seconds: float, with_small_disks: bool = True) -> Iterator[Stage]:
    """Started and, at the end, stopped by Ctrl-C; raises when a process of it is left. Small disks can be filled."""
    with tempfile.TemporaryDirectory(prefix="askstephen-soak-") as folder:  # short: sockets are looked for in the home
        Path(folder).chmod(0o711)  # as root, servers run as a user that must be able to walk in
        home = Path(folder) / "home"
        small_disks = {}
        if with_small_disks and disks.may_mount():
            small_disks = {home / name: _DISK_BYTES for name in ("attempts", "storage", "rows", "wal")}
        elif with_small_disks:
            tell("no disk will be full: only root may mount a small one")
        links = _open_links(home)
        runner = _start(home, lease_seconds, small_disks)
        url = (home / "run" / "up").read_text().splitlines()[0]
        database = Database(url, connections=6, nudge=Nudge(f"unix://{home}/run/valkey/s"))
        stage = Stage(home, lease_seconds, runner, database, links, tuple(small_disks))
        try:
            with stage.database.engine.begin() as connection:
                connection.exec_driver_sql(_EFFECTS)
            if small_disks:
                _move_rows(stage)
                _move_log(stage)
            yield stage
        finally:
            stage.database.dispose()
            runner.send_signal(signal.SIGINT)
            runner.wait(90)
            links.close()
        wait_until(lambda: processes_of(home) == [], seconds=10)


def _start(home: Path, lease_seconds: float, small_disks: Mapping[Path, int]) -> subprocess.Popen:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_URL")},
        "PYTHONPATH": os.pathsep.join(map(str, (_HOOKS, DROPIN, ROOT))),
        "SOAK_FOLDER": str(soak_folder(home)),
        "SOAK_BOOTED_AT": str(time.time() - time.monotonic()),
        "LEASE_SECONDS": str(lease_seconds),
        "LOG_FORMAT": "json",
        "SAMPLE": "false",
    }
    argv = [sys.executable, "-m", "api_stub.cli", "up", "--port", "0", "--home", str(home)]
    if small_disks:
        argv = disks.confined(small_disks, argv)
    out = home.with_name("up.out")
    with out.open("wb") as said:  # the kernel tells it when the harness is killed
        command = SAME.command(argv, death_signal=signal.SIGINT)
        runner = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True)
    wait_until(lambda: runner.poll() is not None or "Open http" in out.read_text(), seconds=60)
    if runner.poll() is not None:
        raise RuntimeError(out.read_text())
    return runner


def soak_folder(home: Path) -> Path:
    """Where links and armed points are."""
    return home / "run" / "soak"


def _open_links(home: Path) -> Links:
    links = Links()
    for process in LINKED:
        for server, at, target in (
            ("postgres", ".s.PGSQL.5432", home / "run" / "pg" / ".s.PGSQL.5432"),
            ("valkey", "s", home / "run" / "valkey" / "s"),
        ):
            links.open(process, server, soak_folder(home) / f"{process}-{server}" / at, target)
    return links


def _move_rows(stage: Stage) -> None:
    """The rows of jobs onto a small disk; what the server needs to start again stays where it is."""
    folder = stage.home / "rows" / "tablespace"
    _make_folder(stage, folder)
    with stage.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{folder}'")
        for table in ("jobs.jobs", "jobs.job_steps", "soak.effects"):
            connection.exec_driver_sql(f"ALTER TABLE {table} SET TABLESPACE small")


def _move_log(stage: Stage) -> None:
    """The log of the server onto a small disk, as after a crash: no server can do this while it runs."""
    folder = stage.home / "wal" / "log"
    [link] = (stage.home / "postgres").glob("data-*/pg_wal")
    _make_folder(stage, folder)
    server = stage.process_of("postgres")
    if server is None:
        raise RuntimeError("the server died before anything was done to it")
    processes = [server]
    os.kill(server, signal.SIGSTOP)  # from now on it starts no other
    processes += map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())
    for number in processes:
        os.kill(number, signal.SIGSTOP)
    subprocess.run(["cp", "-a", f"{link}/.", str(stage.inside(folder))], check=True)
    link.rename(link.with_name("pg_wal.before"))
    link.symlink_to(folder)
    for number in processes:
        os.kill(number, signal.SIGKILL)
    stage.database.dispose()
    wait_until(stage.answers, seconds=30)


def _make_folder(stage: Stage, folder: Path) -> None:
    """One that is the server's."""
    owner = (stage.home / "postgres").stat()
    stage.inside(folder).mkdir(mode=0o700)
    os.chown(stage.inside(folder), owner.st_uid, owner.st_gid)
