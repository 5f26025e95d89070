import json
import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from db import jobs, status
from db.engine import Database
from db.jobs import NewStep, Success

LEASE = timedelta(seconds=30)
TWO = [NewStep("first", "io", provider="tube"), NewStep("second", "media", after=("first",))]
FAN = [NewStep("split", "io"), NewStep("part", "io", for_each="split"), NewStep("join", "io", after=("part",))]


def insert(database: Database, owner: str, steps: list[NewStep] = TWO) -> UUID:
    with database.tenant(owner) as session:
        return jobs.insert_job(session, pipeline="p", owner_id=owner, args={}, steps=steps, subject=None)


def steps_of(database: Database, job_id: UUID) -> dict[tuple[str, int], dict]:
    with database.jobs() as session:
        return {(row["name"], row["part"]): dict(row) for row in status.list_steps(session, job_id)}


def statuses(database: Database, job_id: UUID) -> dict[str, str]:
    found = {f"{name}{part or ''}": row["status"] for (name, part), row in steps_of(database, job_id).items()}
    with database.jobs() as session:
        return {"job": status.get_job(session, job_id)["status"], **found}


def take(database: Database, job_id: UUID, name: str = "first", part: int = 0) -> jobs.Claim | None:
    with database.jobs() as session:
        return jobs.claim(session, steps_of(database, job_id)[name, part]["id"], worker_id=uuid4(), lease=LEASE)


def succeed(database: Database, held: jobs.Claim, steps: list[NewStep] = TWO, parts: list | None = None) -> bool:
    with database.jobs() as session:
        return held.claim_id in jobs.succeed(session, [Success(held, steps, json.dumps({"step": held.step}), parts or [])])


def expire(session: Session, job_id: UUID) -> None:
    session.execute(
        text("UPDATE jobs.job_steps SET lease_until = now() - interval '1 s' WHERE job_id = :id AND status = 'running'"),
        {"id": job_id},
    )


def test_a_job_is_not_there_when_its_callers_transaction_rolls_back(database, owner):
    seen = []

    def enqueue_and_fail() -> None:
        with database.tenant(owner) as session:
            seen.append(jobs.insert_job(session, pipeline="p", owner_id=owner, args={}, steps=TWO, subject=None))
            raise ConnectionError

    with pytest.raises(ConnectionError):
        enqueue_and_fail()
    with database.jobs() as session, pytest.raises(NotFound):
        status.get_job(session, seen[0])


def test_the_second_step_waits_for_the_first(database, owner):
    job_id = insert(database, owner)
    assert statuses(database, job_id) == {"job": "queued", "first": "queued", "second": "waiting"}
    held = take(database, job_id)
    assert take(database, job_id, "second") is None
    assert statuses(database, job_id)["job"] == "running"
    succeed(database, held)
    assert statuses(database, job_id) == {"job": "running", "first": "succeeded", "second": "queued"}
    succeed(database, take(database, job_id, "second"))
    assert statuses(database, job_id)["job"] == "succeeded"


