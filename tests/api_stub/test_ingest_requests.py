from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from core.settings import Settings
from db import status, videos
from db.engine import Database
from db.videos import RequestStatus
from pipelines import ingest
from tests.api_stub.conftest import bearer, is_problem

FILES = [{"path": "talks/a.mp4", "name": "a.mp4", "size": 7}, {"path": "b.mp4", "name": "b.mp4"}]


def ask(client: TestClient, videos: object = FILES, **others: object) -> object:
    return client.post("/api/ingest-requests", json={"videos": videos, "provider": "folder", **others})


def test_files_of_a_provider_become_requests_videos_and_jobs(client: TestClient, database: Database, owner: str):
    answer = ask(client)
    assert answer.status_code == 200
    shown = answer.json()
    assert [(one["provider"], one["sourcePath"], one["sourceFileName"], one["sourceFileSize"]) for one in shown] == [
        ("folder", "talks/a.mp4", "a.mp4", 7),
        ("folder", "b.mp4", "b.mp4", None),
    ]
    with database.tenant(owner) as session:
        assert [job["subject"] for job in status.list_jobs(session)] == [f"video:{one['videoId']}" for one in shown[::-1]]


def test_requests_are_a_bare_list_newest_first_and_linked_by_pages(client: TestClient):
    made = [one["id"] for one in ask(client).json()]
    assert [one["id"] for one in client.get("/api/ingest-requests").json()] == made[::-1]
    first = client.get("/api/ingest-requests?limit=1")
    assert client.get(first.links["next"]["url"]).json()[0]["id"] == made[0]


@pytest.mark.parametrize(
    ("body", "status_code", "words"),
    [
        ({"videos": []}, 400, "videos"),
        ({"videos": [{"path": "a"}]}, 400, "name"),
        ({"videos": [{"path": "", "name": "a"}]}, 400, "path"),
        ({"videos": FILES * 51}, 400, "videos"),
        ({"videos": FILES, "provider": "floppy"}, 400, "there are: dropbox, folder"),
        ({"videos": FILES, "provider": "upload"}, 400, "cannot be asked for"),
        ({"videos": FILES}, 403, "dropbox"),
        ({"videos": [FILES[0], {"path": "x", "name": "a\nb.mp4"}], "provider": "folder"}, 400, "line break"),
        ({"videos": [FILES[0], {"path": "x\0", "name": "b.mp4"}], "provider": "folder"}, 400, "cannot be stored"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_whole(client: TestClient, body: dict, status_code: int, words: str):
    assert is_problem(client.post("/api/ingest-requests", json=body), status_code, words)
    assert client.get("/api/ingest-requests").json() == []


def test_the_watched_folder_is_its_owners_alone(app: FastAPI, client: TestClient, bela: str, config: Settings):
    asked = {"videos": FILES, "provider": "folder"}
    assert is_problem(client.post("/api/ingest-requests", json=asked, headers=bearer(bela)), 403, "another user")
    app.state.settings = config.model_copy(update={"watch_owner": "bela"})
    assert client.post("/api/ingest-requests", json=asked, headers=bearer(bela)).status_code == 200
    assert is_problem(client.post("/api/ingest-requests", json=asked), 403)


def test_a_queued_request_is_cancelled_and_stays(client: TestClient, database: Database, owner: str):
    at = f"/api/ingest-requests/{ask(client).json()[0]['id']}"
    assert client.delete(at).json() == {"success": True}
    assert client.get(at).json()["status"] == "cancelled"
    with database.tenant(owner) as session:
        assert sorted(job["status"] for job in status.list_jobs(session)) == ["cancelled", "queued"]


def test_only_a_queued_request_is_cancelled(
    client: TestClient, start_ingest: Callable[..., ingest.Started], database: Database, owner: str
):
    request_id = start_ingest().request_id
    with database.tenant(owner) as session:
        videos.update_request(session, request_id, status=RequestStatus.PROCESSING)
    assert is_problem(client.delete(f"/api/ingest-requests/{request_id}"), 400, "this one is processing")


def test_a_request_of_an_earlier_product_is_cancelled_without_a_job(client: TestClient, database: Database, owner: str):
    with database.tenant(owner) as session:
        request_id = session.scalar(
            text("""
            INSERT INTO video_ingest_requests (user_id, provider, source_path, source_file_name)
            VALUES (:owner, 'dropbox', '/a.mp4', 'a.mp4') RETURNING id
            """),
            {"owner": owner},
        )
    assert client.delete(f"/api/ingest-requests/{request_id}").json() == {"success": True}
    assert client.get(f"/api/ingest-requests/{request_id}").json()["status"] == "cancelled"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_users_request_is_not_there(client: TestClient, bela: str, method: str):
    at = f"/api/ingest-requests/{ask(client).json()[0]['id']}"
    assert is_problem(client.request(method, at, headers=bearer(bela)), 404)
    assert client.get(at).json()["status"] == "queued"
