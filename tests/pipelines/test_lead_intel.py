from datetime import UTC, datetime

import pytest

from core.errors import NotFound
from db.base.accounts import users
from db.engine import Database
from db.intel import Kind, keep_intelligence, list_intelligence
from db.leads import clients, found
from pipelines.lead_intel import PIPELINE, LeadIntel
from testkit import NotSucceeded, Worker
from twins.running import Twins

OURS = {"name": "Our Plumbers", "address": "1 Mill Lane", "keyword": "plumber", "city": "Springfield"}
LEADS = [
    {"title": "Bright Sparks", "business_type": "partner", "rating": "4.8", "partnership_score": 88},
    {"title": "Dim Sparks", "business_type": "partner", "partnership_score": 12},
    {"title": "Al's Pipes", "business_type": "competitor", "rating": "3.1", "review_count": 40},
]


@pytest.fixture
def client(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        made = int(clients.insert_client(session, OURS, user_id=owner)["id"])
        found.keep_found(session, made, LEADS, user_id=owner)
    return made


def known(database: Database, owner: str, client: int) -> dict[str, dict]:
    with database.tenant(owner) as session:
        return {row["kind"]: row["analysis"] for row in list_intelligence(session, client)}


def test_rules_say_what_they_counted_and_that_they_are_rules(worker: Worker, database: Database, owner: str, client: int):
    worker.perform(PIPELINE, LeadIntel(client, tuple(Kind), "Our Plumbers", "plumber", "Springfield"))
    told = known(database, owner, client)
    assert set(told) == set(Kind)
    for analysis in told.values():
        assert "without a language model" in analysis["summary"]
        assert analysis["modelUsed"] == "rules, without a language model"
        assert analysis["leadsAnalyzed"] == 3
    assert "no review was read" in told["reviews"]["summary"]
    assert [partner["name"] for partner in told["partnerships"]["topPartners"]] == ["Dim Sparks", "Bright Sparks"]
    assert [rival["name"] for rival in told["competitors"]["competitors"]] == ["Al's Pipes"]


def test_a_model_is_heard_only_on_leads_that_are_there(
    worker: Worker, database: Database, owner: str, client: int, model: Twins
):
    with database.tenant(owner) as session:
        lead = found.list_leads(session, client)[0]["id"]
    partners = [
        {"lead": lead, "score": 400, "reason": "near", "approach": "Hello"},
        {"lead": 999_999, "score": 1, "reason": "invented", "approach": ""},
    ]
    model.put("openai.answers", "intel", {"match": "Bright Sparks", "say": {"partners": partners, "summary": "One."}})
    worker.perform(PIPELINE, LeadIntel(client, (Kind.PARTNERSHIPS,)))
    (partner,) = known(database, owner, client)["partnerships"]["topPartners"]
    assert (partner["leadId"], partner["score"]) == (lead, 100)


def test_what_is_older_changes_nothing(database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        for day, words in ((2, "new"), (1, "old"), (2, "again")):
            at = datetime(2026, 11, day, tzinfo=UTC)
            keep_intelligence(session, client, Kind.REVIEWS, {"summary": words}, model_used="x", said_at=at, user_id=owner)
    assert known(database, owner, client) == {"reviews": {"summary": "new"}}


def test_it_is_anothers_for_nobody(worker: Worker, database: Database, owner: str, client: int):
    with database.tenant(owner) as session:
        keep_intelligence(
            session, client, Kind.REVIEWS, {"summary": "mine"}, model_used="x", said_at=datetime.now(UTC), user_id=owner
        )
    with database.engine.begin() as connection:
        connection.execute(users.insert().values(id="bela", email="bela@example.com"))
    with database.tenant("bela") as session, pytest.raises(NotFound):
        list_intelligence(session, client)
    with pytest.raises(NotSucceeded):
        worker.perform(PIPELINE, LeadIntel(client, (Kind.REVIEWS,)), owner_id="bela")
    assert known(database, owner, client) == {"reviews": {"summary": "mine"}}
