import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from api_stub.app import create_app
from core.settings import Settings
from core.storage import FolderStorage
from db import api_keys, users, videos
from db.engine import Database
from pipelines import ingest
from testkit import Worker
from tests.conftest import wait_until

MIB = 1 << 20


@pytest.fixture
def config() -> Settings:
    return Settings(
        local_mode=True, upload_limit_bytes=100 * MIB, watch_owner="", redis_url="", coach_wait_seconds=5, _env_file=None
    )


@pytest.fixture
def app(database: Database, storage: FolderStorage, config: Settings) -> FastAPI:
    return create_app(database, storage, config)


@pytest.fixture
def stranger(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture
def client(stranger: TestClient, database: Database, owner: str) -> TestClient:
    sign_in(stranger, database, owner)
    return stranger


@contextmanager
def at_work(worker: Worker) -> Iterator[None]:
    """Within the block this worker runs what comes."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.05):
            worker.drain()

    working = threading.Thread(target=work)
    working.start()
    try:
        yield
    finally:
        done.set()
        working.join(20)


def sign_in(client: httpx.Client, database: Database, user: str) -> None:
    with database.jobs() as session:
        token = users.insert_sign_in_token(session, user)
    answer = client.get(f"/sign-in?token={token}", follow_redirects=False)
    assert answer.status_code == 303


@pytest.fixture
def bela(database: Database) -> str:
    """Another user's API key."""
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES ('bela')"))
        return api_keys.insert_api_key(session, user_id="bela", name="tests")


def bearer(api_key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}"}


@dataclass(frozen=True)
class Served:
    """The application behind a real server, and a client that is signed in."""

    port: int
    client: httpx.Client
    server: uvicorn.Server


@contextmanager
def serve(app: FastAPI, database: Database, owner: str) -> Iterator[Served]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
                sign_in(client, database, owner)
                yield Served(port, client, server)
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture
def served(app: FastAPI, database: Database, owner: str) -> Iterator[Served]:
    with serve(app, database, owner) as running:
        yield running


def send_raw(served: Served, head: str, body: bytes = b"") -> socket.socket:
    """A connection on which the start of a request was sent, with the cookie; the rest is the test's."""
    cookie = "; ".join(f"{name}={value}" for name, value in served.client.cookies.items())
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=20)
    lines = head.strip().splitlines()
    request = "\r\n".join([lines[0], f"Host: 127.0.0.1:{served.port}", f"Cookie: {cookie}", *lines[1:], "", ""])
    connection.sendall(request.encode() + body)
    return connection


def is_problem(answer: httpx.Response, status: int, words: str = "") -> bool:
    body = answer.json()
    return (
        answer.status_code == status
        and answer.headers["content-type"] == "application/problem+json"
        and body["status"] == status
        and body["detail"] == body["message"]
        and words in body["detail"]
    )


def files_of(storage: FolderStorage) -> list[str]:
    """Everything that lies in storage, folders and unfinished files too."""
    return sorted(path.relative_to(storage.root).as_posix() for path in storage.root.rglob("*"))


@pytest.fixture
def start_ingest(database: Database, storage: FolderStorage, owner: str) -> Callable[..., ingest.Started]:
    """Start an ingest of bytes that lie in storage, without running it."""

    def start(name: str = "a.mp4", content: bytes = b"video", user: str = owner) -> ingest.Started:
        key = f"attempts/{'0' * 31}1/source"
        with storage.writer(key) as file:
            file.write(content)
        with database.tenant(user) as session:
            started = ingest.start(session, videos.Source("sample", name, name), user_id=user)
            assert started is not None
            videos.keep_files(session, started.video_id, [videos.NewFile(videos.FileKind.SOURCE, key, len(content), "00")])
        return started

    return start
