from uuid import UUID

import pytest
from sqlalchemy import text

from db import jobs
from db.engine import Database
from db.jobs import Invariant, OnConflict
from scheduler.audit import Audit
from tests.db.test_batches import batch
from tests.db.test_batches import insert as insert_batch
from tests.db.test_jobs import FAN, TWO, insert, statuses, succeed, take


def spoil(database: Database, statement: str, job_id: UUID) -> None:
    with database.jobs() as session:
        assert session.execute(text(f"{statement} RETURNING 1"), {"id": job_id}).first() is not None


def found(database: Database) -> list[Invariant]:
    with database.jobs() as session:
        return [violation.invariant for violation in jobs.find_violations(session)]


def kept(database: Database) -> dict[Invariant, int]:
    with database.jobs() as session:
        return {invariant: count for invariant, count in jobs.count_violations(session).items() if count}


def test_what_the_status_machine_leaves_is_without_violation(database: Database, owner: str):
    fan = insert(database, owner, FAN)
    succeed(database, take(database, fan, "split"), FAN, parts=[1, 2])
    succeed(database, take(database, fan, "part", 0), FAN)
    failed = insert(database, owner)
    held = take(database, failed)
    with database.jobs() as session:
        assert jobs.holds(session, held)
        jobs.fail(session, held, error="no")
    take(database, insert(database, owner))
    Audit(database).tick()
    assert kept(database) == {}


def test_a_join_that_did_not_fire_is_fired(database: Database, owner: str):
    job_id = insert(database, owner)
    succeed(database, take(database, job_id))
    spoil(database, "UPDATE jobs.job_steps SET status = 'waiting' WHERE job_id = :id AND name = 'second'", job_id)
    Audit(database).tick()
    assert statuses(database, job_id)["second"] == "queued"
    assert kept(database) == {Invariant.JOINS_FIRE: 1}


def test_a_job_that_did_not_end_with_its_steps_is_ended(database: Database, owner: str):
    job_id = insert(database, owner)
    for name in ("first", "second"):
        succeed(database, take(database, job_id, name), TWO)
    spoil(database, "UPDATE jobs.jobs SET finished_at = NULL, status = 'running' WHERE id = :id", job_id)
    Audit(database).tick()
    assert statuses(database, job_id)["job"] == "succeeded"


def test_a_job_that_ended_before_its_steps_is_opened(database: Database, owner: str):
    job_id = insert(database, owner)
    spoil(database, "UPDATE jobs.jobs SET finished_at = now(), status = 'succeeded' WHERE id = :id", job_id)
    Audit(database).tick()
    assert statuses(database, job_id)["job"] == "queued"


def test_what_could_still_start_after_a_failure_is_stopped(database: Database, owner: str):
    job_id = insert(database, owner)
    spoil(database, "UPDATE jobs.job_steps SET status = 'failed' WHERE job_id = :id AND name = 'first'", job_id)
    Audit(database).tick()
    assert statuses(database, job_id)["second"] == "cancelled"


def test_a_key_that_outlived_its_job_is_freed(database: Database, owner: str):
    with database.tenant(owner) as session:
        job_id = jobs.insert_unique_job(
            session,
            pipeline="p",
            owner_id=owner,
            args={},
            steps=TWO,
            subject=None,
            priority=2,
            key="k",
            on_conflict=OnConflict.REJECT,
        )
    spoil(database, "UPDATE jobs.job_steps SET status = 'succeeded' WHERE job_id = :id", job_id)
    spoil(database, "UPDATE jobs.jobs SET finished_at = now(), status = 'succeeded' WHERE id = :id", job_id)
    Audit(database).tick()
    assert found(database) == []


