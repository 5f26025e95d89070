from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from core.storage import FolderStorage
from db import videos
from db.engine import Database
from tests.api_stub.conftest import bearer, is_problem
from tests.db.test_archive import ARCHIVED, HOT, eventful, failed, places, tick

SUBJECT = "video:7"  # of `eventful`


@pytest.fixture
def archived(database: Database, owner: str) -> UUID:
    job_id = eventful(database, owner)
    tick(database)
    assert places(database, job_id) == ARCHIVED
    return job_id


def test_an_archived_job_is_answered_as_before(client: TestClient, database: Database, owner: str):
    job_id = eventful(database, owner)
    paths = [f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/log", f"/ops/jobs/{job_id}/evidence", "/v1/jobs"]
    before = [client.get(path).json() for path in paths]
    tag = client.get(paths[0]).headers["etag"]
    tick(database)
    assert places(database, job_id) == ARCHIVED
    assert [client.get(path).json() for path in paths] == before
    assert client.get(paths[0], headers={"If-None-Match": tag}).status_code == 304


def test_its_events_are_its_end(client: TestClient, archived: UUID):
    answer = client.get(f"/v1/jobs/{archived}/events")
    assert answer.text.count("event: job") == 1
    assert '"status": "succeeded"' in answer.text


def test_its_page_and_the_first_page_show_it(client: TestClient, archived: UUID):
    page = client.get(f"/jobs/{archived}")
    assert page.status_code == 200
    assert "goes" in page.text
    assert f"/jobs/{archived}" in client.get("/").text


def test_it_is_its_owners(client: TestClient, archived: UUID, bela: str):
    client.cookies.clear()
    for path in (f"/v1/jobs/{archived}", f"/v1/jobs/{archived}/log", f"/v1/jobs/{archived}/events", f"/jobs/{archived}"):
        assert is_problem(client.get(path, headers=bearer(bela)), 404)
    assert client.get("/v1/jobs", headers=bearer(bela)).json()["items"] == []


def test_it_runs_again_when_its_owner_asks(client: TestClient, database: Database, owner: str):
    job_id = failed(database, owner)
    tick(database)
    answer = client.post(f"/v1/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["status"], places(database, job_id)) == (202, "running", HOT)


def test_what_has_ended_is_not_cancelled(client: TestClient, archived: UUID):
    assert is_problem(client.post(f"/v1/jobs/{archived}/cancel"), 409, "has ended already")


def test_it_goes_with_its_video(client: TestClient, database: Database, storage: FolderStorage, owner: str):
    with database.tenant(owner) as session:
        video_id, _ = videos.insert_request(session, videos.Source("upload", "k", "a.mp4"), user_id=owner)
    job_id = failed(database, owner, subject=videos.subject(video_id))
    tick(database)
    assert f"/jobs/{job_id}" in client.get(f"/videos/{video_id}").text
    assert client.delete(f"/api/videos/{video_id}").status_code == 204
    assert is_problem(client.get(f"/v1/jobs/{job_id}"), 404)
    assert places(database, job_id) == (False, False)


def test_an_operator_sees_what_is_kept(client: TestClient, database: Database, owner: str, archived: UUID):
    failed(database, owner, days=1)
    shown = client.get("/ops/retention").json()
    assert [(row["status"], row["jobs"]) for row in shown["ended"]] == [("failed", 1)]
    assert shown["months"] == sorted(shown["months"], key=lambda row: row["month"])
    assert any(row["bytes"] > 0 for row in shown["months"])
