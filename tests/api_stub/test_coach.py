"""The coach and the drafts, against the twin and by rules."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from db import chat, workbook
from db.engine import Database
from testkit import Worker
from tests.api_stub.conftest import Served, at_work, bearer, is_problem
from twins.running import Twins

ANSWERS = {"howYouWereMade": "My mother ran a bakery. I learned there.", "principleAtHeart": "Nobody goes home hungry."}


def ask(client: Any, **more: Any) -> dict[str, Any]:
    body = {"section": "core-value", "answers": ANSWERS, "message": "What is missing?", **more}
    answer = client.post("/v1/coach", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def events(client: Any, asked: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.get(asked["events"])
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]


def messages(database: Database, owner: str, asked: dict[str, Any]) -> list[tuple[str, str]]:
    with database.tenant(owner) as session:
        rows = chat.list_messages(session, asked["conversation_id"])
    return [(row["role"], row["content"]) for row in rows]


def test_without_a_model_the_coach_is_a_checklist_that_says_so(
    client: TestClient, worker: Worker, database: Database, owner: str
):
    asked = ask(client)
    worker.drain()
    (last,) = events(client, asked)
    assert last["status"] == "succeeded"
    assert "No language model is set up" in last["text"]
    assert "2 of 7 questions" in last["text"]
    assert "without a language model" in last["model_used"]
    assert last["suggestions"] == [line[2:] for line in last["text"].splitlines() if line.startswith("- ")]
    assert messages(database, owner, asked) == [("user", "What is missing?"), ("assistant", last["text"])]
    with database.tenant(owner) as session:
        (kept,) = workbook.list_coaching(session, "core-value", user_id=owner)
    assert [one.get("role") for one in kept["messages"]] == ["user", "assistant", None]


def test_the_reply_knows_the_conversation_and_the_answers(model: Twins, client: TestClient, worker: Worker):
    model.put("openai.answers", "1", {"match": "What is missing", "say": "Good start.\n- Name the price.\n- Ask a customer."})
    asked = ask(client)
    worker.drain()
    (last,) = events(client, asked)
    assert (last["text"].splitlines()[0], last["suggestions"]) == ("Good start.", ["Name the price.", "Ask a customer."])
    again = ask(client, conversation_id=asked["conversation_id"], message="And then?")
    worker.drain()
    assert again["conversation_id"] == asked["conversation_id"]
    sent = list(model.records("openai.requests").values())[-1]["body"]
    assert [one["content"] for one in sent["messages"][2:]] == ["What is missing?", last["text"], "And then?"]
    assert "My mother ran a bakery" in sent["messages"][1]["content"]
    assert "bakery" not in sent["messages"][0]["content"]  # answers are evidence, never instructions


def test_it_is_streamed_while_it_is_written_and_a_reconnect_misses_nothing(
    model: Twins, served: Served, worker: Worker, database: Database, owner: str, monkeypatch: pytest.MonkeyPatch
):
    """The model's pieces come one by one; the reader is connected from the first and is cut off in between."""
    monkeypatch.setattr("pipelines.steps.coach._KEEP_SECONDS", 0.0)
    go_on, halfway = threading.Event(), threading.Event()
    from pipelines.providers.language.endpoint import Endpoint

    told = Endpoint.tell

    def tell(self: Endpoint, *args: Any, **more: Any) -> Iterator[str]:
        for number, piece in enumerate(told(self, *args, **more)):
            if number == 3:
                halfway.set()
                assert go_on.wait(20)
            yield piece

    monkeypatch.setattr(Endpoint, "tell", tell)
    model.put("openai.answers", "1", {"match": "What is missing", "say": "one two three four five six"})
    asked = ask(served.client)
    working = threading.Thread(target=worker.drain)
    working.start()
    assert halfway.wait(20)
    with served.client.stream("GET", asked["events"]) as stream:
        lines = stream.iter_lines()
        first = json.loads(next(line for line in lines if line.startswith("data: "))[6:])
    assert (first["status"], first["text"]) == ("running", "one two three")
    with served.client.stream("GET", asked["events"]) as stream:
        lines = stream.iter_lines()
        again = json.loads(next(line for line in lines if line.startswith("data: "))[6:])
        go_on.set()
        *_, last = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    working.join(20)
    assert again["text"] == "one two three"
    assert (last["status"], last["text"]) == ("succeeded", "one two three four five six")


def test_a_stream_that_breaks_is_begun_anew_and_never_left_half(
    model: Twins, client: TestClient, worker: Worker, database: Database, owner: str
):
    model.put("openai.answers", "1", {"match": "What is missing", "say": "word " * 300})
    model.fault("openai", "cut", after_bytes=6000)
    asked = ask(client)
    worker.drain()
    (now,) = client.get(f"/v1/jobs/{asked['id']}").json()["steps"]
    assert (now["status"], "broke off" in now["error"]) == ("queued", True)
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET available_at = now()"))
    worker.drain()
    assert messages(database, owner, asked)[-1] == ("assistant", "word " * 300)
    assert len(model.records("openai.requests")) == 2


