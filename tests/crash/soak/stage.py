"""`up` on a home of its own with production settings, and what an attacker of it needs."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.local_stack.programs import SAME
from core.nudge import Nudge
from db.engine import Database
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
WORKERS = {"worker": ("io", "web"), "media": ("media",), "ai": ("ai",)}


@dataclass(slots=True)
class Stage:
    """A running platform."""

    home: Path
    lease_seconds: float
    runner: subprocess.Popen
    database: Database

    @property
    def redis_url(self) -> str:
        return f"unix://{self.home}/run/valkey/s"

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

    def start_beside(self, name: str) -> subprocess.Popen | None:
        """A second process of that name, as on another host; None while the first is dead."""
        number = self.process_of(name)
        if number is None:
            return None
        try:
            words = Path(f"/proc/{number}/cmdline").read_text().split("\0")[1:-1]
            pairs = Path(f"/proc/{number}/environ").read_text().split("\0")
        except OSError:
            return None
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        command = SAME.command([sys.executable, *words], death_signal=signal.SIGKILL)
        with (self.home / "logs" / f"{name}-beside.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)

    def scratch(self) -> list[Path]:
        """Folders of attempts that are there."""
        folder = self.home / "attempts"
        return list(folder.iterdir()) if folder.is_dir() else []


@contextmanager
def platform(*, lease_seconds: float) -> Iterator[Stage]:
    """Started and, at the end, stopped by Ctrl-C; raises when a process of it is left."""
    with tempfile.TemporaryDirectory(prefix="askstephen-soak-") as folder:  # short: sockets are looked for in the home
        Path(folder).chmod(0o711)  # as root, servers run as a user that must be able to walk in
        home = Path(folder) / "home"
        runner = _start(home, lease_seconds)
        url = (home / "run" / "up").read_text().splitlines()[0]
        stage = Stage(home, lease_seconds, runner, Database(url, connections=6, nudge=Nudge(f"unix://{home}/run/valkey/s")))
        try:
            with stage.database.engine.begin() as connection:
                connection.exec_driver_sql(_EFFECTS)
            yield stage
        finally:
            stage.database.dispose()
            runner.send_signal(signal.SIGINT)
            runner.wait(90)
        wait_until(lambda: processes_of(home) == [], seconds=10)


def _start(home: Path, lease_seconds: float) -> subprocess.Popen:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_URL")},
        "PYTHONPATH": str(DROPIN),
        "LEASE_SECONDS": str(lease_seconds),
        "LOG_FORMAT": "json",
        "SAMPLE": "false",
    }
    argv = [sys.executable, "-m", "api_stub.cli", "up", "--port", "0", "--home", str(home)]
    out = home.with_name("up.out")
    with out.open("wb") as said:  # the kernel tells it when the harness is killed
        command = SAME.command(argv, death_signal=signal.SIGINT)
        runner = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True)
    wait_until(lambda: runner.poll() is not None or "Open http" in out.read_text(), seconds=60)
    if runner.poll() is not None:
        raise RuntimeError(out.read_text())
    return runner
