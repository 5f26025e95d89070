"""Leads that could be one business, and what a person says of them."""

import pytest
from fastapi.testclient import TestClient

from db.engine import Database
from db.leads import clients, found, searches
from pipelines.leads.keeping import keep
from pipelines.leads.listing import Listing
from tests.api_stub.conftest import bearer, is_problem

OURS = {"name": "Our Plumbers", "address": "1 Mill Lane", "keyword": "plumber", "city": "Springfield"}
HERE = {"title": "Copper Plumbing", "city": "Springfield", "phone": "217 555 0101"}


@pytest.fixture
def lead_client(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        return int(clients.insert_client(session, OURS, user_id=owner)["id"])


@pytest.fixture
def pair(database: Database, owner: str, lead_client: int) -> list[int]:
    """Two leads at two addresses, of which a listing without one could be either."""
    with database.tenant(owner) as session:
        both = [{**HERE, "address": address} for address in ("1 Oak Street", "88 Mill Lane")]
        made = found.keep_found(session, lead_client, both, user_id=owner)
    assert search(database, owner, lead_client)["couldBe"] == made[1:]
    return made


def search(database: Database, owner: str, lead_client: int, **listing: str) -> dict:
    with database.tenant(owner) as session:
        made = searches.insert_search(session, lead_client, user_id=owner, keyword="plumber", geo="Springfield")
        [result] = keep(session, made, [Listing(**{**HERE, **listing})], provider="test")
    return result


def could_be(client: TestClient, lead: int) -> list[int]:
    return [other["id"] for other in client.get(f"/v1/business-leads/{lead}/could-be").json()]


def decide(client: TestClient, lead: int, other: int, decision: str, **how):
    return client.post(f"/v1/business-leads/{lead}/could-be/{other}", json={"decision": decision}, **how)


def test_each_of_two_leads_tells_that_it_could_be_the_other(client: TestClient, pair: list[int]):
    first, second = pair
    assert (could_be(client, first), could_be(client, second)) == ([second], [first])


def test_who_says_that_they_are_different_is_not_asked_again(
    client: TestClient, database: Database, owner: str, lead_client: int, pair: list[int]
):
    first, second = pair
    assert decide(client, second, first, "different").status_code == 204
    assert search(database, owner, lead_client)["couldBe"] == []
    assert (could_be(client, first), could_be(client, second)) == ([], [])


def test_of_two_that_are_the_same_one_stays_with_what_people_set_of_both_and_is_found_under_both(
    client: TestClient, database: Database, owner: str, lead_client: int, pair: list[int]
):
    first, second = pair
    client.patch(f"/v1/business-leads/{first}", json={"title": "Mine", "notes": "call on Monday"})
    edits = {"title": "Theirs", "website": "copper.example", "notes": "asked for Ada", "status": "contacted"}
    client.patch(f"/v1/business-leads/{second}", json=edits)
    assert decide(client, first, second, "same").status_code == 204
    lead = client.get(f"/v1/business-leads/{first}").json()
    assert (lead["title"], lead["website"], lead["status"]) == ("Mine", "copper.example", "contacted")
    assert lead["notes"] == "call on Monday\n\nasked for Ada"
    assert lead["address"] == "1 Oak Street"
    assert client.get(f"/v1/business-leads/{second}").status_code == 404
    again = search(database, owner, lead_client, address="88 Mill Lane", website="newer.example")
    assert (again["leadId"], again["isNew"], again["couldBe"]) == (first, False, [])
    assert client.get(f"/v1/business-leads/{first}").json()["website"] == "copper.example"


def test_only_two_leads_of_one_client_are_decided_on_and_only_by_who_sees_them(
    client: TestClient, database: Database, owner: str, pair: list[int], bela: str
):
    with database.tenant(owner) as session:
        elsewhere = clients.insert_client(session, OURS, user_id=owner)["id"]
        [far] = found.keep_found(session, elsewhere, [HERE], user_id=owner)
    for other in (far, pair[0]):
        assert is_problem(decide(client, pair[0], other, "same"), 422, "not two leads of one client")
    assert is_problem(decide(client, pair[0], pair[1], "same", headers=bearer(bela)), 404)
