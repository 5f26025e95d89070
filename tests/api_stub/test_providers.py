from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from db import jobs
from db.engine import Database
from db.jobs import NewStep, Scope
from tests.api_stub.conftest import bearer, is_problem
from tests.db.test_breakers import break_down
from tests.db.test_jobs import insert

BREAKER = {"seconds": 3600, "reason": "new keys"}
BUDGET = {"name": "tube", "per": "day", "units": 100, "zone": "America/Los_Angeles"}


def item(client: TestClient, name: str = "tube") -> dict | None:
    return next((one for one in client.get("/ops/providers").json()["items"] if one["name"] == name), None)


def test_a_provider_is_listed_with_its_work_and_all_that_holds_it_back(client: TestClient, database: Database, owner: str):
    insert(database, owner, [NewStep("first", "io", provider="tube")])
    with database.jobs() as session:
        jobs.set_limit(session, Scope.PROVIDER, "*", 3)
        jobs.pause(session, Scope.PROVIDER, "tube", paused_by="anna")
    client.put("/ops/budgets", json=BUDGET)
    client.put("/ops/providers/tube/breaker", json=BREAKER)
    found = item(client)
    assert (found["running"], found["waiting"], found["most"]) == (0, 1, 3)
    assert found["paused_at"] is not None
    [breaker], [budget] = found["breakers"], found["budgets"]
    assert (breaker["is_open"], breaker["opened_by"], breaker["reason"]) == (True, owner, "new keys")
    assert (budget["units"], budget["spent"], budget["per"]) == (100, 0, "day")


def test_a_breaker_is_opened_and_closed_by_hand_and_that_is_kept(client: TestClient, owner: str):
    assert item(client) is None
    assert client.put("/ops/providers/tube/breaker", json=BREAKER | {"owner_id": "bela"}).status_code == 200
    assert is_problem(client.delete("/ops/providers/tube/breaker"), 404, "tube is not held back")
    assert client.delete("/ops/providers/tube/breaker", params={"owner_id": "bela"}).status_code == 204
    assert item(client) is None
    closed, opened = client.get("/ops/actions").json()["items"]
    assert (opened["operator"], opened["action"], opened["target"]) == (owner, "open_breaker", "tube")
    assert opened["detail"] == BREAKER | {"owner_id": "bela"}
    assert (closed["action"], closed["detail"]) == ("close_breaker", {"owner_id": "bela"})


def test_a_budget_is_set_and_taken_away(client: TestClient):
    [kept] = [one for one in client.put("/ops/budgets", json=BUDGET).json()["items"] if one["name"] == "tube"]
    assert (kept["units"], kept["zone"]) == (100, "America/Los_Angeles")
    client.put("/ops/budgets", json=BUDGET | {"units": None})
    assert [one["name"] for one in client.get("/ops/budgets").json()["items"]] == [
        "youtube",
        "youtube.insert",
        "youtube.search",
    ]


@pytest.mark.parametrize(
    "change", [{"per": "week"}, {"units": -1}, {"zone": "Pacific"}, {"name": ""}, {"name": "a.b.c"}, {"window": "day"}]
)
def test_a_budget_that_cannot_be_is_refused(client: TestClient, change: dict):
    assert is_problem(client.put("/ops/budgets", json=BUDGET | change), 422)


@pytest.mark.parametrize("change", [{"seconds": 0}, {"seconds": 32 * 86400}, {"until": "tomorrow"}])
def test_a_breaker_that_cannot_be_is_refused(client: TestClient, change: dict):
    assert is_problem(client.put("/ops/providers/tube/breaker", json=BREAKER | change), 422)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/ops/providers", None),
        ("PUT", "/ops/providers/tube/breaker", BREAKER),
        ("DELETE", "/ops/providers/tube/breaker", None),
        ("GET", "/ops/budgets", None),
        ("PUT", "/ops/budgets", BUDGET),
        ("GET", "/ops/actions", None),
        ("GET", "/ops/jobs/01a20e8d-b780-73b8-81ad-23fd5fd2ebf0/effects", None),
    ],
)
def test_others_may_not(stranger: TestClient, bela: str, method: str, path: str, body: dict | None):
    assert is_problem(stranger.request(method, path, json=body, headers=bearer(bela)), 403)
    assert is_problem(stranger.request(method, path, json=body), 401)


def test_the_first_page_tells_operators_which_provider_is_away_and_they_may_try_it(
    client: TestClient, database: Database, owner: str, bela: str
):
    break_down(database, owner)
    shown = client.get("/").text
    assert "tube is unavailable until 20" in shown
    assert "503" not in shown
    client.cookies.clear()
    shown = client.get("/", headers=bearer(bela)).text
    assert "tube is unavailable" not in shown
    assert "Try now" not in shown
    assert is_problem(client.post("/providers/tube", headers=bearer(bela)), 403)


def test_the_button_lets_its_work_go_on(client: TestClient, database: Database, owner: str):
    break_down(database, owner)
    assert 'aria-label="Try now: tube"' in client.get("/").text
    assert client.post("/providers/tube", follow_redirects=False).status_code == 303
    assert "tube is unavailable" not in client.get("/").text


def test_what_is_held_back_for_one_owner_is_not_shown_to_all(client: TestClient, database: Database, owner: str):
    with database.jobs() as session:
        hour = timedelta(hours=1)
        jobs.open_breaker(session, "tube", owner_id="bela", open_for=hour, opened_by="anna", reason=None)
    assert "tube" not in client.get("/").text


def test_an_operator_sees_what_a_job_did_on_the_outside(client: TestClient):
    job_id = client.post("/v1/jobs", json={"pipeline": "self_check"}).json()["id"]
    assert client.get(f"/ops/jobs/{job_id}/effects").json() == {"items": []}
    assert is_problem(client.get("/ops/jobs/01a20e8d-b780-73b8-81ad-23fd5fd2ebf0/effects"), 404)


def test_what_operators_change_is_kept(client: TestClient, bela: str):
    client.put("/ops/pauses", json={"kind": "queue", "name": "io"})
    client.delete("/ops/pauses/queue/io")
    client.put("/ops/limits", json={"kind": "provider", "name": "tube", "most": 2})
    client.put("/ops/weights/bela", json={"weight": 2})
    client.post("/queues/io", data={"action": "pause"})
    done = [(one["action"], one["target"]) for one in client.get("/ops/actions").json()["items"]]
    assert done == [
        ("pause", "queue io"),
        ("set_weight", "bela"),
        ("set_limit", "provider tube"),
        ("resume", "queue io"),
        ("pause", "queue io"),
    ]
