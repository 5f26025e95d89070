from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from db import jobs
from db.engine import Database
from pipelines import ingest
from pipelines.base import enqueue
from tests.api_stub.conftest import is_problem


@pytest.fixture
def made(client: TestClient, start_ingest: Callable[..., ingest.Started], database: Database, owner: str) -> dict[str, str]:
    """An ingest, a self check, and one that was cancelled."""
    started = start_ingest()
    with database.tenant(owner) as session:
        plain, stopped = (enqueue(session, "self_check", {}, owner_id=owner) for _ in range(2))
    client.post(f"/v1/jobs/{stopped}/cancel")
    return {
        "ingest": str(started.job_id),
        "plain": str(plain),
        "stopped": str(stopped),
        "subject": f"video:{started.video_id}",
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("pipeline=ingest", ["ingest"]),
        ("pipeline=self_check", ["stopped", "plain"]),
        ("pipeline=self_check&status=queued", ["plain"]),
        ("status=cancelled", ["stopped"]),
        ("subject={subject}", ["ingest"]),
        ("subject={subject}&pipeline=self_check", []),
        ("subject=video:999999", []),
    ],
)
def test_jobs_are_found_by_status_pipeline_and_subject(client: TestClient, made: dict[str, str], query: str, found: list[str]):
    items = client.get(f"/v1/jobs?{query.format(**made)}").json()["items"]
    assert [item["id"] for item in items] == [made[name] for name in found]


def test_a_job_that_did_not_change_is_not_sent_again(client: TestClient, made: dict[str, str], database: Database):
    at = f"/v1/jobs/{made['plain']}"
    first = client.get(at)
    again = client.get(at, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    with database.jobs() as session:
        jobs.request_cancel(session, made["plain"])
    changed = client.get(at, headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["status"]) == (200, "cancelled")


def test_a_name_that_cannot_be_stored_is_refused(client: TestClient):
    assert client.get("/v1/jobs?subject=%00").status_code == 422
    assert client.post("/v1/jobs", json={"pipeline": "self_check", "args": {"mebibytes": "\0"}}).status_code == 422


def test_a_job_may_say_by_when_it_must_begin_and_end(client: TestClient):
    new = {"pipeline": "self_check", "start_within_seconds": 60, "finish_within_seconds": 3600}
    seen = client.get(client.post("/v1/jobs", json=new).headers["location"]).json()
    assert None not in {seen["start_by"], seen["finish_by"]}
    assert is_problem(client.post("/v1/jobs", json=new | {"start_within_seconds": 0}), 422, "start_within_seconds")
