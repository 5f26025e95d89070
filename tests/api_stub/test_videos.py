import json
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api_stub.videos import delete
from core.storage import FolderStorage
from db import confidentiality, jobs, status, videos
from db.base.accounts import users
from db.base.companies import companies, company_memberships
from db.base.videos import videos as video_rows
from db.engine import Database
from pipelines import ingest
from testkit import Worker
from tests.api_stub.conftest import bearer, files_of, is_problem

Start = Callable[..., ingest.Started]
INTERNAL = {"companyId", "youtubeResponse", "confidentialityIssues"}


@pytest.fixture
def started(start_ingest: Start) -> ingest.Started:
    return start_ingest("talk.mp4")


@pytest.fixture
def at(started: ingest.Started) -> str:
    return f"/api/videos/{started.video_id}"


def test_videos_are_a_bare_list_newest_first(client: TestClient, start_ingest: Start):
    made = [start_ingest(f"{name}.mp4").video_id for name in "abc"]
    shown = client.get("/api/videos").json()
    assert [video["id"] for video in shown] == made[::-1]
    assert "link" not in client.get("/api/videos").headers


def test_pages_of_videos_are_linked(client: TestClient, start_ingest: Start):
    made = [start_ingest(f"{name}.mp4").video_id for name in "abc"]
    first = client.get("/api/videos?limit=2")
    assert first.links["next"]["url"] == f"/api/videos?limit=2&cursor={made[1]}"
    rest = client.get(first.links["next"]["url"])
    assert [video["id"] for video in first.json() + rest.json()] == made[::-1]
    assert "next" not in rest.links


def test_a_video_is_shown_whole_and_without_what_is_internal(client: TestClient, at: str, database: Database):
    shown = client.get(at).json()
    with database.engine.connect() as connection:
        columns = set(
            connection.scalars(text("SELECT column_name FROM information_schema.columns WHERE table_name = 'videos'"))
        )
    camel = {first + "".join(part.capitalize() for part in rest) for first, *rest in (name.split("_") for name in columns)}
    assert set(shown) == camel - INTERNAL
    assert (shown["title"], shown["originalFilename"], shown["privacyStatus"]) == ("talk", "talk.mp4", "private")
    assert shown["createdAt"].endswith("Z")


def test_the_status_is_told_alone(client: TestClient, at: str):
    assert client.get(f"{at}/status").json() == {"status": "uploading"}


@pytest.mark.parametrize("path", ["", "/status", "/confidentiality-check"])
def test_another_users_video_is_not_there(client: TestClient, at: str, bela: str, path: str):
    assert is_problem(client.get(at + path, headers=bearer(bela)), 404)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_another_users_video_is_not_changed(client: TestClient, at: str, bela: str, method: str):
    assert is_problem(client.request(method, at, json={"title": "mine"}, headers=bearer(bela)), 404)
    assert client.get(at).json()["title"] == "talk"


@pytest.mark.parametrize("wrong", ["0", "-1", "x", "2147483648", "1e3"])
def test_what_is_no_id_is_refused(client: TestClient, wrong: str):
    assert is_problem(client.get(f"/api/videos/{wrong}"), 400)


def test_the_poster_stands_for_a_thumbnail(
    client: TestClient, started: ingest.Started, at: str, database: Database, owner: str
):
    assert client.get(at).json()["thumbnailUrl"] is None
    with database.tenant(owner) as session:
        videos.keep_files(session, started.video_id, [videos.NewFile(videos.FileKind.POSTER, "attempts/a/p.jpg", 1, "00")])
    assert client.get(at).json()["thumbnailUrl"] == f"/media/videos/{started.video_id}/poster"
    assert client.patch(at, json={"thumbnailUrl": "/mine.png"}).json()["thumbnailUrl"] == "/mine.png"
    assert client.get("/api/videos").json()[0]["thumbnailUrl"] == "/mine.png"


def test_an_owner_changes_what_describes_a_video(client: TestClient, at: str):
    wanted = {
        "title": "New",
        "description": None,
        "tags": "a,b",
        "privacyStatus": "unlisted",
        "trimStartMs": 500,
        "trimEndMs": 900,
        "captions": [{"startMs": 0, "endMs": 5, "text": "Hello"}],
    }
    shown = client.patch(at, json=wanted).json()
    assert {name: shown[name] for name in wanted} == wanted
    assert client.get(at).json() == shown


