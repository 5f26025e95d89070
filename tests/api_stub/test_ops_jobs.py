from dataclasses import dataclass
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from core.ids import new_id
from db import api_keys, jobs, operators, search, status
from db.engine import Database
from db.permissions import OPERATOR_DEEDS, OperatorDeed, OperatorRole
from pipelines import self_check
from pipelines.base import Pipeline
from scheduler.retention import Retention
from testkit import Worker, registered
from tests.api_stub.conftest import bearer, is_problem
from tests.api_stub.operating import break_job, make_job, make_user, status_of
from tests.db.test_archive import REST, succeeded

Q = 'it\'s "odd"'


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "dcba"),
        ({"owner": "bela"}, "b"),
        ({"owner": "bela@example.com"}, "b"),
        ({"subject": "video:9"}, "c"),
        ({"pipeline": "p"}, "d"),
        ({"status": "failed"}, "ba"),
        ({"status": "live"}, "dc"),
        ({"status": "queued"}, "dc"),
        ({"status": "succeeded"}, ""),
        ({"error": "DISK is full"}, "a"),
        ({"error": "100%"}, "b"),
        ({"error": "100_"}, ""),
        ({"argument": "video_id=9"}, "c"),
        ({"argument": "name=9"}, "d"),
        ({"argument": "video_id=99"}, ""),
        ({"argument": Q}, ""),
        ({"argument": "holiday"}, "a"),
        ({"argument": "holi_ay"}, ""),
        ({"owner": "bela", "status": "live"}, ""),
        ({"owner": " ", "status": ""}, "dcba"),
    ],
)
def test_jobs_are_searched(client: TestClient, database: Database, owner: str, asked: dict, found: str):
    bela = make_user(database, "bela")
    made = {
        "a": break_job(database, make_job(database, owner, title="the holiday"), "the disk is full"),
        "b": break_job(database, make_job(database, bela), "it was at 100% of it"),
        "c": make_job(database, owner, subject="video:9", video_id=9),
        "d": make_job(database, owner, pipeline="p", name="9"),
    }
    assert ids(client.get("/ops/jobs", params=asked)) == [str(made[name]) for name in found]


def test_pages_of_a_search_follow_each_other_over_both_places(client: TestClient, database: Database, owner: str):
    old = [succeeded(database, owner) for _ in range(3)]
    Retention(database, REST).tick()
    made = [*old, *(make_job(database, owner) for _ in range(3))]
    seen: list[str] = []
    asked = {"limit": 2}
    while True:
        page = client.get("/ops/jobs", params=asked).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]
    assert sorted(seen) == sorted(map(str, made))
    assert seen == sorted(seen, reverse=True)


