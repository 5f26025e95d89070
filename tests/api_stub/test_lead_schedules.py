import pytest
from fastapi.testclient import TestClient

from core.settings import settings
from db import schedules
from db.engine import Database
from db.leads import clients
from db.leads.schedules import get_clock
from testkit import Worker
from tests.api_stub.conftest import is_problem

OURS = {"name": "Our Plumbers", "address": "1 Mill Lane", "keyword": "plumber", "city": "Springfield"}
AT = "/v1/leads-search-schedules"


@pytest.fixture
def rhythm(database: Database, owner: str) -> dict:
    with database.tenant(owner) as session:
        client = clients.insert_client(session, OURS, user_id=owner)["id"]
    return {"client_id": client, "schedule_type": "weekly", "day_of_week": 0, "timezone": "Europe/Berlin"}


def test_a_schedule_is_made_previewed_changed_paused_resumed_run_and_removed(client: TestClient, rhythm: dict):
    made = client.post(AT, json=rhythm)
    assert made.status_code == 201
    at = made.headers["Location"]
    coming = client.get(f"{at}/preview?count=3").json()
    assert coming[0]["at"] == made.json()["next_run_at"]
    assert len(coming) == 3
    changed = client.patch(at, json={"schedule_type": "monthly", "day_of_month": 31, "run_hour": 7}).json()
    assert changed["next_run_at"] == client.get(f"{at}/preview?count=1").json()[0]["at"] != made.json()["next_run_at"]
    assert client.post(f"{at}/pause").json()["next_fire_at"] is None
    assert (client.get(at).json()["is_active"], client.get(at).json()["next_run_at"]) == (False, None)
    assert client.post(f"{at}/resume").json()["next_fire_at"] == changed["next_run_at"]
    ran = client.post(f"{at}/run")
    assert ran.status_code == 202
    assert client.get(f"/v1/jobs/{ran.json()['job_id']}").json()["pipeline"] == "lead_search"
    assert [fire["outcome"] for fire in client.get(f"{at}/fires").json()] == ["asked"]
    assert client.delete(at).status_code == 204
    assert client.get(at).status_code == client.get(f"{at}/preview").status_code == 404
    assert client.get("/v1/schedules").json()["items"] == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"day_of_week": 7}, "day_of_week"), ({"timezone": "Mars"}, "Mars"), ({"run_hour": 24}, "run_hour")],
)
def test_what_makes_no_rule_is_refused_made_or_changed(client: TestClient, rhythm: dict, wrong: dict, said: str):
    assert is_problem(client.post(AT, json=rhythm | wrong), 422, said)
    at = client.post(AT, json=rhythm).headers["Location"]
    assert is_problem(client.patch(at, json=wrong), 422, said)


def test_a_schedule_for_anothers_client_is_not_made(client: TestClient, rhythm: dict):
    assert client.post(AT, json=rhythm | {"client_id": 999_999}).status_code == 404


def told(client: TestClient) -> list[str]:
    return [item["words"] for item in client.get("/ops/attention").json()["items"] if item["kind"] == "schedule"]


def test_a_schedule_that_a_person_must_mend_is_told_until_it_goes_well(
    client: TestClient, worker: Worker, rhythm: dict, monkeypatch: pytest.MonkeyPatch
):
    at = client.post(AT, json=rhythm).headers["Location"]
    with monkeypatch.context() as patched:
        patched.setenv("LEADS_PROVIDER", "places")
        settings.cache_clear()
        client.post(f"{at}/run")
        assert told(client) == []
        worker.drain()
    settings.cache_clear()
    (words,) = told(client)
    assert words.startswith("a schedule of lead_search about client:")
    assert "GOOGLE_PLACES_API_KEY is not set" in words
    client.post(f"{at}/run")
    worker.drain()
    assert told(client) == []


def test_a_schedule_that_the_clock_gave_up_is_told(client: TestClient, database: Database, owner: str, rhythm: dict):
    row_id = client.post(AT, json=rhythm).json()["id"]
    with database.tenant(owner) as session:
        clock = get_clock(session, row_id)
        schedules.pause(session, clock, reason="there is no time zone 'Europe/Gone'")
    (words,) = told(client)
    assert "is paused: there is no time zone 'Europe/Gone'" in words
    assert client.post(f"{AT}/{row_id}/resume").status_code == 200
    assert told(client) == []