def test_a_client_may_send_back_all_that_it_got(client: TestClient, at: str):
    shown = client.get(at).json()
    changed = client.patch(at, json={**shown, "title": "New"})
    assert changed.status_code == 200
    assert {**changed.json(), "updatedAt": ""} == {**shown, "title": "New", "updatedAt": ""}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"status": "published"}, "status: cannot be changed"),
        ({"storagePath": "/etc/passwd"}, "storagePath: cannot be changed"),
        ({"userId": "bela"}, "userId: cannot be changed"),
        ({"confidentialityStatus": "clear"}, "confidentialityStatus: cannot be changed"),
        ({"invented": 1}, "invented: cannot be changed"),
        ({"title": 7}, "title"),
        ({"originalFilename": ""}, "originalFilename"),
        ({"privacyStatus": "secret"}, "privacyStatus"),
        ({"trimStartMs": -1}, "trimStartMs"),
        ({"trimStartMs": 2**31}, "trimStartMs"),
        ({"trimStartMs": 5, "trimEndMs": 5}, "trimEndMs must be later"),
        ({"startSec": 5, "endSec": 4}, "endSec must be later"),
        (["title"], "valid dictionary"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_whole(client: TestClient, at: str, wanted: object, words: str):
    before = client.get(at).json()
    sent = {"description": "new", **wanted} if isinstance(wanted, dict) else wanted
    assert is_problem(client.patch(at, json=sent), 400, words)
    assert client.get(at).json() == before


@pytest.mark.parametrize("wrong", ["a\0b", "\ud800"])
def test_text_that_cannot_be_stored_is_refused(client: TestClient, at: str, wrong: str):
    body = json.dumps({"captions": [{"text": wrong}]})
    assert is_problem(client.patch(at, content=body, headers={"Content-Type": "application/json"}), 400, "cannot be stored")


def test_the_last_check_is_shown_or_null(client: TestClient, started: ingest.Started, at: str, database: Database, owner: str):
    assert client.get(f"{at}/confidentiality-check").json() is None
    segments = [{"id": "1", "startTime": "00:00:01", "endTime": "00:00:02", "severity": "high", "category": "other"}]
    with database.tenant(owner) as session:
        for clear in (True, False):
            confidentiality.insert_check(
                session,
                started.video_id,
                clear=clear,
                segments=[] if clear else segments,
                summary="s",
                model_used="rules",
                triggered_by=owner,
            )
    shown = client.get(f"{at}/confidentiality-check").json()
    assert (shown["overallStatus"], shown["highCount"], shown["segments"]) == ("flagged", 1, segments)
    assert shown["videoId"] == started.video_id


def test_a_removed_video_leaves_no_row_no_file_and_no_job(
    client: TestClient, at: str, started: ingest.Started, database: Database, storage: FolderStorage, owner: str
):
    answer = client.delete(at)
    assert (answer.status_code, answer.content) == (204, b"")
    assert is_problem(client.get(at), 404)
    assert is_problem(client.get(f"/v1/jobs/{started.job_id}"), 404)
    assert client.get("/api/ingest-requests").json() == []
    assert is_problem(client.delete(at), 404)
    assert files_of(storage) == ["attempts"]
    with database.engine.connect() as connection:
        for table in ("jobs.jobs", "jobs.job_steps", "jobs.uploads", "videos", "video_files", "video_ingest_requests"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


def test_a_removed_upload_leaves_nothing_even_before_it_was_fetched(
    client: TestClient, storage: FolderStorage, database: Database
):
    video = client.post("/api/upload", files={"file": ("a.mp4", b"x")}).json()
    assert client.delete(f"/api/videos/{video['id']}").status_code == 204
    assert files_of(storage) == ["uploads"]
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM jobs.uploads")) == 0


def test_removing_a_video_leaves_others_alone(client: TestClient, at: str):
    other = client.post("/api/upload", files={"file": ("b.mp4", b"x")}).json()
    client.delete(at)
    assert [video["id"] for video in client.get("/api/videos").json()] == [other["id"]]
    assert len(client.get("/v1/jobs").json()["items"]) == 1


def test_whoever_may_not_remove_a_video_loses_no_job_of_theirs(
    started: ingest.Started, client: TestClient, database: Database, owner: str, at: str
):
    with database.engine.begin() as connection:
        connection.execute(users.insert().values(id="anna"))
        company = connection.scalar(companies.insert().values(name="A", owner_id="anna").returning(companies.c.id))
        connection.execute(company_memberships.insert().values(company_id=company, user_id=owner, role="member"))
        given = video_rows.update().where(video_rows.c.id == started.video_id)
        connection.execute(given.values(user_id="anna", company_id=company))
    assert is_problem(client.delete(at), 403)
    assert client.get(f"/v1/jobs/{started.job_id}").json()["status"] == "queued"


def test_what_runs_for_a_removed_video_finds_itself_replaced(
    started: ingest.Started, worker: Worker, database: Database, storage: FolderStorage, owner: str
):
    (step_id,) = worker.list_due()
    with database.jobs() as session:
        held = jobs.claim(session, step_id, worker_id=uuid4(), lease=timedelta(seconds=60))
    delete(database, storage, owner, started.video_id)
    with database.jobs() as session:
        assert jobs.renew(session, [jobs.Renewal(step_id, held.claim_id, None, None)], lease=timedelta(seconds=60)) == {}
        assert not jobs.holds(session, held)
    with database.tenant(owner) as session:
        assert status.list_jobs(session) == []
