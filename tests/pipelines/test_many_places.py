"""More than sixty of one kind in Google Places: found by quarters of the area, as far as the money goes."""

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from core.settings import settings
from db import jobs
from db.base.leads import LeadType
from db.engine import Database
from db.jobs import Per
from db.leads import clients, searches
from pipelines.base import enqueue
from pipelines.providers.areas import Area, Place
from testkit import Worker
from twins.running import Twins

HERE = Area(39.7, -89.8, 39.9, -89.5)
OURS = {"name": "Ours", "address": "1 Mill Lane", "keyword": "dowser", "city": "Springfield"}


@pytest.fixture
def many(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Ninety dowsers: most in one quarter, none at the edge of two."""
    twins.forget("places")
    dice = random.Random(4)
    corners = {
        "low": {"latitude": HERE.south, "longitude": HERE.west},
        "high": {"latitude": HERE.north, "longitude": HERE.east},
    }
    town = {"name": "places/town", "id": "town", "displayName": {"text": "Springfield"}, "types": ["locality", "political"]}
    records: dict[str, dict] = {"town": {**town, "viewport": corners}}
    for number in range(90):
        spread = 0.4 if number < 75 else 1.0
        records[f"p{number}"] = {
            "name": f"places/p{number}",
            "id": f"p{number}",
            "displayName": {"text": f"Dowser {number}"},
            "formattedAddress": f"{number} High Street, Springfield",
            "types": ["dowser"],
            "location": {
                "latitude": HERE.south + dice.random() * spread * (HERE.north - HERE.south),
                "longitude": HERE.west + dice.random() * spread * (HERE.east - HERE.west),
            },
        }
    twins.put_all("places", records)
    monkeypatch.setenv("LEADS_PROVIDER", "places")
    monkeypatch.setenv("GOOGLE_PLACES_API_KEY", "key")
    settings.cache_clear()
    yield {f"p{number}" for number in range(90)}
    twins.forget("places")
    monkeypatch.undo()
    settings.cache_clear()


def search(worker: Worker, owner: str) -> dict:
    with worker.database.tenant(owner) as session:
        client = clients.insert_client(session, OURS, user_id=owner)["id"]
        geo, types = "Springfield", [LeadType.COMPETITOR]
        made = searches.insert_search(session, client, user_id=owner, keyword="dowser", geo=geo, search_types=types)["id"]
        enqueue(session, "lead_search", {"client_id": client, "search_id": made}, owner_id=owner)
    worker.drain()
    with worker.database.tenant(owner) as session:
        return dict(searches.get_search(session, made))


def test_all_are_found_by_quarters(many: set[str], worker: Worker, owner: str):
    row = search(worker, owner)
    assert (row["status"], row["error_message"]) == ("completed", None)
    assert {result["placeId"] for result in row["results"]} == many


def test_a_search_that_may_cost_no_more_keeps_what_it_found_and_says_so(
    many: set[str], worker: Worker, owner: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PLACES_SEARCH_MILLS", "250")
    settings.cache_clear()
    row = search(worker, owner)
    assert row["status"] == "completed"
    assert 60 <= len(row["results"]) < len(many)
    assert row["error_message"].startswith(
        "This search has cost $0.24 of the $0.25 that one may. Not searched to the end: dowser"
    )


@pytest.mark.parametrize(("mills", "status"), [(110, "completed"), (20, "running")])
def test_a_budget_of_all_is_not_overdrawn(
    many: set[str], worker: Worker, owner: str, database: Database, mills: int, status: str
):
    with database.jobs() as session:
        jobs.set_budget(session, "places.mills", Per.MONTH, mills)
    row = search(worker, owner)
    assert row["status"] == status
    if status == "completed":
        assert len(row["results"]) == 60 < len(many)
        assert "The budget for Google Places is used up" in row["error_message"]
    else:  # with nothing found yet, it waits for the month to end
        with database.jobs() as session:
            waits = session.scalar(text("SELECT error FROM jobs.job_steps WHERE name = 'collect'"))
        assert "20 of 20 units are left of places.mills this month" in waits


def test_where_all_are_in_one_spot_it_ends_and_knows_that_some_are_missing():
    place: Place | None = Place().within(HERE)
    pages = overflowing = 0
    while place is not None:
        area, pages = place.area, pages + 1
        assert area is not None
        holds_it = area.south <= 39.71 < area.north and area.west <= -89.79 < area.east
        found = 60 if holds_it else 0
        overflowing += place.overflows(found, None, most=60)
        place = place.after(found, None, most=60)
    assert (overflowing, pages < 60) == (1, True)


def test_a_place_on_the_way_is_kept_as_it_was():
    place = Place(area=HERE, token="t", found=20, left=tuple(HERE.quarters()), full=2)
    assert Place.read(place.cursor()) == place
    assert Place.read(Place().cursor()) == Place()
    assert [one.east for one in Area(0, 179, 1, -179).quarters()] == [180.0, -179]
