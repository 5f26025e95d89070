"""What `benchmarks/sources.py` runs on: twins, servers, the product's processes, one of which is killed, and how far the files have come."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.local_stack.servers import Program, Servers, kill_session, stop
from core.nudge import Nudge
from core.settings import settings
from db import status, users
from db.engine import Database
from db.migrations import upgrade
from db.why import why_not_running
from tests.accounts import Account
from twins.running import Twins

BEGAN = time.monotonic()
ROOT = Path(__file__).parents[1]
SECRET = "of the app"
SWEEP_SECONDS, TELL_SECONDS = 20, 5.0
STUCK_SECONDS = 120.0  # longer than a breaker stays open at its first time, and its second
LARGE_BYTES = 8 << 20
_WITHOUT_FILE = text("""
SELECT j.id FROM jobs.jobs j WHERE j.pipeline = 'ingest' AND (j.status IN ('failed', 'quarantined', 'cancelled')) = :ended
    AND (:ended OR EXISTS (SELECT 1 FROM jobs.job_steps s WHERE s.job_id = j.id AND s.name = 'fetch' AND s.status <> 'succeeded'))
ORDER BY j.id
""")


class Stuck(Exception):
    """What is asked for will not come; says what each waits for."""


class Bench:
    """Twins, servers, and the product's processes."""

    def __init__(self, home: Path, servers: Servers, twins: Twins) -> None:
        self.home, self.twins = home, twins
        self.port = _free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "SSL_CERT_DIR"},
            **servers.environment,
            **twins.environment(),
            "PYTHONPATH": str(ROOT),
            "ASKSTEPHEN_HOME": str(home),
            "PORT": str(self.port),
            "LOCAL_MODE": "true",
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "DROPBOX_APP_SECRET": SECRET,
            "SWEEP_SECONDS": str(SWEEP_SECONDS),
            "LOG_LEVEL": "warning",
        }
        os.environ.update(self.environment)
        os.environ.pop("SSL_CERT_DIR", None)
        settings.cache_clear()
        upgrade(servers.environment["DATABASE_URL"])
        self.database = Database(servers.environment["DATABASE_URL"], nudge=Nudge(servers.environment["REDIS_URL"]))
        with self.database.jobs() as session:
            self.owner = users.ensure_local_owner(session)
        self.workers: list[subprocess.Popen[bytes]] = []  # the last one lives

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends."""
        started = [self._start(words) for words in (["api_stub"], ["scheduler"])]
        self.start_worker()
        try:
            yield
        finally:
            for process in (*started, *self.workers):
                stop(process, signal.SIGTERM, seconds=10)
                kill_session(process)

    def is_up(self) -> bool:
        """Whether its web answers."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start_worker(self) -> None:
        """The only one there is."""
        self.workers.append(self._start(["workers", "--queues", "io", "--threads", "8"]))

    def kill_worker(self) -> None:
        """As the kernel does when memory is short, and start another; its children are left to end by themselves."""
        self.workers[-1].kill()
        self.workers[-1].wait()
        self.start_worker()

    @property
    def kills(self) -> int:
        """How often the worker was killed."""
        return len(self.workers) - 1

    def is_midway(self) -> bool:
        """Whether the beginning of some file is stored, and its rest on the way."""
        written = (self.home / "storage").rglob("source.partial")
        return any(0 < path.stat().st_size < LARGE_BYTES for path in written if path.exists())

    def waiting(self, *, ended: bool) -> list[str]:
        """A line for each ingest without its file: what it waits for, or with `ended` how it ended without."""
        with self.database.jobs() as session:
            found = session.execute(_WITHOUT_FILE, {"ended": ended}).scalars().all()
            jobs = [status.snapshot(session, job_id) for job_id in found]
            now = datetime.now(UTC)
            return [
                f"job {job['id']}: {job['status']}: {_ending(session, job) if ended else _why(session, job['id'], now)}"
                for job in jobs
            ]

    def _start(self, words: list[str]) -> subprocess.Popen[bytes]:
        log = self.home / "logs" / f"{words[0]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        return Program(words[0], (sys.executable, "-m", *words), ROOT, log, self.environment).start()

    def files(self, account: Account) -> list[Any]:
        """Each ingest of the account: name, when it was asked for, version, key and hash of what is stored."""
        with self.database.tenant(self.owner) as session:
            return list(
                session.execute(
                    text("""
                    SELECT r.source_file_name AS name, r.source_path AS path, r.created_at, f.key, f.sha256, s.version
                    FROM video_ingest_requests r LEFT JOIN video_files f ON f.video_id = r.video_id AND f.kind = 'source'
                    LEFT JOIN jobs.seen_versions s ON (s.provider, s.source_path) = (r.provider, r.source_path)
                    WHERE r.provider = :provider ORDER BY r.id
                    """),
                    {"provider": account.provider},
                )
            )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _why(session: Session, job_id: UUID, now: datetime) -> str:
    why = why_not_running(session, job_id, now=now)
    return why.operators if why else "it runs"


def _ending(session: Session, job: dict[str, Any]) -> str:
    """Its error and the attempts that led there."""
    attempts = "".join(
        f"\n    {row['step']} from {row['started_at']:%H:%M:%S} to {row['finished_at']:%H:%M:%S}: {row['outcome']}, {row['error']}"
        for row in status.list_attempts(session, job["id"])
        if row["finished_at"]
    )
    return f"{job['error']}{attempts}"


def wait(holds: Callable[[], bool], *, seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def tell(words: str) -> None:
    """A line about how far it is."""
    print(f"{time.monotonic() - BEGAN:6.1f} s  {words}", flush=True)


class Progress:
    """Watches the files come. Raises Stuck where they do not."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stored, self._came_at, self._told_at = 0, time.monotonic(), -TELL_SECONDS

    def look(self, stored: int, words: str) -> None:
        """So many are there now."""
        now = time.monotonic()
        if stored > self._stored:
            self._stored, self._came_at = stored, now
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            rests = self._bench.waiting(ended=False) if now > self._came_at else []
            tell(
                f"{words}; {self._bench.kills} kills" + (f"; the first of {len(rests)} that wait: {rests[0]}" if rests else "")
            )
            if lines := self._bench.waiting(ended=True):
                raise Stuck("\n".join(["these ended without their file:", *lines]))
        if now - self._came_at > STUCK_SECONDS:
            raise Stuck("\n".join([f"nothing came for {STUCK_SECONDS:.0f} s:", *self._bench.waiting(ended=False)]))