def test_a_search_that_would_read_all_history_stops_and_goes_on(
    client: TestClient, database: Database, owner: str, monkeypatch: pytest.MonkeyPatch
):
    wanted = make_job(database, owner, name="this")
    for _ in range(5):
        make_job(database, owner)
    monkeypatch.setattr(search, "_HOT", search._Place(search._HOT.table, search._HOT.columns, "error", "args", 3))
    first = client.get("/ops/jobs", params={"argument": "name=this"}).json()
    assert first["items"] == []
    assert first["looked_back_to"]
    second = client.get("/ops/jobs", params={"argument": "name=this", "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in second["items"]] == [str(wanted)]


def test_failures_are_grouped_by_what_they_have_in_common(client: TestClient, database: Database, owner: str):
    for number in (1, 22):
        break_job(database, make_job(database, owner), f"file '{number}.mp4' has {number} streams", error_class="Refused")
    break_job(database, make_job(database, owner), "the disk is full", error_class="DiskFull")
    groups = client.get("/ops/failures").json()["items"]
    assert [(one["error_class"], one["message"], one["jobs"]) for one in groups] == [
        ("DiskFull", "the disk is full", 1),
        ("Refused", "file '22.mp4' has 22 streams", 2),  # the newest
    ]
    assert len(ids(client.get("/ops/jobs", params={"failure": groups[1]["id"]}))) == 2


def test_a_job_past_its_limit_is_a_failure_without_a_step(client: TestClient, database: Database, owner: str):
    job_id = make_job(database, owner)
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.jobs SET finish_by = now() - interval '1 s' WHERE id = :id"), {"id": job_id})
        jobs.stop_late_jobs(session)
    [group] = client.get("/ops/failures").json()["items"]
    assert (group["step"], group["error_class"], group["jobs"]) == ("", "TimeLimit", 1)
    assert "limit" in group["message"]
    assert ids(client.get("/ops/jobs", params={"failure": group["id"]})) == [str(job_id)]


def preview(client: TestClient, deed: str, **wanted: str) -> dict:
    answer = client.post("/ops/bulk/preview", json={"deed": deed, "wanted": wanted})
    assert answer.status_code == 200, answer.text
    return answer.json()


def do(client: TestClient, deed: str, as_of: str, **wanted: str):
    return client.post("/ops/bulk", json={"deed": deed, "wanted": wanted, "as_of": as_of, "reason": "it was mended"})


def test_all_that_match_run_again_but_not_what_failed_after_the_preview(client: TestClient, database: Database, owner: str):
    failed = [break_job(database, make_job(database, owner), "no") for _ in range(3)]
    other = break_job(database, make_job(database, owner), "something else")
    begun_before = make_job(database, owner)
    shown = preview(client, "retry", error="no")
    assert (shown["count"], shown["pipelines"], shown["owners"]) == (3, {"self_check": 3}, 1)
    assert [one["id"] for one in shown["examples"]] == [str(one) for one in reversed(failed)]
    late = [break_job(database, job_id, "no") for job_id in (make_job(database, owner), begun_before)]
    assert do(client, "retry", shown["as_of"], error="no").json()["done"] == 3
    assert {status_of(database, one) for one in failed} == {"queued"}
    assert {status_of(database, one) for one in (other, *late)} == {"failed"}
    assert is_problem(do(client, "retry", shown["as_of"], error="no"), 409)


def test_all_that_match_are_cancelled_but_not_what_came_after_the_preview(client: TestClient, database: Database, owner: str):
    mine, theirs = make_job(database, owner), make_job(database, make_user(database, "bela"))
    shown = preview(client, "cancel", owner="bela")
    late = make_job(database, "bela")
    assert do(client, "cancel", shown["as_of"], owner="bela").json()["done"] == 1
    assert [status_of(database, one) for one in (mine, theirs, late)] == ["queued", "cancelled", "queued"]
    [action] = client.get("/ops/actions").json()["items"]
    assert (action["operator"], action["action"], action["target"]) == (owner, "bulk_cancel", "1 jobs")
    assert (action["detail"]["reason"], action["detail"]["wanted"]) == ("it was mended", {"owner": "bela"})


@dataclass(frozen=True, slots=True)
class Nothing:
    """No arguments."""


def stumble(_session: Session, job: RowMapping) -> None:
    if job["subject"] == "odd":
        raise KeyError("no such key")


def test_a_mistake_in_what_follows_one_job_holds_up_none(client: TestClient, database: Database, owner: str):
    with registered(Pipeline("stumbles", Nothing, self_check.PIPELINE.steps, follow=stumble)):
        made = [make_job(database, owner, pipeline="stumbles", subject=subject) for subject in ("a", "odd", "b")]
        shown = preview(client, "cancel", pipeline="stumbles")
        assert do(client, "cancel", shown["as_of"], pipeline="stumbles").json()["done"] == 3
    assert [status_of(database, one) for one in made] == ["cancelled"] * 3


def run(worker: Worker, job_id: str) -> None:
    """This job's one step, and nothing else."""
    with worker.database.jobs() as session:
        [step] = status.list_steps(session, UUID(job_id))
    worker.runner.run(step["id"])


def test_many_are_done_by_a_job_part_by_part(client: TestClient, worker: Worker, owner: str):
    database = worker.database
    made = [make_job(database, owner, pipeline="p") for _ in range(120)]
    shown = preview(client, "cancel", pipeline="p")
    late = make_job(database, owner, pipeline="p")
    answer = do(client, "cancel", shown["as_of"], pipeline="p").json()
    assert (answer["count"], answer["done"]) == (120, None)
    run(worker, answer["job_id"])
    job = client.get(f"/v1/jobs/{answer['job_id']}").json()
    assert (job["status"], job["steps"][0]["result"]) == ("succeeded", {"done": 120, "skipped": 0})
    assert {status_of(database, one) for one in made} == {"cancelled"}
    assert status_of(database, late) == "queued"


@pytest.mark.parametrize("of_another", [True, False])
def test_a_bulk_job_does_nothing_for_who_may_not(
    worker: Worker, client: TestClient, owner: str, bela: str, *, of_another: bool
):
    """Anybody can enqueue any pipeline: the step asks who asked, and whether he may."""
    database = worker.database
    victim = make_job(database, owner, pipeline="p")
    who = "bela" if not of_another else owner
    with database.jobs() as session:
        detail = {"wanted": {}, "as_of": "2100-01-01T00:00:00+00:00", "count": 1, "reason": "mine"}
        action = operators.record_action(session, who, "bulk_cancel", "1 jobs", detail)
    body = {"pipeline": "bulk_action", "args": {"action_id": action}}
    job_id = client.post("/v1/jobs", json=body, headers=bearer(bela)).json()["id"]
    run(worker, job_id)
    assert status_of(database, UUID(job_id)) == "failed"
    assert status_of(database, victim) == "queued"


@pytest.fixture
def as_role(database: Database, stranger: TestClient):
    """A key of an operator of this role; None: of somebody who is none."""

    def make(role: OperatorRole | None) -> dict[str, str]:
        user = make_user(database, f"the-{role}")
        with database.jobs() as session:
            operators.set_role(session, user, role, added_by="tests")
            return bearer(api_keys.insert_api_key(session, user_id=user, name="tests"))

    return make


ROUTES: dict[tuple[str, str], OperatorDeed] = {
    ("GET", "/ops/queues"): OperatorDeed.WATCH,
    ("GET", "/ops/workers"): OperatorDeed.WATCH,
    ("GET", "/ops/attention"): OperatorDeed.WATCH,
    ("GET", "/ops/jobs"): OperatorDeed.WATCH,
    ("GET", "/ops/failures"): OperatorDeed.WATCH,
    ("GET", "/ops/providers"): OperatorDeed.WATCH,
    ("GET", "/ops/jobs/{job}/log"): OperatorDeed.WATCH,
    ("GET", "/ops/jobs/{job}/evidence"): OperatorDeed.MEND,
    ("POST", "/ops/jobs/{job}/cancel"): OperatorDeed.MEND,
    ("POST", "/ops/jobs/{job}/retry"): OperatorDeed.MEND,
    ("POST", "/ops/batches/{job}/cancel"): OperatorDeed.MEND,
    ("POST", "/ops/bulk/preview"): OperatorDeed.MEND,
    ("POST", "/ops/bulk"): OperatorDeed.MEND,
    ("PUT", "/ops/pauses"): OperatorDeed.MEND,
    ("DELETE", "/ops/pauses/queue/io"): OperatorDeed.MEND,
    ("PUT", "/ops/queues/io"): OperatorDeed.CONFIGURE,
    ("PUT", "/ops/limits"): OperatorDeed.CONFIGURE,
    ("PUT", "/ops/weights/bela"): OperatorDeed.CONFIGURE,
    ("PUT", "/ops/budgets"): OperatorDeed.CONFIGURE,
    ("GET", "/ops/operators"): OperatorDeed.CONFIGURE,
    ("PUT", "/ops/operators/bela"): OperatorDeed.CONFIGURE,
    ("GET", "/ops/actions"): OperatorDeed.READ_ACTIONS,
}


@pytest.mark.parametrize("role", [None, *OperatorRole])
def test_each_role_does_what_is_its_and_nothing_else(stranger: TestClient, as_role, role: OperatorRole | None):
    key = as_role(role)
    deeds = OPERATOR_DEEDS[role] if role else frozenset()
    for (method, path), deed in ROUTES.items():
        answer = stranger.request(method, path.format(job=new_id()), headers=key)
        assert (answer.status_code == 403) == (deed not in deeds), (method, path, answer.status_code)


def test_every_operation_of_operators_is_for_operators(app: FastAPI, stranger: TestClient, bela: str):
    described = [
        (method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item if path[:5] == "/ops/"
    ]
    assert len(described) > len(ROUTES)
    for method, path in described:
        url = path.replace("{job_id}", str(new_id())).replace("{batch_id}", str(new_id()))
        assert is_problem(stranger.request(method, url, headers=bearer(bela)), 403), (method, path)


def test_who_only_watches_sees_no_arguments(stranger: TestClient, database: Database, owner: str, as_role):
    job_id = make_job(database, owner, name="a customer's words")
    for role, args in ((OperatorRole.VIEWER, None), (OperatorRole.OPERATOR, {"name": "a customer's words"})):
        assert stranger.get(f"/ops/jobs/{job_id}", headers=as_role(role)).json()["args"] == args


def test_an_operator_stops_and_runs_again_what_is_anothers_and_that_is_kept(client: TestClient, database: Database):
    job_id = make_job(database, make_user(database, "bela"))
    assert client.post(f"/ops/jobs/{job_id}/cancel", json={"reason": "by mistake"}).json()["status"] == "cancelled"
    assert client.post(f"/ops/jobs/{job_id}/retry", json={"step": "write_sample"}).json()["status"] == "queued"
    kept = client.get("/ops/actions").json()["items"]
    assert [(one["action"], one["target"]) for one in kept] == [("retry", f"job {job_id}"), ("cancel", f"job {job_id}")]
    assert kept[1]["detail"] == {"reason": "by mistake"}


def test_what_needs_a_person_is_told_and_nothing_else(client: TestClient, database: Database, owner: str):
    assert client.get("/ops/attention").json() == {"items": []}
    break_job(database, make_job(database, owner), "the disk is full")
    make_job(database, owner)
    client.put("/ops/pauses", json={"kind": "owner", "name": "bela", "reason": "unpaid"})
    items = client.get("/ops/attention").json()["items"]
    assert [one["kind"] for one in items] == ["unserved", "paused", "failed"]
    assert "io has 1 step waiting and no worker" in items[0]["words"]


def test_a_queue_is_late_when_its_oldest_step_is_older_than_promised(client: TestClient, database: Database, owner: str):
    job_id = make_job(database, owner)
    with database.jobs() as session:
        session.execute(
            text("UPDATE jobs.job_steps SET available_at = now() - interval '90 s' WHERE job_id = :id"), {"id": job_id}
        )
        session.execute(
            text(
                "INSERT INTO jobs.workers (id, queues, threads, host, process) VALUES (gen_random_uuid(), '{io}', 1, 'here', 1)"
            )
        )
    assert [one["kind"] for one in client.get("/ops/attention").json()["items"]] == ["late"]
    client.put("/ops/queues/io", json={"promise_seconds": 600})
    assert client.get("/ops/attention").json()["items"] == []
    assert is_problem(client.put("/ops/queues/nowhere", json={"promise_seconds": 600}), 404)
