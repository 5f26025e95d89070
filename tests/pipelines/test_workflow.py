"""A search that an external workflow answers later: waited for without a thread, once, whoever calls, how often and how late."""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from api_stub.app import create_app
from core import signatures
from core.errors import Misconfigured, Refused
from core.guard import policy
from core.settings import Settings, settings
from core.storage import FolderStorage
from db import jobs
from db.base.leads import LeadType
from db.engine import Database
from db.leads import clients, found, searches
from pipelines.base import enqueue
from pipelines.leads.told import read_results
from pipelines.providers.workflow import Workflow, read_reply
from testkit import Worker
from tests.api_stub.conftest import serve
from tests.conftest import wait_until
from tests.contract.route import CALLBACK_SECRET
from tests.pipelines.test_tell import outbox
from twins.running import Twins

OURS = {"name": "Our Plumbers", "address": "1 Mill Lane", "keyword": "plumber", "city": "Springfield", "state": "IL"}
ADDRESS, CALLBACK = "https://workflow.twin.example/webhook/leads", "/api/leads/webhook/results"
KEY = signatures.read_secret(CALLBACK_SECRET, "")
FOUND = [
    {"title": "Bright Sparks", "placeId": "p1", "phone": "(217) 555-0101", "reviews": 12, "rating": "4.5", "ownerName": "Ann"},
    {"name": "Al's Pipes", "place_id": "p2", "review_count": 3, "business_type": "Partnering Prospect", "zip": 62701},
    {"phone": "nobody's"},
    "garbage",
]


