import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api_stub import events
from api_stub.app import create_app
from core.nudge import Nudge
from core.settings import Settings
from core.storage import FolderStorage
from db import jobs
from db.engine import Database
from pipelines.base import enqueue
from tests.api_stub.conftest import Served, bearer, is_problem, serve
from tests.conftest import wait_until


class Stream:
    """The events of one job, read one at a time."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()

    def next(self) -> dict | None:
        """The next event's job with its `id`, or None at the end."""
        fields = {}
        for line in self._lines:
            if not line and "data" in fields:
                return json.loads(fields["data"]) | {"event_id": fields["id"]}
            name, _, value = line.partition(": ")
            fields[name] = value
        return None


@contextmanager
def watch(served: Served, job_id: UUID) -> Iterator[Stream]:
    with served.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


@pytest.fixture
def job_id(database: Database, owner: str) -> UUID:
    with database.tenant(owner) as session:
        return enqueue(session, "self_check", {}, owner_id=owner)


def claim(database: Database, step_id: UUID) -> jobs.Claim:
    with database.jobs() as session:
        held = jobs.claim(session, step_id, worker_id=uuid4(), lease=timedelta(seconds=60))
    assert held is not None
    return held


def first_step(shown: dict) -> UUID:
    return UUID(shown["steps"][0]["id"])


def test_a_stream_begins_with_the_present_and_ends_with_the_job(served: Served, database: Database, job_id: UUID):
    with watch(served, job_id) as stream:
        shown = stream.next()
        assert (shown["status"], shown["event_id"]) == ("queued", str(shown["version"]))
        with database.jobs() as session:
            jobs.request_cancel(session, job_id)
        shown = stream.next()
        assert (shown["status"], shown["event_id"]) == ("cancelled", str(shown["version"]))
        assert stream.next() is None


def test_progress_is_seen_although_the_job_did_not_move(served: Served, database: Database, job_id: UUID):
    with watch(served, job_id) as stream:
        held = claim(database, first_step(stream.next()))
        running = stream.next()
        with database.jobs() as session:
            jobs.renew(session, [jobs.Renewal(held.step_id, held.claim_id, 0.5, "half")], lease=timedelta(seconds=60))
        shown = stream.next()
    assert (running["status"], running["steps"][0]["progress"]) == ("running", None)
    assert (shown["version"], shown["steps"][0]["progress_message"]) == (running["version"], "half")


def test_one_look_serves_every_stream(served: Served, database: Database, job_id: UUID):
    with watch(served, job_id) as first, watch(served, job_id) as second:
        assert first.next() == second.next()
        with database.jobs() as session:
            jobs.request_cancel(session, job_id)
        assert first.next() == second.next()


def test_a_stream_of_a_removed_job_ends(served: Served, database: Database, owner: str):
    with database.tenant(owner) as session:
        job_id = enqueue(session, "self_check", {}, owner_id=owner, subject="video:1")
    with watch(served, job_id) as stream:
        stream.next()
        with database.jobs() as session:
            jobs.delete_jobs(session, "video:1", owner_id=owner)
        assert stream.next() is None


def test_streams_that_nobody_reads_any_more_are_let_go(app: FastAPI, served: Served, job_id: UUID):
    with watch(served, job_id) as stream:
        stream.next()
        wait_until(lambda: len(app.state.live._streams) == 1)
    wait_until(lambda: not app.state.live._streams)


def test_one_stream_too_many_is_told_to_come_back(served: Served, job_id: UUID, monkeypatch: pytest.MonkeyPatch, app: FastAPI):
    monkeypatch.setattr(events, "MOST_STREAMS", 2)
    with ExitStack() as open_streams:
        streams = [open_streams.enter_context(watch(served, job_id)) for _ in range(2)]  # one that is let go is closed
        assert all(stream.next() for stream in streams)
        answer = served.client.get(f"/v1/jobs/{job_id}/events")
    assert is_problem(answer, 503)
    assert answer.headers["retry-after"] == "5"
    wait_until(lambda: not app.state.live.is_full())


def test_a_quiet_stream_says_that_it_lives(served: Served, job_id: UUID, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "_KEEP_ALIVE_SECONDS", 0.05)
    with served.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert next(line for line in answer.iter_lines() if line.startswith(":")) == ": still here"


def test_another_users_stream_is_not_there(served: Served, job_id: UUID, bela: str):
    answer = served.client.get(f"/v1/jobs/{job_id}/events", headers=bearer(bela))
    assert is_problem(answer, 404)


def test_a_nudge_is_faster_than_the_look_of_every_second(
    redis_url: str,
    database: Database,
    storage: FolderStorage,
    config: Settings,
    owner: str,
    job_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(events, "_LOOK_SECONDS", 600.0)  # only a nudge can tell now
    nudge = Nudge(redis_url)
    app = create_app(database, storage, config.model_copy(update={"redis_url": SecretStr(redis_url)}))
    live = app.state.live
    with serve(app, database, owner) as served:
        with watch(served, job_id) as stream:
            stream.next()
            with database.jobs() as session:
                jobs.request_cancel(session, job_id)
            wait_until(lambda: nudge() or (live._seen.get((owner, job_id)) and live._seen[owner, job_id].snapshot.ended))
            assert stream.next()["status"] == "cancelled"
        live._stopping.set()
        wait_until(lambda: nudge() or not live._thread.is_alive())


def test_the_stream_of_all_jobs_tells_that_one_is_new_and_that_one_moved(served: Served, database: Database, owner: str):
    with served.client.stream("GET", "/v1/events") as answer:
        stream = Stream(answer)
        empty = stream.next()
        with database.tenant(owner) as session:
            job_id = enqueue(session, "self_check", {}, owner_id=owner)
        new = stream.next()
        with database.jobs() as session:
            jobs.request_cancel(session, job_id)
        assert len({empty["mark"], new["mark"], stream.next()["mark"]}) == 3
