import threading
from uuid import UUID

import pytest

from core.errors import Conflict
from db import jobs, status
from db.engine import Database
from db.jobs import NewStep, OnConflict
from tests.db.test_jobs import statuses, succeed, take

ONE = [NewStep("first", "io")]


def insert(database: Database, owner: str, on_conflict: OnConflict, *, key: str = "k", number: int = 0) -> UUID:
    with database.tenant(owner) as session:
        return jobs.insert_unique_job(
            session,
            pipeline="p",
            owner_id=owner,
            args={"number": number},
            steps=ONE,
            subject=None,
            priority=2,
            key=key,
            on_conflict=on_conflict,
        )


def run(database: Database, job_id: UUID) -> None:
    succeed(database, take(database, job_id), ONE)


def numbers(database: Database) -> list[int]:
    with database.jobs() as session:
        return sorted(row["args"]["number"] for row in status.list_jobs(session))


def test_an_unfinished_one_stands_for_the_same(database: Database, owner: str):
    first = insert(database, owner, OnConflict.EXISTING)
    assert insert(database, owner, OnConflict.EXISTING) == first
    take(database, first)
    assert insert(database, owner, OnConflict.EXISTING) == first


def test_one_that_ended_does_not(database: Database, owner: str):
    first = insert(database, owner, OnConflict.EXISTING)
    run(database, first)
    assert insert(database, owner, OnConflict.EXISTING) != first


def test_a_second_one_is_refused_by_name(database: Database, owner: str):
    first = insert(database, owner, OnConflict.REJECT)
    with pytest.raises(Conflict, match=str(first)):
        insert(database, owner, OnConflict.REJECT)
    assert len(numbers(database)) == 1


def test_another_key_is_another_job(database: Database, owner: str):
    assert insert(database, owner, OnConflict.REJECT) != insert(database, owner, OnConflict.REJECT, key="other")


def test_a_replaced_one_is_cancelled_and_its_successor_holds_the_key(database: Database, owner: str):
    first = insert(database, owner, OnConflict.REPLACE)
    second = insert(database, owner, OnConflict.REPLACE)
    assert statuses(database, first)["job"] == "cancelled"
    assert insert(database, owner, OnConflict.EXISTING) == second


def test_a_replaced_one_that_runs_is_told_to_stop(database: Database, owner: str):
    first = insert(database, owner, OnConflict.REPLACE)
    held = take(database, first)
    insert(database, owner, OnConflict.REPLACE)
    with database.jobs() as session:
        assert status.get_job(session, first)["cancel_requested_at"] is not None
        assert jobs.holds(session, held)
        jobs.cancel_step(session, held)
    assert statuses(database, first)["job"] == "cancelled"


def test_of_those_to_be_run_after_only_the_last_runs_once(database: Database, owner: str):
    first = insert(database, owner, OnConflict.REPLAY, number=1)
    take_first = take(database, first)
    assert insert(database, owner, OnConflict.REPLAY, number=2) == first
    assert insert(database, owner, OnConflict.REPLAY, number=3) == first
    assert numbers(database) == [1]
    succeed(database, take_first, ONE)
    assert numbers(database) == [1, 3]
    with database.jobs() as session:
        [again] = [row["id"] for row in status.list_jobs(session) if row["args"]["number"] == 3]
    assert insert(database, owner, OnConflict.EXISTING) == again
    run(database, again)
    assert numbers(database) == [1, 3]


def test_what_waits_to_be_run_after_also_follows_a_failure(database: Database, owner: str):
    first = insert(database, owner, OnConflict.REPLAY, number=1)
    insert(database, owner, OnConflict.REPLAY, number=2)
    held = take(database, first)
    with database.jobs() as session:
        assert jobs.holds(session, held)
        jobs.fail(session, held, error="no")
    assert numbers(database) == [1, 2]


def test_one_that_ended_runs_again_only_while_no_other_does(database: Database, owner: str):
    first = insert(database, owner, OnConflict.EXISTING)
    with database.jobs() as session:
        jobs.request_cancel(session, first)
    second = insert(database, owner, OnConflict.EXISTING)
    with database.jobs() as session, pytest.raises(Conflict, match="has not ended"):
        jobs.retry(session, first)
    run(database, second)
    with database.jobs() as session:
        jobs.retry(session, first)
    assert insert(database, owner, OnConflict.EXISTING) == first


@pytest.mark.parametrize("on_conflict", [OnConflict.EXISTING, OnConflict.REPLACE, OnConflict.REPLAY])
def test_many_at_once_leave_one_that_is_not_told_to_stop(database: Database, owner: str, on_conflict: OnConflict):
    errors: list[BaseException] = []

    def enqueue() -> None:
        try:
            for _ in range(5):
                run_or_not = insert(database, owner, on_conflict)
                held = take(database, run_or_not)
                if held is not None:
                    succeed(database, held, ONE)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=enqueue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with database.jobs() as session:
        live = [
            row for row in status.list_jobs(session, limit=500) if not row["finished_at"] and not row["cancel_requested_at"]
        ]
    assert len(live) <= 1
