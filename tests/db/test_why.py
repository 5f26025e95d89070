from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from db import jobs
from db.engine import Database
from db.jobs import Scope
from db.why import why_each, why_not_running
from tests.db.test_jobs import insert, take


@pytest.fixture
def threads(database: Database) -> int:
    with database.jobs() as session:
        statement = text("INSERT INTO jobs.workers (id, queues, threads, host, process) VALUES (:id, '{io}', 1, 'here', 1)")
        session.execute(statement, {"id": uuid4()})
    return 1


def why(database: Database, job_id: UUID) -> str | None:
    with database.jobs() as session:
        found = why_not_running(session, job_id, now=datetime.now(UTC))
    return found.operators if found else None


def test_one_that_is_first_is_about_to_start(database: Database, owner: str, threads: int):
    assert why(database, insert(database, owner)) == "first is about to start"


def test_without_a_worker_the_queue_is_named(database: Database, owner: str):
    assert why(database, insert(database, owner)) == "no worker serves queue io"


def test_those_that_come_before_are_counted(database: Database, owner: str, threads: int):
    running, _, _, last = (insert(database, owner) for _ in range(4))
    take(database, running)
    assert why(database, last) == "the one thread of queue io is busy, and 2 of this owner's steps come before"


def test_a_limit_is_named_with_its_number(database: Database, owner: str, threads: int):
    first, second = insert(database, owner), insert(database, owner)
    with database.jobs() as session:
        jobs.set_limit(session, Scope.OWNER, "*", 1)
    take(database, first)
    assert why(database, second) == "this owner may run 1 at once, and does"


def test_one_that_is_to_be_tried_again_tells_when_and_why(database: Database, owner: str, threads: int):
    job_id = insert(database, owner)
    held = take(database, job_id)
    with database.jobs() as session:
        assert jobs.holds(session, held)
        jobs.retry_later(session, held, error="the disk is full", delay=timedelta(seconds=100))
    assert why(database, job_id) in {f"first runs again in {seconds} s: the disk is full" for seconds in (99, 100)}


def test_one_that_runs_or_has_ended_waits_for_nothing(database: Database, owner: str, threads: int):
    job_id = insert(database, owner)
    take(database, job_id)
    assert why(database, job_id) is None
    ended = insert(database, owner)
    with database.jobs() as session:
        jobs.request_cancel(session, ended)
    assert why(database, ended) is None


def test_where_such_steps_were_measured_it_tells_when_it_starts(database: Database, owner: str, threads: int):
    running, last = insert(database, owner), insert(database, owner)
    take(database, running)
    with database.jobs() as session:
        jobs.keep_times(session, {("p", "first"): (1, 240.0)})
    assert why(database, last) == "the one thread of queue io is busy; it starts in about 4 minutes"


def test_many_are_told_at_once_as_each_is_told_alone(database: Database, owner: str, threads: int):
    running, *waiting = (insert(database, owner) for _ in range(5))
    take(database, running)
    with database.jobs() as session:
        jobs.keep_times(session, {("p", "first"): (1, 60.0)})
        told = why_each(session, [running, *waiting], now=datetime.now(UTC))
    assert {job_id: one.operators for job_id, one in told.items()} == {job_id: why(database, job_id) for job_id in waiting}
    assert told[waiting[3]].operators.endswith("and 3 of this owner's steps come before; it starts in about 4 minutes")


def test_an_owner_is_told_of_no_queue_no_host_and_no_reason_of_operators(database: Database, owner: str):
    job_id = insert(database, owner)

    def told() -> str:
        with database.jobs() as session:
            found = why_not_running(session, job_id, now=datetime.now(UTC))
        assert found
        return found.owner

    assert told() == "nothing does work of this kind now; tell whoever runs this installation"
    with database.jobs() as session:
        jobs.pause(session, Scope.OWNER, owner, paused_by="olga", reason="has not paid")
    assert told() == "your work is paused; whoever runs this installation can resume it"
