"""What the measurement of adoptions looks at: every value by SQL of its own, and the real command as it goes."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import sqlalchemy

from core.crypto import KeyRing, Place
from core.local_stack.programs import find_postgres
from core.settings import Settings
from tests.db.schema.generations import columns_of

ROOT = Path(__file__).parents[1]
SEALED = {
    (table, column) for table in ("cloud_connections", "user_social_accounts") for column in ("access_token", "refresh_token")
}
_DEADLINE_SECONDS = 300

Values = dict[str, tuple[int, str]]  # of "table.column" the number of rows, and a hash of every value in its row


def asked(url: str, statement: str) -> object:
    with psycopg.connect(plain(url), autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
    return row[0] if row else None


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


def read_values(url: str, columns: dict[str, list[str]] | None = None, *, home: Path | None = None) -> Values:
    """Each column for itself, in the order of its rows' keys; tokens that `home` has sealed are opened first."""
    ring = KeyRing.of(Settings(askstephen_home=home, _env_file=None)) if home else None
    values: Values = {}
    with psycopg.connect(plain(url), autocommit=True, options="-c timezone=UTC") as connection:
        for table, names in (columns or columns_of(url)).items():
            key = "sid" if table == "sessions" else "id"
            hashes = ", ".join(f"md5(string_agg(coalesce(md5({name}::text), '-'), ',' ORDER BY {key}))" for name in names)
            count, *found = connection.execute(f"SELECT count(*), {hashes} FROM public.{table}").fetchone() or ()
            for name, digest in zip(names, found, strict=True):
                opened = _opened(connection, table, name, ring) if ring and (table, name) in SEALED else None
                values[f"{table}.{name}"] = (count, opened or digest)
    return values


def _opened(connection: psycopg.Connection, table: str, column: str, ring: KeyRing) -> str:
    digests = []
    for row, kept in connection.execute(f"SELECT id, {column} FROM public.{table} ORDER BY id").fetchall():
        token = ring.unseal(kept, Place(table, str(row), column)) if kept is not None else None
        digests.append("-" if token is None else hashlib.md5(token.encode()).hexdigest())
    return hashlib.md5(",".join(digests).encode()).hexdigest()


def describe(url: str) -> str:
    """Every object of it but its rows, as pg_dump tells it."""
    argv = [str(find_postgres() / "pg_dump"), "--schema-only", "--restrict-key=x", f"--dbname={plain(url)}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def restore(dump: Path, url: str) -> None:
    subprocess.run([str(find_postgres() / "pg_restore"), f"--dbname={plain(url)}", str(dump)], check=True)


@contextmanager
def copied(url: str) -> Iterator[str]:
    """A database with the same rows."""
    parsed = sqlalchemy.make_url(url)
    name = f"copy_{os.urandom(6).hex()}"
    with psycopg.connect(
        plain(parsed.set(database="postgres").render_as_string(hide_password=False)), autocommit=True
    ) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {parsed.database}")
        yield parsed.set(database=name).render_as_string(hide_password=False)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(slots=True)
class Command:
    """`schema adopt` on a database, and what it says, each line with the seconds since it was started."""

    url: str
    home: Path
    said: list[tuple[float, str]] = field(default_factory=list)
    status: int | None = None

    def run(self, meanwhile: Callable[["Command", str], None] | None = None) -> "Command":
        """To its end; `meanwhile` hears every line."""
        argv = [sys.executable, "-m", "api_stub.cli", "schema", "adopt", plain(self.url), "--home", str(self.home)]
        began = time.monotonic()
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            self._pid = process.pid
            for line in process.stdout or ():
                self.said.append((time.monotonic() - began, line.rstrip()))
                if meanwhile:
                    meanwhile(self, line)
        self.status = process.returncode
        return self

    _pid: int = 0

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    @property
    def words(self) -> str:
        return "\n".join(line for _, line in self.said)

    @property
    def seconds(self) -> dict[str, float]:
        """What each part took; starting the command and reading both databases are in `plan`."""
        marks = {
            "plan": "Change, in",
            "rehearse": "Rehearsed",
            "back_up": "Backed up",
            "change": "Changed,",
            "settle": "  settled",
        }
        ends = {part: max((at for at, line in self.said if line.startswith(mark)), default=0.0) for part, mark in marks.items()}
        ends["seal"] = self.said[-1][0]
        taken, before = {}, 0.0
        for part, end in ends.items():
            taken[part], before = round(max(0.0, end - before), 2), max(before, end)
        return {**taken, "all": round(before, 2)}


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come true")
        time.sleep(0.02)


@contextmanager
def holding(url: str, lock: str) -> Iterator[psycopg.Connection]:
    """Another session, in the midst of its transaction."""
    with contextlib.closing(psycopg.connect(plain(url))) as other:
        other.execute(f"LOCK TABLE {lock}")
        yield other


def end_strangers(url: str) -> None:
    """What a client that was killed left running on the server ends too, as it does when the host is lost."""
    strangers = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    asked(url, f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {strangers}")
    wait_until(lambda: asked(url, f"SELECT count(*) = 0 FROM pg_stat_activity WHERE {strangers}"))
