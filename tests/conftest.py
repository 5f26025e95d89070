"""Real servers, started once per test process; a database cloned from a migrated template per test."""

import gc
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import hypothesis
import psycopg
import pytest
import redis
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

from core.local_stack.servers import Servers
from core.log import configure_log
from core.sandbox.run import Sandbox
from core.settings import SandboxMode
from core.storage import FolderStorage
from db import migrations, users
from db.engine import Database
from pipelines.base import settle
from testkit import Worker
from tests.twins.fixture import model, twins, twins_process

__all__ = ["model", "twins", "twins_process"]  # fixtures

configure_log(form="console")  # as processes do: a traceback without the values of variables
# No deadline for an example: on a busy machine the one that meets a pause would fail, and then be called flaky.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=2000, deadline=None)  # pytest --hypothesis-profile=thorough
_connect = socket.socket.connect


_TOGETHER = ("tests/browser/", "tests/contract/", "tests/crash/", "tests/pipelines/providers/whisper/")


class _Scheduling(LoadScopeScheduling):
    """Some folders are one process each, from the start: what is dear is made once there, and one whole platform runs at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in _TOGETHER if nodeid.startswith(folder)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduling:
    """Not `--dist loadgroup`: xdist 3.8 writes a group into `Item._nodeid`, which pytest 9.2 does not read."""
    return _Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish() -> None:
    """What is there by now stays until the end: half a million objects that no later collection of garbage looks at again."""
    gc.collect()
    gc.freeze()


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Between the dots, what failed is named at once and not only at the end."""
    if not report.failed:
        return None
    category = "failed" if report.when == "call" else "error"
    return category, f"\n{category}: {report.nodeid}\n", category.upper()


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX and str(address[0]) not in {"127.0.0.1", "::1", "localhost"}:
            raise PermissionError(f"a test may not connect to {address}")
        _connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


def _find_memory() -> Path | None:
    """A folder in memory with room for what the tests write: a database is cloned there in a third of the time."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 * 1024**3
    return memory if roomy else None


@pytest.fixture(scope="session")
def stack() -> Iterator[Servers]:
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="askstephen-tests-", dir=_find_memory()) as home,
    ):
        patch.delenv("DATABASE_URL", raising=False)
        patch.delenv("REDIS_URL", raising=False)
        Path(home).chmod(0o711)  # the servers of root run as another user
        with Servers(Path(home), durable=False) as servers:
            migrations.upgrade(servers.environment["DATABASE_URL"])
            yield servers


def admin_url(stack: Servers) -> str:
    return stack.environment["DATABASE_URL"].replace("@/askstephen", "@/postgres")


@contextmanager
def cloned(stack: Servers) -> Iterator[str]:
    """The URL of a migrated database, which is gone afterwards."""
    name = f"t{uuid4().hex}"
    with psycopg.connect(admin_url(stack), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE askstephen STRATEGY FILE_COPY")
        yield stack.environment["DATABASE_URL"].replace("@/askstephen", f"@/{name}")
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database as processes open theirs, with the local owner in it."""
    with Database(url, connections=12, settle=settle) as made:
        with made.jobs() as session:
            users.ensure_local_owner(session)
        yield made


@pytest.fixture
def database_url(stack: Servers) -> Iterator[str]:
    with cloned(stack) as url:
        yield url


@pytest.fixture
def redis_url(stack: Servers) -> str:
    return stack.environment["REDIS_URL"]


@pytest.fixture
def wire(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as made:
        yield made


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "storage")


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    return Sandbox(mode=SandboxMode.AUTO)


@pytest.fixture
def owner() -> str:
    return users.LOCAL_OWNER


@pytest.fixture
def worker(database: Database, storage: FolderStorage, sandbox: Sandbox, tmp_path: Path) -> Worker:
    return Worker(database, storage, sandbox, tmp_path / "attempts")


def lack(advice: str) -> NoReturn:
    """A program is missing: skip on a laptop, and fail where CI is set, as nothing may stay untested there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(advice)


def let_in(folder: Path) -> Path:
    """Let the user whom a child becomes where there are no namespaces walk to this folder of root's."""
    if os.geteuid() == 0:
        for path in (folder, *folder.parents[:-2]):
            path.chmod(0o711)
    return folder


def wait_until(holds: Callable[[], object], *, seconds: float = 20) -> None:
    """Return once `holds()` is true; fail after the deadline."""
    import threading
    import time

    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        pause.wait(0.02)
