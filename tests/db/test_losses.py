"""A worker that died is one of which that is known: nobody waits for its leases, and what it died of is kept."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.reaping import Reaped
from db import jobs, status
from db.engine import Database
from db.jobs import NewStep
from tests.db.test_jobs import LEASE, insert, statuses, steps_of, succeed, take

KILLED = Reaped(process=77, code=-9, peak_memory_bytes=5 << 20)


def claim_as(database: Database, job_id: UUID, *, process: int = 77) -> UUID:
    """A worker beats, and claims the first step."""
    worker_id = uuid4()
    with database.jobs() as session:
        session.execute(
            text("INSERT INTO jobs.workers (id, queues, threads, host, process) VALUES (:id, '{io}', 1, 'here', :process)"),
            {"id": worker_id, "process": process},
        )
        assert jobs.claim(session, steps_of(database, job_id)["first", 0]["id"], worker_id=worker_id, lease=LEASE)
    return worker_id


def die(database: Database, reaped: Reaped = KILLED, *, host: str = "here") -> tuple[bool, int]:
    """Whether a worker died, and how many steps came back, though no lease is believed."""
    with database.jobs() as session:
        return jobs.record_death(session, host=host, reaped=reaped), jobs.rescue(session, believes_leases=False)


def test_what_a_dead_worker_ran_comes_back_before_its_lease_expires_with_what_it_died_of(database, owner):
    job_id = insert(database, owner)
    claim_as(database, job_id)
    assert die(database) == (True, 1)
    assert statuses(database, job_id)["first"] == "queued"
    with database.jobs() as session:
        [attempt] = status.list_evidence(session, job_id)
    assert attempt["evidence"] == {"signal": "SIGKILL", "peak_memory_bytes": 5 << 20}


@pytest.mark.parametrize(("host", "process"), [("elsewhere", 77), ("here", 78)])
def test_the_death_of_another_process_takes_no_step_away(database, owner, host, process):
    job_id = insert(database, owner)
    claim_as(database, job_id)
    assert die(database, Reaped(process, -9, 0), host=host) == (False, 0)
    assert statuses(database, job_id)["first"] == "running"


def test_a_process_with_the_number_of_one_that_died_is_another(database, owner):
    first, second = insert(database, owner), insert(database, owner)
    claim_as(database, first)
    die(database)
    claim_as(database, second)
    with database.jobs() as session:
        assert jobs.rescue(session, believes_leases=False) == 0
    assert die(database) == (True, 1)


@pytest.mark.parametrize("held", ["jobs.jobs WHERE id = :id", "jobs.job_steps WHERE job_id = :id"])
def test_what_a_frozen_worker_has_its_hands_on_holds_up_no_other_rescue(database, owner, held):
    first, second = insert(database, owner), insert(database, owner)
    worker_id = claim_as(database, first)
    with database.jobs() as session:
        assert jobs.claim(session, steps_of(database, second)["first", 0]["id"], worker_id=worker_id, lease=LEASE)
    with database.jobs() as frozen:
        frozen.execute(text(f"SELECT 1 FROM {held} FOR NO KEY UPDATE"), {"id": first})
        assert die(database) == (True, 1)
        assert [statuses(database, job_id)["first"] for job_id in (first, second)] == ["running", "queued"]
    with database.jobs() as session:
        assert jobs.rescue(session, believes_leases=False) == 1
    assert statuses(database, first)["first"] == "queued"


def test_what_died_with_its_worker_before_is_quarantined_with_the_evidence_of_both(database, owner):
    job_id = insert(database, owner)
    for process in (77, 78):
        claim_as(database, job_id, process=process)
        die(database, Reaped(process, -11, 1 << 20))
    assert statuses(database, job_id) == {"job": "quarantined", "first": "quarantined", "second": "cancelled"}
    with database.jobs() as session:
        assert [one["evidence"]["signal"] for one in status.list_evidence(session, job_id)] == ["SIGSEGV", "SIGSEGV"]


def test_an_optional_step_that_lost_its_worker_twice_fails_and_holds_nothing_up(database, owner):
    steps = [NewStep("first", "io", optional=True), NewStep("second", "io", after=("first",))]
    job_id = insert(database, owner, steps)
    for process in (77, 78):
        claim_as(database, job_id, process=process)
        die(database, Reaped(process, -9, 0))
    assert statuses(database, job_id) == {"job": "running", "first": "failed", "second": "queued"}
    succeed(database, take(database, job_id, "second"), steps)
    assert statuses(database, job_id)["job"] == "succeeded"
