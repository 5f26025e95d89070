import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.errors import Invalid
from db import jobs, status
from db.engine import Database
from db.jobs import NewStep
from pipelines.base import enqueue
from scheduler.rescue import Rescue
from tests.db.test_jobs import LEASE, statuses, succeed, take

TWO = [NewStep("first", "io"), NewStep("second", "io", after=("first",))]


def insert(database: Database, owner: str, **limits: float) -> UUID:
    with database.tenant(owner) as session:
        return jobs.insert_job(session, pipeline="p", owner_id=owner, args={}, steps=TWO, subject=None, **limits)


def pass_limit(database: Database, job_id: UUID) -> None:
    """As if the job had been made a day before."""
    with database.jobs() as session:
        session.execute(
            text(
                "UPDATE jobs.jobs SET start_by = start_by - interval '1 day', finish_by = finish_by - interval '1 day' WHERE id = :id"
            ),
            {"id": job_id},
        )


def stop_late(database: Database) -> int:
    with database.jobs() as session:
        return jobs.stop_late_jobs(session)


def error_of(database: Database, job_id: UUID) -> str | None:
    with database.jobs() as session:
        return status.get_job(session, job_id)["error"]


def test_a_job_that_has_not_begun_in_time_fails_and_says_so(database: Database, owner: str):
    job_id = insert(database, owner, start_seconds=60)
    assert stop_late(database) == 0
    pass_limit(database, job_id)
    Rescue(database, lease=timedelta(seconds=12)).tick()
    assert statuses(database, job_id) == {"job": "failed", "first": "cancelled", "second": "cancelled"}
    assert "had not begun by 20" in error_of(database, job_id)


def test_nothing_begins_after_its_limit_though_nobody_has_looked_yet(database: Database, owner: str):
    job_id = insert(database, owner, start_seconds=60)
    pass_limit(database, job_id)
    assert take(database, job_id) is None


def test_a_job_that_began_in_time_goes_on(database: Database, owner: str):
    job_id = insert(database, owner, start_seconds=60)
    held = take(database, job_id)
    with database.jobs() as session:  # as in a deploy
        jobs.release(session, held)
    pass_limit(database, job_id)
    assert stop_late(database) == 0
    succeed(database, take(database, job_id), TWO)
    assert stop_late(database) == 0
    assert take(database, job_id, "second") is not None


def test_a_claim_that_was_put_back_unbegun_is_no_beginning(database: Database, owner: str):
    job_id = insert(database, owner, start_seconds=60)
    with database.jobs() as session:
        jobs.put_back(session, [jobs.claim(session, first_step(database, job_id), worker_id=uuid4(), lease=LEASE)])
    pass_limit(database, job_id)
    assert stop_late(database) == 1
    assert statuses(database, job_id)["job"] == "failed"


def first_step(database: Database, job_id: UUID) -> UUID:
    with database.jobs() as session:
        return next(row["id"] for row in status.list_steps(session, job_id) if row["name"] == "first")


def test_a_job_that_has_not_ended_in_time_is_asked_to_stop_and_fails(database: Database, owner: str):
    job_id = insert(database, owner, finish_seconds=60)
    held = take(database, job_id)
    pass_limit(database, job_id)
    assert stop_late(database) == 1
    assert statuses(database, job_id) == {"job": "running", "first": "running", "second": "cancelled"}
    with database.jobs() as session:
        assert jobs.renew(session, [jobs.Renewal(held.step_id, held.claim_id, None, None)], lease=LEASE) == {
            held.claim_id: True
        }
        jobs.cancel_step(session, held)
    assert statuses(database, job_id)["job"] == "failed"
    assert "had not ended by 20" in error_of(database, job_id)
    assert stop_late(database) == 0


def test_a_job_that_is_run_again_has_no_limit_any_more(database: Database, owner: str):
    job_id = insert(database, owner, start_seconds=60, finish_seconds=60)
    pass_limit(database, job_id)
    stop_late(database)
    with database.jobs() as session:
        jobs.retry(session, job_id)
    assert stop_late(database) == 0
    succeed(database, take(database, job_id), TWO)
    succeed(database, take(database, job_id, "second"), TWO)
    assert (statuses(database, job_id)["job"], error_of(database, job_id)) == ("succeeded", None)


def test_one_that_was_cancelled_before_stays_cancelled(database: Database, owner: str):
    job_id = insert(database, owner, finish_seconds=60)
    held = take(database, job_id)
    with database.jobs() as session:
        jobs.request_cancel(session, job_id)
    pass_limit(database, job_id)
    assert stop_late(database) == 0
    with database.jobs() as session:
        jobs.cancel_step(session, held)
    assert statuses(database, job_id)["job"] == "cancelled"


def test_claims_and_the_clock_at_once_leave_each_job_begun_or_failed(database: Database, owner: str):
    made = [insert(database, owner, start_seconds=0.02) for _ in range(12)]
    barrier = threading.Barrier(2)
    begun = []

    def claim_all() -> None:
        barrier.wait()
        begun.extend(job_id for job_id in made if take(database, job_id))

    def stop_all() -> None:
        barrier.wait()
        for _ in range(20):
            stop_late(database)

    threads = [threading.Thread(target=claim_all), threading.Thread(target=stop_all)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop_late(database)
    assert [statuses(database, job_id)["job"] for job_id in made] == [
        "running" if job_id in begun else "failed" for job_id in made
    ]


def test_a_limit_that_is_no_time_is_refused(database: Database, owner: str):
    with database.tenant(owner) as session, pytest.raises(Invalid, match="more than nothing"):
        enqueue(session, "self_check", {}, owner_id=owner, start_within=timedelta(0))
