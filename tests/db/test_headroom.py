import threading
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from db import jobs
from db.engine import Database
from db.jobs import Free, Needs, NewStep
from db.why import why_not_running
from tests.db.test_jobs import insert, statuses, steps_of, succeed, take

ONE = [NewStep("first", "io")]
GB = 1_000_000_000
UNKNOWN = Free(None, None)


def host(database: Database, name: str, *, disk: int | None, memory: int | None = None) -> None:
    with database.jobs() as session:
        session.execute(
            text("""
            INSERT INTO jobs.workers (id, queues, threads, host, process, free_disk_bytes, free_memory_bytes)
            VALUES (:id, '{io}', 1, :host, 1, :disk, :memory)
            """),
            {"id": uuid4(), "host": name, "disk": disk, "memory": memory},
        )


def reserve(database: Database, held: jobs.Claim, needs: Needs, free: Free, name: str = "x") -> bool:
    with database.jobs() as session:
        return jobs.reserve(session, held, needs, host=name, free=free)


def why(database: Database, job_id: UUID) -> str | None:
    with database.jobs() as session:
        found = why_not_running(session, job_id, now=datetime.now(UTC))
    return found.operators if found else None


def test_a_step_begins_where_there_is_room(database: Database, owner: str):
    job_id = insert(database, owner, ONE)
    assert reserve(database, take(database, job_id), Needs(disk_bytes=40 * GB), Free(40 * GB, None))
    assert statuses(database, job_id)["first"] == "running"


@pytest.mark.parametrize(
    ("needs", "free", "words"),
    [
        (
            Needs(disk_bytes=60 * GB),
            Free(40 * GB, 8 * GB),
            "first needs 60 GB of disk; the largest free space is 40 GB on host x",
        ),
        (
            Needs(memory_bytes=2 * GB),
            Free(None, GB // 2),
            "first needs 2 GB of memory; the most that is free is 500 MB on host x",
        ),
    ],
)
def test_a_step_without_room_goes_back_as_if_it_had_not_been_claimed(
    database: Database, owner: str, needs: Needs, free: Free, words: str
):
    job_id = insert(database, owner, ONE)
    assert not reserve(database, take(database, job_id), needs, free)
    row = steps_of(database, job_id)["first", 0]
    assert (row["status"], row["attempt"], row["claimed_at"], row["error"]) == ("queued", 0, None, words)
    assert statuses(database, job_id)["job"] == "queued"


def test_what_runs_on_a_host_is_taken_off_until_it_ends(database: Database, owner: str):
    first, second, third = (insert(database, owner, ONE) for _ in range(3))
    held, free = take(database, first), Free(100 * GB, None)
    assert reserve(database, held, Needs(60 * GB), free)
    assert not reserve(database, take(database, second), Needs(60 * GB), free)
    assert reserve(database, take(database, third), Needs(60 * GB), free, name="y")
    succeed(database, held, ONE)
    fourth = insert(database, owner, ONE)
    assert reserve(database, take(database, fourth), Needs(60 * GB), free)


def test_of_many_that_ask_one_host_at_once_as_many_begin_as_fit(database: Database, owner: str):
    for number in range(6):
        held = [take(database, insert(database, owner, ONE)) for _ in range(8)]
        assert at_once(database, held, f"host {number}") == [False] * 5 + [True] * 3


def at_once(database: Database, held: list[jobs.Claim], name: str) -> list[bool]:
    barrier = threading.Barrier(len(held))
    begun = []

    def ask(claim: jobs.Claim) -> None:
        with database.jobs() as session:
            session.execute(text("SELECT 1"))
            barrier.wait()
            begun.append(jobs.reserve(session, claim, Needs(disk_bytes=30 * GB), host=name, free=Free(100 * GB, None)))

    threads = [threading.Thread(target=ask, args=(claim,)) for claim in held]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(begun)


def test_where_free_space_is_not_known_nothing_is_held_back(database: Database, owner: str):
    assert reserve(database, take(database, insert(database, owner, ONE)), Needs(60 * GB, 60 * GB), UNKNOWN)


def test_the_reason_names_the_host_with_the_most_left_beside_what_runs_there(database: Database, owner: str):
    host(database, "small", disk=40 * GB)
    host(database, "large", disk=100 * GB)
    waits, runs = insert(database, owner, ONE), insert(database, owner, ONE)
    assert not reserve(database, take(database, waits), Needs(disk_bytes=60 * GB), Free(40 * GB, None), name="small")
    assert why(database, waits).startswith("first runs again in")  # on the large one
    reserve(database, take(database, runs), Needs(disk_bytes=80 * GB), Free(100 * GB, None), name="large")
    assert why(database, waits) == "first needs 60 GB of disk; the largest free space is 40 GB on host small"


def test_disk_on_one_host_and_memory_on_another_is_no_room(database: Database, owner: str):
    host(database, "disk", disk=100 * GB, memory=GB)
    host(database, "memory", disk=GB, memory=100 * GB)
    job_id = insert(database, owner, ONE)
    assert not reserve(database, take(database, job_id), Needs(50 * GB, 50 * GB), Free(GB, 100 * GB))
    assert why(database, job_id) == "first needs 50 GB of disk and 50 GB of memory; no host has both"


def test_a_retry_forgets_what_was_needed(database: Database, owner: str):
    host(database, "x", disk=GB)
    job_id = insert(database, owner, ONE)
    assert not reserve(database, take(database, job_id), Needs(disk_bytes=60 * GB), Free(GB, None))
    with database.jobs() as session:
        jobs.request_cancel(session, job_id)
    with database.jobs() as session:
        jobs.retry(session, job_id)
    assert why(database, job_id) == "first is about to start"
