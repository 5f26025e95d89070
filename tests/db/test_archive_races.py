import threading
from uuid import UUID

from sqlalchemy import text

from core.errors import Conflict
from db import jobs
from db.engine import Database
from tests.db.test_archive import ARCHIVED, HOT, REST, failed, places, succeeded, tick, wait_until_blocked
from tests.db.test_jobs import statuses


def test_a_job_that_somebody_holds_is_passed_over_and_moved_the_next_time(database: Database, owner: str):
    held, free = succeeded(database, owner), succeeded(database, owner)
    with database.jobs() as session:
        session.execute(text("SELECT 1 FROM jobs.jobs WHERE id = :id FOR NO KEY UPDATE"), {"id": held})
        tick(database)
        assert (places(database, held), places(database, free)) == (HOT, ARCHIVED)
    tick(database)
    assert places(database, held) == ARCHIVED


def test_a_job_that_is_being_moved_while_what_it_is_about_is_deleted_goes_too(database: Database, owner: str):
    job_id = succeeded(database, owner, subject="video:7")
    removed: list[int] = []

    def remove() -> None:
        with database.jobs() as session:
            removed.append(jobs.delete_jobs(session, "video:7", owner_id=owner))

    thread = threading.Thread(target=remove)
    with database.jobs() as session:
        jobs.make_months(session, REST)
        assert list(jobs.archive_jobs(session, REST, after=UUID(int=0))) == [job_id]
        thread.start()
        wait_until_blocked(database)
    thread.join(20)
    assert (removed, places(database, job_id)) == ([1], (False, False))


def test_a_retry_that_meets_the_move_waits_and_brings_the_job_back(database: Database, owner: str):
    job_id = failed(database, owner)

    def retry() -> None:
        with database.jobs() as session:
            jobs.retry(session, job_id)

    thread = threading.Thread(target=retry)
    with database.jobs() as session:
        jobs.make_months(session, REST)
        jobs.archive_jobs(session, REST, after=UUID(int=0))
        thread.start()
        wait_until_blocked(database)
    thread.join(20)
    assert places(database, job_id) == HOT
    assert statuses(database, job_id)["second"] == "queued"


def test_of_two_retries_at_once_one_brings_the_job_back_and_the_other_is_told(database: Database, owner: str):
    job_id = failed(database, owner)
    tick(database)
    told: list[str] = []

    def retry() -> None:
        try:
            with database.jobs() as session:
                jobs.retry(session, job_id)
        except Conflict as error:
            told.append(str(error))

    threads = [threading.Thread(target=retry) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(told) == 3
    assert all("has not ended" in words for words in told)
    assert places(database, job_id) == HOT
