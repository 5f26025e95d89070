import json
import re
from collections.abc import Iterator

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from api_stub.app import create_app
from core.settings import Settings
from core.storage import FolderStorage
from db import api_keys
from db.engine import Database
from tests.api_stub.conftest import bearer, is_problem, sign_in

ID = "01a20e8d-b780-73b8-81ad-23fd5fd2ebf0"
OPEN = {
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/api/clerk-config"),  # asked before anybody has signed in
    ("POST", "/api/leads/webhook/results"),  # its messages are signed
    ("POST", "/api/intel/callback"),
}


@pytest.fixture
def api_key(database: Database, owner: str) -> str:
    with database.jobs() as session:
        return api_keys.insert_api_key(session, user_id=owner, name="tests")


@pytest.fixture
def remote(database: Database, storage: FolderStorage, config: Settings) -> Iterator[TestClient]:
    """A client of an installation that is not in local mode."""
    app = create_app(database, storage, config.model_copy(update={"local_mode": False}))
    with TestClient(app, base_url="https://jobs.example.com") as client:
        yield client


def operations(app: FastAPI) -> set[tuple[str, str]]:
    described = {(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item}
    return described | {("GET", "/"), ("GET", f"/jobs/{ID}"), ("POST", "/self-check"), ("HEAD", "/media/videos/1/mp4")}


def test_a_key_opens_what_its_user_may_see(stranger: TestClient, api_key: str):
    assert stranger.get("/v1/jobs", headers=bearer(api_key)).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("header", ["Bearer ask_wrong", "Bearer", "Basic YTpi", ""])
def test_a_wrong_key_opens_nothing_even_beside_a_cookie(client: TestClient, header: str):
    answer = client.get("/v1/jobs", headers={"Authorization": header})
    assert is_problem(answer, 401, "API key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_revoked_key_opens_nothing(stranger: TestClient, database: Database, api_key: str):
    with database.jobs() as session:
        api_keys.revoke_api_key(session, api_keys.list_api_keys(session)[0]["id"])
    assert is_problem(stranger.get("/v1/jobs", headers=bearer(api_key)), 401, "revoked")


def test_a_program_with_a_key_may_write_from_anywhere(stranger: TestClient, api_key: str):
    headers = {**bearer(api_key), "sec-fetch-site": "cross-site"}
    assert stranger.post("/v1/jobs", json={"pipeline": "self_check"}, headers=headers).status_code == 202


ARGUMENTS = {
    "change_id": "1",
    "competitor_id": "1",
    "connection_id": "1",
    "video_id": "1",
    "request_id": "1",
    "kind": "mp4",
    "path": "master.m3u8",
    "name": "io",
    "owner_id": "bela",
}


@pytest.mark.parametrize("local", [True, False])
def test_every_operation_but_the_open_ones_asks_who_it_is(
    database: Database, storage: FolderStorage, config: Settings, *, local: bool
):
    app = create_app(database, storage, config.model_copy(update={"local_mode": local}))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for method, path in operations(app) - OPEN:
            url = re.sub(r"\{(\w+)\}", lambda name: ARGUMENTS.get(name[1], ID), path)
            answer = client.request(method, url, headers={"Tus-Resumable": "1.0.0"})
            assert answer.status_code == 401, (method, path, answer.status_code)


def test_the_probes_ask_nobody(remote: TestClient):
    assert [remote.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]


def test_outside_local_mode_a_cookie_opens_nothing(
    app: FastAPI, remote: TestClient, database: Database, owner: str, api_key: str
):
    with TestClient(app, base_url="http://127.0.0.1") as local:
        sign_in(local, database, owner)
        cookies = dict(local.cookies)
    remote.cookies.update(cookies)
    assert is_problem(remote.get("/v1/jobs"), 401, "askstephen key new")
    assert remote.get("/sign-in?token=x").status_code == 404
    assert remote.get("/v1/jobs", headers=bearer(api_key)).status_code == 200


def test_the_description_is_open_in_local_mode_only(stranger: TestClient, remote: TestClient, api_key: str):
    assert stranger.get("/openapi.json").status_code == 200
    assert is_problem(remote.get("/openapi.json"), 401)
    assert remote.get("/openapi.json", headers=bearer(api_key)).status_code == 200


def test_every_operation_is_described_with_a_name_a_tag_and_its_errors(app: FastAPI):
    described = [one for item in app.openapi()["paths"].values() for one in item.values()]
    names = [one["operationId"] for one in described]
    assert len(set(names)) == len(names)
    for one in described:
        assert one["tags"], one
        for status in ("4XX", "422", "5XX"):
            assert set(one["responses"][status]["content"]) == {"application/problem+json"}


def test_every_answer_has_an_id_and_the_safe_headers(client: TestClient):
    answers = [client.get(path) for path in ("/livez", "/v1/jobs", "/nowhere")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert {answer.headers["x-content-type-options"] for answer in answers} == {"nosniff"}


@pytest.fixture
def told() -> Iterator[list[dict]]:
    """What is logged meanwhile, with its bound context."""
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as entries:
        yield entries


def test_the_end_of_a_request_is_logged_without_ids_and_queries(client: TestClient, told: list[dict]):
    answer = client.get(f"/v1/jobs/{ID}?token=hush")
    (entry,) = [one for one in told if one["event"] == "request.ended"]
    assert (entry["method"], entry["route"], entry["status"]) == ("GET", "/v1/jobs/{job_id}", 404)
    assert entry["request_id"] == answer.headers["x-request-id"]
    assert entry["ms"] > 0
    assert "hush" not in json.dumps(entry)


def test_a_bug_is_a_problem_for_the_client_and_a_trace_in_the_log(app: FastAPI, client: TestClient, told: list[dict]):
    def bug() -> None:
        raise ZeroDivisionError

    app.add_api_route("/bug", bug)
    answer = client.get("/bug")
    assert is_problem(answer, 500, "the log tells more")
    assert answer.headers["x-request-id"]
    assert [one["event"] for one in told] == ["request.failed", "request.ended"]


def test_a_browser_is_told_on_a_page(stranger: TestClient):
    answer = stranger.get("/", headers={"accept": "text/html,application/xhtml+xml"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "askstephen link" in answer.text


def test_a_browser_is_told_of_a_bug_on_a_page_with_the_number_of_its_request(app: FastAPI, client: TestClient):
    def bug() -> None:
        raise ZeroDivisionError("a secret")

    app.add_api_route("/bug", bug)
    answer = client.get("/bug", headers={"accept": "text/html"})
    assert answer.status_code == 500
    assert f"<code>{answer.headers['x-request-id']}</code>" in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize(("headers", "status"), [({"host": "evil.example"}, 421), ({"sec-fetch-site": "cross-site"}, 403)])
def test_a_browser_that_is_refused_at_the_door_is_told_on_a_page(stranger: TestClient, headers: dict[str, str], status: int):
    answer = stranger.post("/self-check", headers={"accept": "text/html", **headers})
    assert answer.status_code == status
    assert "<h1>" in answer.text


@pytest.mark.parametrize(
    ("scope", "reads", "writes", "operates"), [("read", 200, 403, 403), ("write", 200, 202, 403), ("ops", 200, 202, 200)]
)
def test_a_key_opens_what_its_scope_names(stranger: TestClient, database: Database, owner: str, scope, reads, writes, operates):
    with database.jobs() as session:
        made = api_keys.insert_api_key(session, user_id=owner, name="scoped", scope=api_keys.Scope(scope))
    asked = [("GET", "/api/auth/user", None), ("POST", "/v1/jobs", {"pipeline": "self_check"}), ("GET", "/v1/api-keys", None)]
    answers = [stranger.request(method, path, headers=bearer(made), json=body) for method, path, body in asked]
    assert [answer.status_code for answer in answers] == [reads, writes, operates]


def test_a_key_that_is_over_opens_nothing_and_a_third_of_a_name_is_made_when_one_is_revoked(
    client: TestClient, database: Database
):
    keys = [client.post("/v1/api-keys", json={"name": "till"}).json()["key"] for _ in range(2)]
    assert client.post("/v1/api-keys", json={"name": "till"}).status_code == 409
    first = client.get("/v1/api-keys").json()["items"][0]["id"]
    assert client.delete(f"/v1/api-keys/{first}").status_code == 204
    assert client.post("/v1/api-keys", json={"name": "till"}).status_code == 201
    assert [client.get("/api/auth/user", headers=bearer(key)).status_code for key in keys] == [401, 200]
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE jobs.api_keys SET expires_at = now() - interval '1 second'"))
    assert client.get("/api/auth/user", headers=bearer(keys[1])).status_code == 401
