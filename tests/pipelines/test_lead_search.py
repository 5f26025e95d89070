import random
from collections.abc import Iterator

import pytest

from core.errors import Unavailable
from core.settings import Settings
from db.base.leads import LeadType
from db.engine import Database
from db.leads import clients, found, searches
from pipelines.lead_search import PIPELINE, LeadSearch
from pipelines.leads.judge import judge, list_queries
from pipelines.leads.keeping import keep
from pipelines.leads.listing import Listing
from pipelines.leads.normalise import read_phone, read_site
from pipelines.providers.directory import Directory
from pipelines.providers.listings import Query
from pipelines.providers.places import Places
from testkit import Worker
from twins.running import Twins

PLUMBER = {"name": "Our Plumbers", "address": "1 Mill Lane", "keyword": "plumber", "city": "Springfield", "state": "IL"}


@pytest.fixture
def client(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        return int(clients.insert_client(session, PLUMBER, user_id=owner)["id"])


def leads(database: Database, owner: str, client: int) -> dict[str, dict]:
    with database.tenant(owner) as session:
        return {row["title"]: dict(row) for row in found.list_leads(session, client, limit=200)}


def test_a_search_fills_the_clients_leads_and_a_second_finds_nothing_new(database, owner: str, client: int, worker: Worker):
    first = worker.perform(PIPELINE, LeadSearch(client))["absorb"]
    assert first["leads"] == first["new"] > 10
    second = worker.perform(PIPELINE, LeadSearch(client))["absorb"]
    assert second == {"leads": first["leads"], "new": 0}
    with database.tenant(owner) as session:
        last, _before = searches.list_searches(session, client)
    assert (last["status"], last["total_found"]) == ("completed", first["leads"])
    kinds = {row["business_type"] for row in leads(database, owner, client).values()}
    assert {"competitor", "partner"} <= kinds


def test_a_search_that_was_written_before_is_the_one_that_runs(database, owner: str, client: int, worker: Worker):
    with database.tenant(owner) as session:
        made = searches.insert_search(
            session, client, user_id=owner, keyword="bakery", geo="Springfield", search_types=[LeadType.COMPETITOR]
        )["id"]
    worker.perform(PIPELINE, LeadSearch(client, made))
    with database.tenant(owner) as session:
        row = searches.get_search(session, made)
    assert row["status"] == "completed"
    assert {result["businessType"] for result in row["results"]} == {"competitor"}


def told_differently(listing: Listing, dice: random.Random) -> Listing:
    """The same business as another source, or the same one on another day, tells of it."""
    changes: dict[str, object] = {}
    if dice.random() < 0.5:
        changes["title"] = dice.choice(
            [f"{listing.title}, LLC", listing.title.upper(), f"The {listing.title}", f"{listing.title} Inc."]
        )
    if dice.random() < 0.4:
        changes["place_id"] = dice.choice([None, f"other-{listing.place_id}"])
    if dice.random() < 0.3:
        changes["phone"] = dice.choice([None, (listing.phone or "").replace("(", "+1 ").replace(")", "")])
    if dice.random() < 0.3:
        changes["website"] = None
    if dice.random() < 0.3:
        changes["address"] = (listing.address or "").replace("Street", "St.").replace("Avenue", "Ave")
    changes["rating"] = round(dice.uniform(2, 5), 1)
    told = {
        field: getattr(listing, field)
        for field in ("address", "city", "state", "zip", "phone", "email", "review_count", "kinds")
    }
    return Listing(**{"title": listing.title, "place_id": listing.place_id, "website": listing.website, **told, **changes})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_searches_shuffled_overlapping_and_told_differently(database: Database, owner: str, client: int, seed: int):
    dice = random.Random(seed)
    pool = [listing for words in ("plumber", "electrician", "bakery", "gym") for listing in everything(words)]
    seen: set[str] = set()
    edited: dict[int, tuple[str, str]] = {}
    for _ in range(10):
        part = dice.sample(pool, k=len(pool) * 2 // 3)
        with database.tenant(owner) as session:
            search = searches.insert_search(session, client, user_id=owner, keyword="plumber", geo="Springfield")
            told = [(original, told_differently(original, dice)) for original in part for _ in range(dice.choice([1, 1, 2]))]
            dice.shuffle(told)
            results = keep(session, search, [listing for _, listing in told], provider="test")
        names = {original.title for original, _ in told}
        assert sum(result["isNew"] for result in results) == len(names - seen)
        seen |= names
        with database.tenant(owner) as session:
            for row in found.list_leads(session, client, limit=200):
                if row["id"] not in edited and dice.random() < 0.1:
                    edited[row["id"]] = (f"Called it {row['id']}", f"555-{row['id']:04}")
                    found.update_lead(
                        session, row["id"], {"title": edited[row["id"]][0], "phone": edited[row["id"]][1], "notes": "mine"}
                    )
    with database.tenant(owner) as session:
        rows = {row["id"]: row for row in found.list_leads(session, client, limit=200)}
    assert len(rows) == len(seen)  # each business one lead
    assert {(rows[lead]["title"], rows[lead]["phone"]) for lead in edited} == set(edited.values())
    assert {rows[lead]["notes"] for lead in edited} == {"mine"}


def everything(words: str) -> list[Listing]:
    source, cursor, found_here = Directory(), None, []
    while True:
        page = source.search(Query(words, "IL"), cursor)
        found_here += page.listings
        cursor = page.next_cursor
        if cursor is None:
            return found_here


def test_branches_of_one_brand_are_two_leads(database: Database, owner: str, client: int):
    branch = {"title": "Copper Plumbing", "city": "Springfield", "website": "copper.example"}
    listings = [Listing(**branch, address="1 Oak Street"), Listing(**branch, address="88 Mill Lane")]
    with database.tenant(owner) as session:
        search = searches.insert_search(session, client, user_id=owner, keyword="plumber", geo="Springfield")
        assert len(keep(session, search, listings, provider="test")) == 2


def test_a_listing_that_could_be_either_of_two_leads_names_the_other_however_often_it_is_found(
    database: Database, owner: str, client: int
):
    pair = [{"title": "Copper Plumbing", "address": "1 Oak Street"}, {"title": "Copper Plumbing", "address": "88 Mill Lane"}]
    here = {"city": "Springfield", "phone": "217 555 0101"}
    with database.tenant(owner) as session:
        first, second = found.keep_found(session, client, [{**here, **lead} for lead in pair], user_id=owner)
    listings = [Listing("Golden Bakery", phone="217 555 0199"), Listing("Copper Plumbing", **here)]
    for _ in range(10):
        with database.tenant(owner) as session:
            search = searches.insert_search(session, client, user_id=owner, keyword="plumber", geo="Springfield")["id"]
            searches.complete_search(
                session, search, keep(session, searches.get_search(session, search), listings, provider="test")
            )
            bakery, copper = sorted(
                searches.get_search(session, search)["results"], key=lambda result: result["title"], reverse=True
            )
            found.update_lead(session, first, {"title": "Mine"})
        assert (copper["leadId"], copper["couldBe"], bakery["couldBe"]) == (first, [second], [])
        listings.reverse()
    assert set(leads(database, owner, client)) == {"Mine", "Copper Plumbing", "Golden Bakery"}


@pytest.mark.parametrize("phone", ["(217) 555-1234", "+1 217 555 1234", "217.555.1234"])
def test_a_phone_is_read_however_it_is_written(phone: str):
    assert read_phone(phone) == "+12175551234"


@pytest.mark.parametrize("phone", ["", "none", "1-800-555-1234", "12", None])
def test_what_tells_nobody_apart_is_no_phone(phone: str | None):
    assert read_phone(phone) is None


def test_a_page_of_a_shared_site_is_not_its_neighbour():
    assert read_site("https://www.facebook.com/one") != read_site("http://facebook.com/two")
    assert read_site("https://facebook.com/") is None
    assert read_site("HTTPS://WWW.One.example/contact") == read_site("one.example") == "one.example"


def test_who_does_the_same_is_a_competitor_and_who_sends_customers_a_partner():
    assert judge(Listing("Al's Plumbing"), "plumber").business_type is LeadType.COMPETITOR
    partner = judge(Listing("Bright Sparks", kinds=("electrician",)), "plumber")
    assert partner.business_type is LeadType.PARTNER
    assert partner.columns["referral_trigger"]
    assert "plumber" not in list_queries("plumber", [LeadType.PARTNER])


def test_what_is_not_known_lowers_the_confidence_not_the_score():
    known = judge(Listing("A", kinds=("electrician",), rating=3.0, review_count=0), "plumber").columns
    unknown = judge(Listing("A", kinds=("electrician",)), "plumber").columns
    assert unknown["partnership_score"] >= known["partnership_score"]
    assert unknown["partnership_factors"]["confidence"] < known["partnership_factors"]["confidence"]


@pytest.fixture
def places(twins: Twins) -> Iterator[Twins]:
    twins.forget("places")
    for number in range(25):
        record = {
            "name": f"places/p{number}",
            "id": f"p{number}",
            "displayName": {"text": f"Plumber {number}", "languageCode": "en"},
            "formattedAddress": f"{number} High Street, Springfield",
            "types": ["plumber"],
            "businessStatus": "CLOSED_PERMANENTLY" if number == 3 else "OPERATIONAL",
            "nationalPhoneNumber": f"(217) 555-0{number:03}",
        }
        twins.put("places", f"p{number}", record)
    return twins


def test_places_are_read_page_by_page(places: Twins):
    source, query = Places(Settings(google_places_api_key="key", _env_file=None)), Query("plumber", "Springfield")
    first = source.search(query, None)
    second = source.search(query, first.next_cursor)
    assert (len(first.listings), len(second.listings), second.next_cursor) == (20, 5, None)
    assert {listing.kinds for listing in first.listings} == {("plumber",)}
    assert [listing.title for listing in (*first.listings, *second.listings) if listing.closed] == ["Plumber 3"]


@pytest.mark.parametrize("fault", ["rate_limit", "unavailable", "server_error", "cut"])
def test_what_google_fails_with_is_told_as_unavailable(places: Twins, fault: str):
    places.fault("places", fault)
    with pytest.raises(Unavailable):
        Places(Settings(google_places_api_key="key", _env_file=None)).search(Query("plumber", "Springfield"), None)
