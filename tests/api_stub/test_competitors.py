import pytest
from fastapi.testclient import TestClient

from db import competitors, schedules
from db.base.competitors import SnapshotSource
from db.competitors import Change, Reading
from db.engine import Database
from db.leads import clients
from tests.api_stub.conftest import bearer, is_problem

URL = "https://example.com/prices"
CHANNEL = "UC" + "a" * 22


@pytest.fixture
def business(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        return clients.insert_client(session, {"name": "Us", "address": "Leeds", "keyword": "cleaning"}, user_id=owner)["id"]


def watch(client: TestClient, business: int, **place: object) -> int:
    answer = client.post("/v1/competitors", json={"client_id": business, **(place or {"url": URL})})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def change(database: Database, owner: str, business: int, *summaries: str) -> None:
    with database.tenant(owner) as session:
        row = competitors.insert_snapshot(session, business, Reading(f"url:{URL}", SnapshotSource.WEBSITE, URL), user_id=owner)
        found = [Change("text_added", summary=summary) for summary in summaries]
        competitors.insert_changes(session, found, before_snapshot_id=None, after_snapshot_id=row["id"], user_id=owner)


def test_one_that_is_added_is_read_now_and_again_by_a_schedule(
    client: TestClient, database: Database, owner: str, business: int
):
    competitor = watch(client, business)
    shown = client.get(f"/v1/competitors/{competitor}").json()
    assert (shown["name"], shown["url"], shown["outcome"]) == ("example.com", URL, None)
    with database.tenant(owner) as session:
        schedule = schedules.get(session, shown["schedule_id"])
    assert (schedule["pipeline"], schedule["args"]) == ("competitor_diff", {"competitor_id": competitor})
    job = client.get("/v1/jobs?pipeline=competitor_diff").json()["items"]
    assert [each["subject"] for each in job] == [f"competitor:{competitor}"]
    assert client.post(f"/v1/competitors/{competitor}/read").json()["id"] == job[0]["id"]


def test_a_channel_is_told_by_its_address_or_its_id(client: TestClient, business: int):
    first = client.get(f"/v1/competitors/{watch(client, business, channel=CHANNEL)}").json()
    assert (first["source"], first["competitor_key"]) == ("youtube", f"channel:{CHANNEL}")
    again = {"client_id": business, "url": f"https://www.youtube.com/channel/{CHANNEL}"}
    is_problem(client.post("/v1/competitors", json=again), 409)


@pytest.mark.parametrize(
    "place",
    [
        {"url": "http://127.0.0.1/"},
        {"url": "http://169.254.169.254/"},
        {"channel": "cats"},
        {},
        {"url": URL, "channel": CHANNEL},
    ],
)
def test_a_place_that_cannot_be_read_is_refused(client: TestClient, business: int, place: dict):
    is_problem(client.post("/v1/competitors", json={"client_id": business, **place}), 422)


def test_changes_are_listed_by_pages_and_acknowledged_once(client: TestClient, database: Database, owner: str, business: int):
    competitor = watch(client, business)
    change(database, owner, business, "one", "two", "three")
    first = client.get(f"/v1/competitors/{competitor}/changes?limit=2").json()
    assert [each["summary"] for each in first["items"]] == ["three", "two"]
    second = client.get(f"/v1/competitors/changes?limit=2&cursor={first['next_cursor']}").json()
    assert ([each["summary"] for each in second["items"]], second["next_cursor"]) == (["one"], None)
    seen = client.post(f"/v1/competitors/changes/{first['items'][0]['id']}/acknowledge").json()
    assert client.post(f"/v1/competitors/changes/{seen['id']}/acknowledge").json() == seen
    assert len(client.get("/v1/competitors/changes?only_new=true").json()["items"]) == 2
    assert len(client.get(f"/v1/competitors/{competitor}/readings").json()["items"]) == 1


def test_one_that_is_removed_is_read_no_more_and_its_changes_stay(
    client: TestClient, database: Database, owner: str, business: int
):
    competitor = watch(client, business)
    change(database, owner, business, "one")
    assert client.delete(f"/v1/competitors/{competitor}").status_code == 204
    is_problem(client.get(f"/v1/competitors/{competitor}"), 404)
    with database.tenant(owner) as session:
        assert schedules.list_schedules(session) == []
    assert len(client.get("/v1/competitors/changes").json()["items"]) == 1


def test_another_users_competitors_are_not_there(client: TestClient, database: Database, owner: str, business: int, bela: str):
    competitor = watch(client, business)
    change(database, owner, business, "one")
    headers = bearer(bela)
    assert client.get("/v1/competitors", headers=headers).json()["items"] == []
    assert client.get("/v1/competitors/changes", headers=headers).json()["items"] == []
    for path in ("", "/readings", "/changes"):
        is_problem(client.get(f"/v1/competitors/{competitor}{path}", headers=headers), 404)
    is_problem(client.post(f"/v1/competitors/{competitor}/read", headers=headers), 404)
    is_problem(client.delete(f"/v1/competitors/{competitor}", headers=headers), 404)
    is_problem(client.post("/v1/competitors", json={"client_id": business, "url": URL}, headers=headers), 404)


def test_the_page_shows_changes_as_text_and_works_by_forms(client: TestClient, database: Database, owner: str, business: int):
    answer = client.post("/competitors", data={"client_id": business, "url": URL}, follow_redirects=False)
    assert answer.status_code == 303
    change(database, owner, business, "<script>alert(1)</script>")
    page = client.get("/competitors").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    number = client.get("/v1/competitors/changes").json()["items"][0]["id"]
    client.post(f"/competitors/changes/{number}")
    assert "alert(1)" not in client.get("/competitors").text
    assert "alert(1)" in client.get("/competitors?show=all").text
    competitor = client.get("/v1/competitors").json()["items"][0]["id"]
    client.post(f"/competitors/{competitor}", data={"action": "leave"})
    assert "Nobody is watched yet" in client.get("/competitors").text