@pytest.fixture
def app(
    database: Database, storage: FolderStorage, twins: Twins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FastAPI]:
    """The product with a workflow."""
    for name, value in {
        "PUBLIC_URL": "http://127.0.0.1:9",
        "LEADS_WEBHOOK_URL": ADDRESS,
        "LEADS_WEBHOOK_SECRET": CALLBACK_SECRET,
        "GUARD_ALLOWED": "workflow.twin.example",
        "ASKSTEPHEN_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    twins.put("workflow", "secret", {"key": CALLBACK_SECRET})
    forget()
    yield create_app(
        database,
        storage,
        Settings(local_mode=True, redis_url="", leads_webhook_secret=SecretStr(CALLBACK_SECRET), _env_file=None),
    )
    for table in ("workflow", "workflow.runs"):
        twins.forget(table)
    monkeypatch.undo()
    forget()


def forget() -> None:
    settings.cache_clear()
    policy.get_guard.cache_clear()


class Asked:
    """A search, its job and a worker."""

    def __init__(self, client: httpx.Client, worker: Worker, owner: str) -> None:
        self.worker, self.owner, self.client = worker, owner, client
        with worker.database.tenant(owner) as session:
            self.client_id = clients.insert_client(session, OURS, user_id=owner)["id"]
            self.id = searches.insert_search(
                session, self.client_id, user_id=owner, keyword="plumber", geo="Springfield", search_types=[LeadType.PARTNER]
            )["id"]
            args = {"client_id": self.client_id, "search_id": self.id}
            self.job_id = enqueue(session, "lead_search", args, owner_id=owner)

    def run(self) -> str:
        self.worker.drain()
        return str(self.row()["status"])

    def row(self) -> dict:
        with self.worker.database.tenant(self.owner) as session:
            return dict(searches.get_search(session, self.id))

    def leads(self) -> list[str]:
        with self.worker.database.tenant(self.owner) as session:
            return sorted(lead["title"] for lead in found.list_leads(session, self.client_id))

    def wakes_at(self) -> datetime:
        """When the step that waits would look by itself, unless an answer wakes it."""
        with self.worker.database.jobs() as session:
            statement = text("SELECT available_at FROM jobs.job_steps WHERE job_id = :id AND name = 'collect'")
            return session.execute(statement, {"id": self.job_id}).scalar_one()

    def step(self) -> dict:
        return next(step for step in self.worker.job(self.job_id)["steps"] if step["name"] == "collect")

    def call(self, told: dict, *, message_id: str | None = None) -> httpx.Response:
        body = json.dumps({"search_id": f"search-{self.id}", **told}).encode()
        signed = signatures.sign(KEY, message_id or uuid4().hex, body, now=time.time())
        return self.post(body, signed)

    def post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.client.post(CALLBACK, content=body, headers={"Content-Type": "application/json", **headers})

    def let_time_pass(self, hours: int) -> None:
        with self.worker.database.jobs() as session:
            for statement in (
                "UPDATE jobs.awaited SET asked_at = asked_at - :by, answer_by = answer_by - :by",
                "UPDATE jobs.job_steps SET available_at = now() WHERE status = 'queued'",
            ):
                session.execute(text(statement), {"by": timedelta(hours=hours)} if ":by" in statement else {})


@pytest.fixture
def asked(app: FastAPI, worker: Worker, owner: str) -> Iterator[Asked]:
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        yield Asked(client, worker, owner)


@pytest.fixture
def reached(app: FastAPI, worker: Worker, owner: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """One whose product the workflow reaches."""
    with serve(app, worker.database, owner) as running:
        monkeypatch.setenv("PUBLIC_URL", f"http://127.0.0.1:{running.port}")
        forget()
        yield Asked(running.client, worker, owner)


def runs(twins: Twins) -> list[dict]:
    return list(twins.records("workflow.runs").values())


def test_a_workflow_is_asked_waited_for_without_a_thread_and_its_results_become_leads(reached: Asked, twins: Twins):
    twins.put("workflow", "plumber", {"results": FOUND, "calls": 2})
    wait_until(lambda: reached.run() == "completed")
    assert reached.leads() == ["Al's Pipes", "Bright Sparks"]
    (run,) = runs(twins)
    assert run == {
        "domain": "askstephen",
        "webapp": "askstephen",
        "client": reached.owner,
        "client_business_id": reached.client_id,
        "search_id": f"search-{reached.id}",
        "keyword": "plumber",
        "geo": "Springfield",
        "search_types": ["partner"],
        "verify_emails": False,
        "callback_url": f"{settings().public_url}{CALLBACK}",
    }
    assert reached.step()["attempt"] == 1  # waiting counts none
    shown = {result["title"]: result for result in reached.row()["results"]}
    assert shown["Bright Sparks"]["ownerName"] == "Ann"
    assert (shown["Bright Sparks"]["placeId"], shown["Bright Sparks"]["reviews"]) == ("p1", 12)
    assert shown["Al's Pipes"]["businessType"] == "partner"


def test_what_is_answered_at_once_is_not_waited_for(asked: Asked, twins: Twins):
    twins.put("workflow", "plumber", {"results": FOUND, "at_once": True})
    assert asked.run() == "completed"
    assert len(asked.leads()) == 2


def test_a_workflow_that_says_why_not_is_quoted(asked: Asked, twins: Twins):
    twins.put("workflow", "plumber", {"error": "out of credits", "at_once": True})
    assert asked.run() == "error"
    assert asked.row()["error_message"] == "The workflow says: out of credits"


@pytest.mark.parametrize("fault", ["rate_limit", "lost", "cut"])
def test_a_search_that_may_have_come_is_sent_again_as_the_same_one(reached: Asked, twins: Twins, fault: str):
    twins.put("workflow", "plumber", {"results": FOUND})
    twins.fault("workflow", fault)
    reached.run()
    reached.let_time_pass(0)
    with reached.worker.database.jobs() as session:
        session.execute(text("DELETE FROM jobs.breakers"))  # a rate limit says when to come again
    wait_until(lambda: reached.run() == "completed")
    assert len(runs(twins)) == 1
    assert reached.step()["attempt"] == 1


def test_nobody_calls_back_until_it_is_too_late_and_a_retry_asks_anew(asked: Asked, twins: Twins):
    asked.run()
    assert asked.step()["error"] == "it waits for an answer from outside"
    asked.let_time_pass(1)
    assert asked.run() == "running"  # it looked, and waits on
    asked.let_time_pass(6)
    assert asked.run() == "error"
    assert asked.row()["error_message"].startswith("No answer came within 360 minutes.")
    twins.put("workflow", "plumber", {"results": FOUND, "at_once": True})
    with asked.worker.database.jobs() as session:
        jobs.retry(session, asked.job_id)
    assert asked.run() == "completed"
    assert len(runs(twins)) == 2


def test_an_answer_that_is_too_late_is_kept_all_the_same(asked: Asked):
    asked.run()
    asked.let_time_pass(7)
    assert asked.run() == "error"
    assert asked.call({"results": FOUND}).status_code == 200
    assert asked.run() == "completed"
    assert len(asked.leads()) == 2


def test_the_same_message_again_changes_nothing_and_another_one_replaces_the_results(asked: Asked):
    asked.run()
    for _ in range(2):
        assert asked.call({"results": FOUND}, message_id="one").json() == {"success": True, "search_id": asked.id}
    assert asked.run() == "completed"
    assert asked.call({"results": FOUND[:1]}, message_id="two").status_code == 200
    assert asked.run() == "completed"
    assert asked.row()["total_found"] == 1
    assert asked.call({"results": FOUND}, message_id="one").status_code == 200
    assert not asked.worker.list_due()
    assert asked.row()["total_found"] == 1
    assert len(asked.leads()) == 2


def test_each_answer_to_a_scheduled_search_is_told_with_what_it_brought_and_once(asked: Asked, tmp_path: Path):
    with asked.worker.database.tenant(asked.owner) as session:
        enqueue(session, "lead_search", {"client_id": asked.client_id}, owner_id=asked.owner)
    asked.run()
    with asked.worker.database.tenant(asked.owner) as session:
        asked.id = searches.list_searches(session, asked.client_id)[0]["id"]
    more = [*FOUND, {"title": "Cy's Gutters"}]
    for message_id, results in {"one": FOUND[:1], "two": FOUND, "three": more, "four": FOUND}.items():
        for _ in range(2):
            asked.call({"results": results}, message_id=message_id)
            asked.run()
    mails = [mail.get_content() for mail in outbox(tmp_path)]
    told = sorted([name for name in ("Bright Sparks", "Al's Pipes", "Cy's Gutters") if name in mail] for mail in mails)
    assert told == [["Al's Pipes"], ["Bright Sparks"], ["Cy's Gutters"]]


def test_only_who_holds_the_secret_is_heard_and_only_as_he_wrote_it(asked: Asked):
    asked.run()
    wakes = asked.wakes_at()
    body = json.dumps({"search_id": asked.id, "results": FOUND}).encode()
    now = time.time()
    right = signatures.sign(KEY, "one", body, now=now)
    attempts = [(body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :], right) for place in (14, body.index(b"Bright"))]
    attempts += [
        (body, {}),
        (body, signatures.sign(b"another secret, as long as ours", "one", body, now=now)),
        (body, signatures.sign(KEY, "one", body, now=now - 600)),
        (body, right | {signatures.ID: "two"}),
        (body, right | {signatures.TIMESTAMP: str(int(now) + 1)}),
        (body, right | {signatures.SIGNATURE: "v1,"}),
    ]
    assert [asked.post(*attempt).status_code for attempt in attempts] == [403] * len(attempts)
    assert asked.wakes_at() == wakes
    assert asked.post(body, right).status_code == 200
    assert asked.run() == "completed"


def test_what_the_database_cannot_keep_is_refused(asked: Asked):
    asked.run()
    wakes = asked.wakes_at()
    assert [asked.call({"results": [{"title": mark}]}).status_code for mark in ("\0", "\ud800")] == [400, 400]
    assert asked.wakes_at() == wakes


@pytest.mark.parametrize("told", [{"search_id": 999_999, "results": []}, {"search_id": "search-999999", "error": "x"}, {}])
def test_what_nobody_asked_for_is_taken_and_does_nothing(asked: Asked, told: dict):
    asked.run()
    wakes = asked.wakes_at()
    assert asked.call(told).status_code == 200
    assert asked.wakes_at() == wakes


def test_a_worker_that_is_lost_while_it_waits_asks_no_second_time(asked: Asked, twins: Twins):
    asked.run()
    asked.let_time_pass(0)
    (due,) = asked.worker.list_due()
    with asked.worker.database.jobs() as session:
        held = jobs.claim(session, due, worker_id=uuid4(), lease=timedelta(seconds=60))
        assert held is not None
        session.execute(text("UPDATE jobs.job_steps SET lease_until = now() - interval '1 hour' WHERE id = :id"), {"id": due})
        assert jobs.rescue(session) == 1
    asked.call({"results": FOUND})
    assert asked.run() == "completed"
    assert len(runs(twins)) == 1


@pytest.mark.usefixtures("app")
def test_without_an_address_of_ours_a_workflow_must_answer_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PUBLIC_URL")
    config = Settings(_env_file=None)
    with pytest.raises(Misconfigured, match="PUBLIC_URL"):
        Workflow(config).ask("one", {"keyword": "x", "search_id": "search-1"})


@pytest.mark.parametrize("reply", [b"<h1>", b"3", b'"x"', b"\xff"])
def test_a_reply_that_is_none_is_refused(reply: bytes):
    with pytest.raises(Refused):
        read_reply(reply)


def test_values_that_are_none_of_ours_are_passed_over():
    (listing,) = read_results(
        [{"title": "A\0", "rating": "nan", "reviews": -1, "category": "THIRD", "partnershipScore": 1e9, "emailStatus": 3}]
    )
    assert (listing.title, listing.rating, listing.review_count) == ("A", None, None)
    assert listing.said == {"partnership_score": 100}
