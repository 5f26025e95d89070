import json
import threading
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
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


def fail(database: Database, held: jobs.Claim) -> None:
    with database.jobs() as session:
        assert jobs.holds(session, held)
        jobs.fail(session, held, error="no")


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


def test_all_that_a_lost_worker_held_comes_back_at_the_first_look(database, owner):
    """Of a peer, 24 such jobs came back one by one, by chance, the last not within twenty minutes."""
    with database.jobs() as session:
        new = {"pipeline": "p", "owner_id": owner, "args": [{}] * 24, "steps": TWO, "subject": None}
        job_ids = jobs.insert_jobs(session, **new)
        ids = list(session.execute(text("SELECT id FROM jobs.job_steps WHERE name = 'first'")).scalars())
        assert len(jobs.claim_many(session, ids, worker_id=uuid4(), lease=LEASE)) == 24
        for job_id in job_ids:
            expire(session, job_id)
        assert jobs.rescue(session) == 24
    with database.jobs() as session:
        assert len(jobs.claim_many(session, ids, worker_id=uuid4(), lease=LEASE)) == 24


def test_a_part_that_ends_twice_does_not_fire_the_join_before_the_others(database, owner):
    """Of a peer, a doubled message counted as another member, and the callback ran early; after a flush it ran for each."""
    job_id = insert(database, owner, FAN)
    succeed(database, take(database, job_id, "split"), FAN, parts=[1, 2])
    first, second = take(database, job_id, "part", 0), take(database, job_id, "part", 1)
    assert [succeed(database, first, FAN), succeed(database, first, FAN)] == [True, False]
    assert statuses(database, job_id)["join"] == "waiting"
    succeed(database, second, FAN)
    assert statuses(database, job_id)["join"] == "queued"


@pytest.mark.parametrize(("optional", "join", "job"), [(True, "queued", "running"), (False, "cancelled", "failed")])
def test_a_join_is_settled_though_a_part_of_it_failed(database, owner, optional: bool, join: str, job: str):
    """Of a peer, a group with one member that failed never called back, and nobody was told."""
    steps = [FAN[0], replace(FAN[1], optional=optional), FAN[2]]
    job_id = insert(database, owner, steps)
    succeed(database, take(database, job_id, "split"), steps, parts=[1, 2])
    succeed(database, take(database, job_id, "part", 0), steps)
    fail(database, take(database, job_id, "part", 1))
    shown = statuses(database, job_id)
    assert (shown["join"], shown["job"]) == (join, job)


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


def test_a_worker_that_knows_fewer_steps_of_the_pipeline_does_not_end_the_job(database, owner):
    job_id = insert(database, owner)
    succeed(database, take(database, job_id), steps=TWO[:1])
    assert statuses(database, job_id) == {"job": "running", "first": "succeeded", "second": "queued"}


def test_where_nothing_was_parted_a_join_waits_for_what_its_parts_would_have_waited_for(database, owner):
    slow = NewStep("slow", "io")
    steps = [slow, FAN[0], NewStep("part", "io", after=("slow",), for_each="split"), FAN[2]]
    job_id = insert(database, owner, steps)
    succeed(database, take(database, job_id, "split"), steps, parts=[])
    assert statuses(database, job_id)["join"] == "waiting"
    succeed(database, take(database, job_id, "slow"), steps)
    assert statuses(database, job_id)["join"] == "queued"


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
