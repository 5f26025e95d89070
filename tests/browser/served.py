"""The dashboard on loopback by the real server, over a real database and films that were really ingested."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import uvicorn
from fastapi import FastAPI

from core.ids import new_id
from db import failures, users, videos
from db.engine import Database
from pipelines import ingest
from testkit import Worker
from tests.browser.stage import Stage
from tests.conftest import wait_until
from tests.media import ffmpeg

SAMPLES = Path(__file__).parents[2] / "samples"
_CUT_FROM, _CUT_SECONDS = 31, 12  # of the sample: a password is told, then somebody's health


@dataclass(frozen=True)
class Served:
    """A server and what it shows."""

    url: str
    worker: Worker
    flagged: ingest.Started
    silent: ingest.Started
    refused: ingest.Started
    stage: Stage

    def ids(self) -> dict[str, object]:
        """One of each thing that stands in the address of a page."""
        with self.worker.database.jobs() as session:
            group = failures.list_groups(session)[0].id
        film, stage = self.flagged.video_id, self.stage
        return {
            "job_id": stage.running,
            "batch_id": stage.batch,
            "conversation_id": stage.conversation,
            "group_id": group,
            "video_id": film,
        }

    def finish(self, job_id: UUID) -> None:
        """Run this job's steps, and no other's: those that other tests began are not paid for here."""
        ran = None
        while due := [step["id"] for step in self.worker.job(job_id)["steps"] if step["status"] == "queued"]:
            assert due[0] != ran, "it was not claimed: what holds it back?"
            ran = due[0]
            self.worker.runner.run(ran)
        job = self.worker.job(job_id)
        left = [(step["name"], step["status"], step["error"]) for step in job["steps"] if step["status"] != "succeeded"]
        assert job["finished_at"], f"it has not ended: {left}"


def make_link(url: str, database: Database, user: str = users.LOCAL_OWNER) -> str:
    """A fresh one-time link, as `up` prints it."""
    with database.jobs() as session:
        return f"{url}/sign-in?token={users.insert_sign_in_token(session, user)}"


def cut_talk(path: Path) -> Path:
    """A short stretch of the sample, small enough for two rungs."""
    size = ("-vf", "scale=854:480", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
    ffmpeg("-ss", str(_CUT_FROM), "-t", str(_CUT_SECONDS), "-i", SAMPLES / "talk.mp4", *size, path)
    return path


def take_in(worker: Worker, path: Path, *, provider: str = "upload") -> ingest.Started:
    """Start an ingest of this file."""
    key = f"uploads/{new_id().hex}/source"
    with worker.storage.writer(key) as file:
        file.write(path.read_bytes())
    source = videos.Source(provider, key, path.name, size_bytes=path.stat().st_size)
    with worker.database.tenant(users.LOCAL_OWNER) as session:
        started = ingest.start(session, source, user_id=users.LOCAL_OWNER)
    assert started is not None
    return started


@contextmanager
def serve(app: FastAPI) -> Iterator[str]:
    """Run the application by uvicorn in a thread; yields its address."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:  # asyncio sets TCP_NODELAY only where the protocol is named
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