@pytest.mark.parametrize(
    ("change", "invariant"),
    [
        ("lease_until = NULL", Invariant.RUNNING_IS_HELD),
        ("claim_id = NULL", Invariant.RUNNING_IS_HELD),
        ("lease_until = now() - interval '2 minutes'", Invariant.LEASES_ARE_JUDGED),
    ],
)
def test_what_is_not_safe_to_mend_is_told_and_left(database: Database, owner: str, change: str, invariant: Invariant):
    job_id = insert(database, owner)
    take(database, job_id)
    spoil(database, f"UPDATE jobs.job_steps SET {change} WHERE job_id = :id AND name = 'first'", job_id)
    Audit(database).tick()
    assert found(database) == [invariant]
    assert kept(database) == {invariant: 1}


def test_a_batch_that_did_not_end_with_its_last_job_is_ended_and_followed(database: Database, owner: str):
    batch_id, ids = insert_batch(database, owner, 2)
    for job_id in ids:
        spoil(database, "UPDATE jobs.job_steps SET status = 'succeeded' WHERE job_id = :id", job_id)
        spoil(database, "UPDATE jobs.jobs SET finished_at = now(), status = 'succeeded' WHERE id = :id", job_id)
    Audit(database).tick()
    assert batch(database, batch_id)["hook_job_id"] is not None
    assert kept(database) == {Invariant.BATCHES_END: 1}
    assert found(database) == []


def test_a_batch_that_ended_before_its_last_job_is_opened(database: Database, owner: str):
    batch_id, _ = insert_batch(database, owner, 1)
    spoil(database, "UPDATE jobs.batches SET finished_at = now() WHERE id = :id", batch_id)
    Audit(database).tick()
    assert batch(database, batch_id)["finished_at"] is None
    assert kept(database) == {Invariant.BATCHES_END: 1}


def test_a_step_that_waits_in_a_job_that_ended_is_run(database: Database, owner: str):
    job_id = insert(database, owner)
    succeed(database, take(database, job_id))
    succeed(database, take(database, job_id, "second"))
    spoil(
        database,
        "UPDATE jobs.job_steps SET status = 'waiting', finished_at = NULL WHERE job_id = :id AND name = 'second'",
        job_id,
    )
    assert found(database) == [Invariant.STATUS_IS_DERIVED]
    Audit(database).tick()
    assert statuses(database, job_id) == {"job": "running", "first": "succeeded", "second": "queued"}
    assert found(database) == []


def test_a_step_that_began_before_its_time_is_told(database: Database, owner: str):
    job_id = insert(database, owner)
    spoil(database, "UPDATE jobs.job_steps SET status = 'queued' WHERE job_id = :id AND name = 'second'", job_id)
    assert found(database) == [Invariant.JOINS_WAIT]


def test_two_steps_under_one_claim_are_told(database: Database, owner: str):
    first, second = insert(database, owner), insert(database, owner)
    held = take(database, first)
    take(database, second)
    spoil(database, f"UPDATE jobs.job_steps SET claim_id = '{held.claim_id}' WHERE job_id = :id AND status = 'running'", second)
    assert found(database) == [Invariant.CLAIMS_ARE_SINGLE]


@pytest.mark.parametrize(("set_ago", "told"), [("1 minute", [Invariant.LIMITS_HOLD]), ("1 second", [])])
def test_what_was_begun_over_a_limit_is_told_and_what_ran_before_it_was_set_is_not(
    database: Database, owner: str, set_ago: str, told: list[Invariant]
):
    for _ in range(2):
        take(database, insert(database, owner))
    with database.jobs() as session:
        jobs.set_limit(session, jobs.Scope.OWNER, owner, 1)
        session.execute(text("UPDATE jobs.job_steps SET claimed_at = now() - interval '20 seconds' WHERE status = 'running'"))
        session.execute(text("UPDATE jobs.limits SET set_at = now() - CAST(:ago AS interval)"), {"ago": set_ago})
    assert found(database) == told


@pytest.mark.parametrize("column", ["start_by", "finish_by"])
def test_a_late_job_that_nobody_stopped_is_told(database: Database, owner: str, column: str):
    job_id = insert(database, owner)
    spoil(database, f"UPDATE jobs.jobs SET {column} = now() - interval '2 minutes' WHERE id = :id", job_id)
    assert found(database) == [Invariant.LATE_ARE_STOPPED]
