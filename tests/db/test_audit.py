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