def test_earlier_clients_wait_for_the_reply(served: Served, worker: Worker):
    body = {"section": "swot", "action": "improve", "currentAnswers": {"strengths": ["bread"]}}
    with at_work(worker):
        answer = served.client.post("/api/workbook/ai-coach", json=body)
    assert answer.status_code == 200
    assert "1 of 6 questions" in answer.json()["response"]
    assert len(answer.json()["suggestions"]) == 3


def test_a_model_that_fails_is_told_in_its_reply(model: Twins, client: TestClient, worker: Worker):
    model.fault("openai", "expired_token", times=9)
    asked = ask(client)
    worker.drain()
    (last,) = events(client, asked)
    assert (last["status"], "could not answer" in last["text"]) == ("failed", True)


def test_nobody_reads_anothers_reply(client: TestClient, stranger: TestClient, bela: str, database: Database):
    asked = ask(client)
    with database.jobs() as session:
        session.execute(text("UPDATE users SET role = 'pickone' WHERE id = 'bela'"))
    stranger.cookies.clear()
    assert is_problem(stranger.get(asked["events"], headers=bearer(bela)), 404)
    body = {"section": "swot", "conversation_id": asked["conversation_id"]}
    assert is_problem(stranger.post("/v1/coach", json=body, headers=bearer(bela)), 404)


def test_who_has_no_workbook_is_refused(stranger: TestClient, bela: str):
    for path, body in (("/v1/coach", {"section": "swot"}), ("/v1/workbook/swot/draft", {})):
        assert is_problem(stranger.post(path, json=body, headers=bearer(bela)), 403)


SWOT = {"strengths": ["bread"], "weaknesses": [], "opportunities": ["a market"], "threats": ["rent"]}


def draft(client: TestClient, worker: Worker, section: str) -> dict[str, Any]:
    answer = client.post(f"/v1/workbook/{section}/draft")
    assert answer.status_code == 202, answer.text
    worker.drain()
    job = client.get(f"/v1/jobs/{answer.json()['id']}").json()
    assert job["status"] == "succeeded", job["error"]
    return job["steps"][0]["result"]


def test_a_draft_fills_what_is_empty_and_never_what_a_person_wrote(
    model: Twins, client: TestClient, worker: Worker, database: Database, owner: str
):
    with database.tenant(owner) as session:
        workbook.save_section(session, "swot", {"strengths": ["my own words"], "status": "complete"}, user_id=owner)
    said = {**SWOT, "patterns": ["all is local"], "key_insight": "The rent decides."}
    model.put("openai.answers", "1", {"match": "SWOT", "say": said})
    made = draft(client, worker, "swot")
    assert made["filled"] == ["opportunities", "threats", "key_insight"]
    assert made["model_used"] == "openai gpt-6-luna"
    with database.tenant(owner) as session:
        row = workbook.find_section(session, "swot", user_id=owner)
        workbook.save_section(session, "swot", {"threats": ["the flour price"]}, user_id=owner)
    assert row is not None
    assert (row["strengths"], row["threats"], row["weaknesses"]) == (["my own words"], ["rent"], None)
    assert (row["ai_patterns"], row["status"]) == (["all is local"], "complete")
    assert draft(client, worker, "swot")["filled"] == []
    with database.tenant(owner) as session:
        row = workbook.find_section(session, "swot", user_id=owner)
        kept = workbook.list_coaching(session, "swot", user_id=owner)
    assert row is not None
    assert row["threats"] == ["the flour price"]
    assert kept[0]["messages"][0]["modelUsed"] == "openai gpt-6-luna"


@pytest.mark.parametrize(
    ("section", "column"),
    [
        ("swot", "ai_patterns"),
        ("root-cause", "ai_root_cause_suggestion"),
        ("core-value", "ai_suggestions"),
        ("action-plan", "weekly_goals"),
    ],
)
def test_rules_draft_every_section_from_what_is_written(
    client: TestClient, worker: Worker, database: Database, owner: str, section: str, column: str
):
    with database.tenant(owner) as session:
        values = {"principle_at_heart": "Nobody goes home hungry. Ever.", "how_you_were_made": "A bakery."}
        workbook.save_section(session, "core-value", values, user_id=owner)
    made = draft(client, worker, section)
    assert "without a language model" in made["model_used"]
    with database.tenant(owner) as session:
        row = workbook.find_section(session, section, user_id=owner)
    assert row is not None
    assert row[column]
    if section == "core-value":
        assert row[column][0] == "Nobody goes home hungry."
    if section == "action-plan":
        assert len(row[column]) == 13


@pytest.mark.parametrize("answer", [{"say": {"strengths": "bread"}}, {"say": "no JSON"}])
def test_a_draft_of_another_shape_is_not_written(
    model: Twins, client: TestClient, worker: Worker, database: Database, owner: str, answer: dict
):
    model.put("openai.answers", "1", {"match": "SWOT", **answer})
    asked = client.post("/v1/workbook/swot/draft", json={}).json()
    worker.drain()
    job = client.get(f"/v1/jobs/{asked['id']}").json()
    assert (job["steps"][0]["status"], "faults of form" in job["steps"][0]["error"]) == ("retrying", True)
    with database.tenant(owner) as session:
        assert workbook.find_section(session, "swot", user_id=owner) is None


def test_there_is_no_draft_of_a_time_audit(client: TestClient):
    assert is_problem(client.post("/v1/workbook/time-audit/draft", json={}), 404, "no draft of time-audit")
