"""SWOT of leads, by rules and against the twin of a model."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from core.errors import NotFound
from core.settings import settings
from db.base.leads import LeadStatus, LeadType
from db.engine import Database
from db.leads import clients, found, searches
from pipelines import lead_swot
from pipelines.leads import swot
from testkit import Worker
from twins.running import Twins

OURS = {"name": "Our Plumbers", "address": "1 Mill Lane", "keyword": "plumber", "city": "Springfield", "state": "IL"}
RIVAL = {
    "title": "Copper Plumbing",
    "business_type": "competitor",
    "rating": "3.1",
    "review_count": 40,
    "phone": "217-555-0100",
}
PARTNER = {"title": "Bright Sparks", "business_type": "partner", "rating": "4.8", "partnership_score": 88}


@pytest.fixture
def client(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        client_id = int(clients.insert_client(session, OURS, user_id=owner)["id"])
        found.keep_found(session, client_id, [RIVAL, PARTNER], user_id=owner)
    return client_id


def begin(database: Database, owner: str, client: int) -> int:
    with database.tenant(owner) as session:
        return int(lead_swot.start(session, client, user_id=owner)["id"])


def read(database: Database, owner: str, analysis: int) -> dict[str, Any]:
    with database.tenant(owner) as session:
        return dict(searches.get_analysis(session, analysis))


def texts(points: list[dict[str, Any]]) -> str:
    return " ".join(point["text"] for point in points)


def test_without_a_model_it_is_counted_and_says_so(database: Database, owner: str, client: int, worker: Worker):
    analysis = begin(database, owner, client)
    assert read(database, owner, analysis)["status"] == "pending"
    worker.drain()
    row = read(database, owner, analysis)
    assert (row["status"], row["model_used"], row["leads_analyzed"]) == ("completed", "rules, without a language model", 2)
    assert "without a language model" in row["summary"]
    assert "Bright Sparks" in texts(row["opportunities"])
    (poor,) = [point for point in row["opportunities"] if "rated under 3.8" in point["text"]]
    assert poor["source"] == "Copper Plumbing"


def test_a_models_points_rest_on_leads_that_are_there(
    database: Database, owner: str, client: int, worker: Worker, model: Twins
):
    with database.tenant(owner) as session:
        rival = next(lead["id"] for lead in found.list_leads(session, client) if lead["title"] == RIVAL["title"])
    said = {name: [] for name in swot.LISTS} | {"summary": "Few rivals."}
    said["threats"] = [
        {"text": "Copper is near.", "leads": [rival, 987654], "confidence": 0.8},
        {"text": "Golden is near.", "leads": [987654], "confidence": 0.9},
    ]
    model.put("openai.answers", "swot", {"match": "Copper Plumbing", "say": said})
    analysis = begin(database, owner, client)
    worker.drain()
    row = read(database, owner, analysis)
    assert (row["status"], row["summary"]) == ("completed", "Few rivals.")
    assert row["model_used"] == f"openai {settings().language_model}"
    assert row["threats"] == [
        {"text": "Copper is near.", "source": "Copper Plumbing", "leadIds": [rival], "confidence": 0.8},
        {"text": "Golden is near.", "source": "leads that are not there", "leadIds": [], "confidence": 0.0},
    ]
    asked = str(list(model.records("openai.requests").values())[-1]["body"])
    assert "Copper Plumbing" in asked
    assert "217-555-0100" not in asked  # what a model does not need


def test_an_analysis_whose_job_fails_says_so(database: Database, owner: str, client: int, worker: Worker, model: Twins):
    model.fault("openai", "forbidden")
    analysis = begin(database, owner, client)
    worker.drain()
    row = read(database, owner, analysis)
    assert row["status"] == "error"
    assert row["error_message"]


def test_one_that_a_lost_worker_began_goes_on(database: Database, owner: str, client: int, worker: Worker):
    analysis = begin(database, owner, client)
    with database.tenant(owner) as session:
        searches.begin_analysis(session, analysis)
    worker.drain()
    assert read(database, owner, analysis)["status"] == "completed"


leads = st.fixed_dictionaries({
    "title": st.text(min_size=1, max_size=9),
    "business_type": st.sampled_from([*LeadType, None]),
    "rating": st.sampled_from([None, "", "good", "3", "4.9", "nan"]),
    "review_count": st.none() | st.integers(0, 500),
    "website": st.none() | st.just("one.example"),
    "city": st.none(),
    "industry": st.none(),
    "partnership_score": st.none() | st.integers(0, 100),
    "status": st.sampled_from(LeadStatus),
})  # fmt: skip


@given(st.lists(leads, max_size=30))
def test_whatever_the_leads_each_point_rests_on_some_of_them(drawn: list[dict[str, Any]]):
    numbered = [{"id": number, **lead} for number, lead in enumerate(drawn, 1)]
    columns = swot.as_columns(swot.by_rules(OURS, numbered), numbered)
    for name in swot.LISTS:
        assert all(point["leadIds"] and point["confidence"] == 1 for point in columns[name])
        assert len(columns[name]) <= 6
    assert len(swot.as_evidence({**OURS, "business_type": None}, numbered)["leads"]) <= swot.MOST_LEADS


def test_another_owners_client_is_not_analysed(database: Database, client: int):
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES ('bela')"))
    with pytest.raises(NotFound):
        begin(database, "bela", client)