def test_of_many_claims_of_one_step_one_wins(database, owner):
    job_id = insert(database, owner)
    won = []
    threads = [threading.Thread(target=lambda: won.append(take(database, job_id))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([held for held in won if held]) == 1


def test_an_attempt_that_lost_its_lease_cannot_end_the_step(database, owner):
    job_id = insert(database, owner)
    old = take(database, job_id)
    with database.jobs() as session:
        expire(session, job_id)
        assert jobs.rescue(session) == 1
    new = take(database, job_id)
    assert new is not None
    assert not succeed(database, old)
    assert succeed(database, new)


def test_a_join_fires_once_when_its_last_parts_end_together(database, owner):
    job_id = insert(database, owner, FAN)
    succeed(database, take(database, job_id, "split"), FAN, parts=[1, 2, 3, 4])
    held = [take(database, job_id, "part", part) for part in range(4)]
    assert [claim.input for claim in held] == [1, 2, 3, 4]
    barrier = threading.Barrier(4)

    def end(claim: jobs.Claim) -> None:
        barrier.wait()
        succeed(database, claim, FAN)

    threads = [threading.Thread(target=end, args=(claim,)) for claim in held]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses(database, job_id)["join"] == "queued"
    succeed(database, take(database, job_id, "join"), FAN)
    assert statuses(database, job_id)["job"] == "succeeded"


def test_a_fan_out_into_no_part_goes_straight_to_the_join(database, owner):
    job_id = insert(database, owner, FAN)
    succeed(database, take(database, job_id, "split"), FAN, parts=[])
    assert statuses(database, job_id) == {"job": "running", "split": "succeeded", "join": "queued"}


def test_a_failed_step_fails_its_job_and_stops_the_rest(database, owner):
    job_id = insert(database, owner)
    held = take(database, job_id)
    with database.jobs() as session:
        jobs.holds(session, held)
        jobs.fail(session, held, error="not a video")
    assert statuses(database, job_id) == {"job": "failed", "first": "failed", "second": "cancelled"}
    with database.jobs() as session:
        assert status.get_job(session, job_id)["error"] == "not a video"


def test_an_optional_step_that_fails_lets_the_job_go_on(database, owner):
    steps = [NewStep("first", "io", optional=True), NewStep("second", "io", after=("first",))]
    job_id = insert(database, owner, steps)
    held = take(database, job_id)
    with database.jobs() as session:
        jobs.holds(session, held)
        jobs.fail(session, held, error="no")
    assert statuses(database, job_id)["second"] == "queued"
    succeed(database, take(database, job_id, "second"), steps)
    assert statuses(database, job_id)["job"] == "succeeded"


def test_a_step_is_quarantined_when_it_lost_its_worker_twice(database, owner):
    job_id = insert(database, owner)
    for _ in range(2):
        take(database, job_id)
        with database.jobs() as session:
            expire(session, job_id)
            jobs.rescue(session)
    assert statuses(database, job_id) == {"job": "quarantined", "first": "quarantined", "second": "cancelled"}


def test_what_lost_its_worker_is_claimed_by_nobody_who_runs_others_too(database, owner):
    job_id = insert(database, owner)
    take(database, job_id)
    with database.jobs() as session:
        expire(session, job_id)
        jobs.rescue(session)
    step_id = steps_of(database, job_id)["first", 0]["id"]
    with database.jobs() as session:
        assert jobs.claim(session, step_id, worker_id=uuid4(), lease=LEASE, alone=False) is None
        assert jobs.claim(session, step_id, worker_id=uuid4(), lease=LEASE, alone=True) is not None


def test_a_checkpoint_between_two_deaths_keeps_a_step_out_of_quarantine(database, owner):
    job_id = insert(database, owner)
    for _ in range(3):
        held = take(database, job_id)
        with database.jobs() as session:
            assert jobs.save_checkpoint(session, held, {"at": 1})
            expire(session, job_id)
            jobs.rescue(session)
    assert take(database, job_id).checkpoint == {"at": 1}


def test_a_release_counts_no_attempt(database, owner):
    job_id = insert(database, owner)
    held = take(database, job_id)
    with database.jobs() as session:
        jobs.holds(session, held)
        jobs.release(session, held)
    assert take(database, job_id).attempt == 1


def test_a_retry_waits_for_its_delay(database, owner):
    job_id = insert(database, owner)
    held = take(database, job_id)
    with database.jobs() as session:
        jobs.holds(session, held)
        jobs.retry_later(session, held, error="busy", delay=timedelta(hours=1))
    assert statuses(database, job_id)["job"] == "retrying"
    assert take(database, job_id) is None


def test_cancelling_ends_what_waits_and_tells_what_runs(database, owner):
    job_id = insert(database, owner)
    held = take(database, job_id)
    with database.jobs() as session:
        jobs.request_cancel(session, job_id)
        told = jobs.renew(session, [jobs.Renewal(held.step_id, held.claim_id, 0.5, "half")], lease=LEASE)
    assert told == {held.claim_id: True}
    assert statuses(database, job_id) == {"job": "running", "first": "running", "second": "cancelled"}
    with database.jobs() as session:
        jobs.holds(session, held)
        jobs.cancel_step(session, held)
    assert statuses(database, job_id)["job"] == "cancelled"
    with database.jobs() as session, pytest.raises(Conflict):
        jobs.request_cancel(session, job_id)


def test_a_retry_runs_only_what_did_not_succeed(database, owner):
    job_id = insert(database, owner)
    succeed(database, take(database, job_id))
    held = take(database, job_id, "second")
    with database.jobs() as session:
        jobs.holds(session, held)
        jobs.fail(session, held, error="no")
    with database.jobs() as session:
        jobs.retry(session, job_id)
    assert statuses(database, job_id) == {"job": "running", "first": "succeeded", "second": "queued"}


def test_a_retry_from_a_step_runs_all_after_it_with_new_parts(database, owner):
    job_id = insert(database, owner, FAN)
    succeed(database, take(database, job_id, "split"), FAN, parts=[1, 2, 3])
    for part in range(3):
        succeed(database, take(database, job_id, "part", part), FAN)
    succeed(database, take(database, job_id, "join"), FAN)
    with database.jobs() as session:
        jobs.retry(session, job_id, step="split")
    succeed(database, take(database, job_id, "split"), FAN, parts=[7])
    assert statuses(database, job_id) == {"job": "running", "split": "succeeded", "part": "queued", "join": "waiting"}


def test_another_user_sees_and_touches_nothing(database, owner):
    job_id = insert(database, owner)
    with database.tenant("somebody-else") as session:
        assert status.list_jobs(session) == []
        assert status.list_steps(session, job_id) == []
    with database.tenant("somebody-else") as session, pytest.raises(Exception, match="row-level security"):
        jobs.insert_job(session, pipeline="p", owner_id=owner, args={}, steps=TWO, subject=None)


def test_no_transaction_runs_as_the_login_role(database, owner):
    with database.tenant(owner) as session:
        assert session.scalar(text("SELECT current_user")) == "askstephen_tenant"
    with database.jobs() as session:
        assert session.scalar(text("SELECT current_user")) == "askstephen_jobs"


ACTS = st.lists(
    st.sampled_from(["claim", "succeed", "fail", "retry_later", "release", "expire", "cancel", "again"]), max_size=14
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_whatever_happens_the_job_has_ended_exactly_when_no_step_is_live(database, owner, acts):
    job_id = insert(database, owner)
    held: jobs.Claim | None = None
    for act in acts:
        if act == "claim":
            held = take(database, job_id) or take(database, job_id, "second") or held
        else:
            with database.jobs() as session:
                _do(session, act, job_id, held)
        with database.jobs() as session:
            shown = status.snapshot(session, job_id)
        live = [step for step in shown["steps"] if step["status"] in {"waiting", "queued", "running", "retrying"}]
        assert (shown["finished_at"] is None) == bool(live)
        assert all(step["status"] != "waiting" for step in shown["steps"]) or live


def _do(session: Session, act: str, job_id: UUID, held: jobs.Claim | None) -> None:
    if act == "expire":
        expire(session, job_id)
        jobs.rescue(session)
    elif act in {"cancel", "again"}:
        try:
            (jobs.request_cancel if act == "cancel" else jobs.retry)(session, job_id)
        except Conflict:
            return
    elif held is not None and jobs.holds(session, held):
        if act == "succeed":
            jobs.succeed(session, [Success(held, TWO)])
        elif act == "fail":
            jobs.fail(session, held, error="e")
        elif act == "retry_later":
            jobs.retry_later(session, held, error="e", delay=timedelta(0))
        else:
            jobs.release(session, held)


def test_a_jobs_log_ends_where_it_is_full(database: Database, owner: str):
    held = take(database, insert(database, owner))
    with database.jobs() as session:
        for number in range(2010):
            jobs.insert_log_line(session, held, f"line {number}", level="info")
        lines = status.list_log(session, held.job_id, limit=5000)
    assert len(lines) == 2001
    assert lines[-1]["message"] == "the log is full; further lines are dropped"


def test_the_steps_of_a_job_have_its_priority_and_so_have_its_parts(database: Database, owner: str):
    with database.tenant(owner) as session:
        job_id = jobs.insert_job(session, pipeline="p", owner_id=owner, args={}, steps=FAN, subject=None, priority=0)
    succeed(database, take(database, job_id, "split"), FAN, parts=[1, 2])
    with database.jobs() as session:
        found = session.execute(text("SELECT DISTINCT priority FROM jobs.job_steps WHERE job_id = :id"), {"id": job_id})
        assert found.scalars().all() == [0]


def test_a_claim_does_not_wait_long_for_a_job_that_somebody_holds(database: Database, owner: str):
    job_id = insert(database, owner)
    with database.jobs() as frozen:
        frozen.execute(text("SELECT 1 FROM jobs.jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        with pytest.raises(OperationalError, match="lock timeout"):
            take(database, job_id)
    assert take(database, job_id) is not None
