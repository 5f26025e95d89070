"""What is asked of connected accounts over HTTP, against the twins."""

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings
from db import status
from db.engine import Database
from tests.accounts import MAKERS, Account
from tests.api_stub.conftest import bearer, is_problem
from twins.running import Twins


@pytest.fixture(params=list(MAKERS))
def account(request: pytest.FixtureRequest, twins: Twins, database: Database, owner: str) -> Account:
    made = MAKERS[request.param](twins, database, owner, f"{request.node.name}@example.com")
    made.put("talk one.mp4", b"1")
    made.put("Größe.mov", b"22", made.subfolder("deeper"))
    return made


def test_folders_and_videos_are_listed_and_searched(client: TestClient, account: Account):
    base = f"/v1/connections/{account.connection_id}"
    assert [one["name"] for one in client.get(f"{base}/folders").json()] == ["Videos"]
    inside = client.get(f"{base}/folders", params={"folder": account.folder}).json()
    assert [(one["name"], one["isFolder"]) for one in inside] == [("deeper", True)]
    found = client.get(f"{base}/videos", params={"folder": account.folder}).json()
    assert {(one["name"], one["size"]) for one in found} == {("talk one.mp4", 1), ("Größe.mov", 2)}
    searched = client.get(f"{base}/videos", params={"words": "größe"}).json()
    assert [one["name"] for one in searched] == ["Größe.mov"]


def test_a_chosen_folder_is_followed_at_once(client: TestClient, database: Database, account: Account):
    base = f"/v1/connections/{account.connection_id}"
    assert client.post(f"{base}/sync").status_code == 404
    chosen = client.post(f"{base}/select-folder", json={"folder": account.folder, "name": "Videos"})
    assert (chosen.status_code, chosen.json()["selectedFolderPath"]) == (200, account.folder)
    again = client.post(f"{base}/sync")
    assert again.status_code == 202
    with database.jobs() as session:
        jobs = [str(job["id"]) for job in status.list_jobs(session, pipeline="connection_sync")]
    assert jobs == [again.json()["id"]]


def test_another_users_account_is_not_there(client: TestClient, account: Account, bela: str):
    for method, path in (("GET", "folders"), ("GET", "videos"), ("POST", "sync")):
        answer = client.request(method, f"/v1/connections/{account.connection_id}/{path}", headers=bearer(bela))
        assert is_problem(answer, 404)


def test_a_service_that_is_away_is_told_as_such(client: TestClient, account: Account, twins: Twins):
    twins.fault(account.twin, "rate_limit", retry_after=7)
    answer = client.get(f"/v1/connections/{account.connection_id}/folders")
    assert is_problem(answer, 503, "slow down")
    assert answer.headers["retry-after"] == "7"


def test_earlier_clients_find_their_dropbox(client: TestClient, twins: Twins, database: Database, owner: str, config: Settings):
    account = MAKERS["dropbox"](twins, database, owner, "earlier@example.com")
    assert client.get("/api/dropbox/status").json()["connected"] is True
    file = account.put("talk.mp4", b"123")
    assert [one["name"] for one in client.get("/api/dropbox/files").json()] == ["Videos"]
    found = client.get("/api/dropbox/search-videos", params={"path": "/Videos"}).json()
    assert [(one["id"], one["name"], one["path"], one["size"]) for one in found] == [(file, "talk.mp4", "/Videos/talk.mp4", 3)]
    assert client.get("/api/dropbox/download-link", params={"path": found[0]["path"]}).json()["link"].startswith("https://")
    assert is_problem(client.get("/api/dropbox/download-link", params={"path": "/no.mp4"}), 404, "no longer in Dropbox")
    made = client.post("/api/ingest-requests", json={"videos": [{name: found[0][name] for name in ("path", "name", "size")}]})
    assert (made.status_code, made.json()[0]["provider"]) == (200, "dropbox")


def test_without_an_account_nothing_can_be_asked_for(client: TestClient):
    assert client.get("/api/dropbox/status").json() == {"connected": False, "account": None}
    for path in ("files", "search-videos", "download-link?path=/a"):
        assert is_problem(client.get(f"/api/dropbox/{path}"), 403, "connect")
    asked = {"provider": "google_drive", "videos": [{"path": "x", "name": "x.mp4"}]}
    assert is_problem(client.post("/api/ingest-requests", json=asked), 403, "connect")
