from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from api_stub.dashboard import queries
from core.errors import Conflict, NotFound
from core.ids import first_id_of, new_id
from db import jobs, status
from db.engine import Database
from db.jobs import Rest
from db.jobs.archive import bring_back
from scheduler.retention import Retention
from tests.conftest import wait_until
from tests.db.test_jobs import FAN, LEASE, TWO, statuses, succeed, take

DAY = timedelta(days=1)
REST = Rest(ended=7 * DAY, failed=30 * DAY, kept=400 * DAY)


def insert_old(database: Database, owner: str, *, days: float = 60, subject: str | None = None, **job: Any) -> UUID:
    """A job that was made so many days ago."""
    job_id = UUID(int=first_id_of(datetime.now(UTC) - days * DAY).int | new_id().int & ((1 << 64) - 1))
    with database.tenant(owner) as session:
        new = {"pipeline": "p", "args": {"n": 1.5}, "steps": TWO, **job}
        return jobs.insert_job(session, owner_id=owner, subject=subject, job_id=job_id, **new)


def end_ago(database: Database, job_id: UUID, days: float) -> UUID:
    with database.jobs() as session:
        statement = text(
            "UPDATE jobs.jobs SET finished_at = now() - :ago WHERE id = :id AND finished_at IS NOT NULL RETURNING 1"
        )
        assert session.execute(statement, {"ago": days * DAY, "id": job_id}).first() is not None
    return job_id


def succeeded(database: Database, owner: str, *, days: float = 10, **job: Any) -> UUID:
    """A job that succeeded so many days ago."""
    job_id = insert_old(database, owner, **job)
    for name in ("first", "second"):
        assert succeed(database, take(database, job_id, name))
    return end_ago(database, job_id, days)


def failed(database: Database, owner: str, *, days: float = 31, **job: Any) -> UUID:
    """One whose second step failed."""
    job_id = insert_old(database, owner, **job)
    succeed(database, take(database, job_id))
    held = take(database, job_id, "second")
    with database.jobs() as session:
        assert jobs.holds(session, held)
        jobs.fail(session, held, error="the disk broke", evidence={"stderr": "no", "peak": 1e3})
    return end_ago(database, job_id, days)


def eventful(database: Database, owner: str) -> UUID:
    """One with parts, a retry, log lines and everything else that a job's rows can hold."""
    job_id = insert_old(database, owner, steps=FAN, args={"text": "ü€", "deep": [{"a": None}, 1e20, 0.1]}, subject="video:7")
    held = take(database, job_id, "split")
    with database.jobs() as session:
        jobs.save_checkpoint(session, held, {"at": 3})
        jobs.renew(session, [jobs.Renewal(held.step_id, held.claim_id, 0.1, "one tenth")], lease=LEASE)
        for line in ("begins", "goes\non"):
            jobs.insert_log_line(session, held, line, level="info")
        jobs.retry_later(session, held, error="not now", delay=timedelta(0), evidence={"stderr": "secret", "signal": 9})
    succeed(database, take(database, job_id, "split"), FAN, parts=[{"n": 1}, "two"])
    for name, part in (("part", 0), ("part", 1), ("join", 0)):
        succeed(database, take(database, job_id, name, part), FAN)
    return end_ago(database, job_id, 10)


def tick(database: Database, rest: Rest = REST) -> None:
    Retention(database, rest).tick()


def rows(database: Database, table: str) -> list[dict]:
    with database.jobs() as session:
        statement = text(f"SELECT to_jsonb(t) FROM jobs.{table} t ORDER BY to_jsonb(t)::text")
        return list(session.execute(statement).scalars())


def take_unique_key(database: Database, job_id: UUID) -> None:
    with database.jobs() as session:
        session.execute(text("INSERT INTO jobs.unique_keys (pipeline, key, job_id) VALUES ('p', 'k', :id)"), {"id": job_id})


def wait_until_blocked(database: Database) -> None:
    statement = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")

    def is_blocked() -> bool:
        with database.engine.connect() as connection:
            return connection.scalar(statement) > 0

    wait_until(is_blocked)


def places(database: Database, job_id: UUID) -> tuple[bool, bool]:
    """Whether it is hot, and whether it is archived."""
    with database.jobs() as session:
        statement = (
            "SELECT EXISTS (SELECT 1 FROM jobs.jobs WHERE id = :id), EXISTS (SELECT 1 FROM jobs.archived_jobs WHERE id = :id)"
        )
        return tuple(session.execute(text(statement), {"id": job_id}).one())


HOT, ARCHIVED = (True, False), (False, True)
TABLES = ("jobs", "job_steps", "job_attempts", "job_logs")


def test_an_archived_job_reads_as_before_to_its_owner_and_to_nobody_else(database: Database, owner: str):
    job_id = eventful(database, owner)

    def read(user: str) -> tuple:
        with database.tenant(user) as session:
            return status.snapshot(session, job_id), status.list_log(session, job_id), status.list_evidence(session, job_id)

    before = read(owner)
    tick(database)
    assert places(database, job_id) == ARCHIVED
    assert [rows(database, table) for table in TABLES] == [[], [], [], []]
    assert read(owner) == before
    assert [len(part) for part in before[1:]] == [2, 2]
    with pytest.raises(NotFound):
        read("stranger")
    with database.tenant("stranger") as session:
        assert status.list_log(session, job_id) == []


def test_a_job_that_is_brought_back_has_every_column_of_every_row(database: Database, owner: str):
    job_id = eventful(database, owner)
    before = {table: rows(database, table) for table in TABLES}
    assert {table: len(found) for table, found in before.items()} == {
        "jobs": 1,
        "job_steps": 4,
        "job_attempts": 2,
        "job_logs": 2,
    }
    tick(database)
    with database.jobs() as session:
        bring_back(session, job_id)
    assert {table: rows(database, table) for table in TABLES} == before
    assert rows(database, "archived_jobs") == []


def test_a_column_that_came_later_gets_its_default(database: Database, owner: str):
    job_id = succeeded(database, owner)
    tick(database)
    with database.engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE jobs.job_steps ADD COLUMN colour text NOT NULL DEFAULT 'green', DROP COLUMN deaths")
        )
        connection.execute(text("ALTER TABLE jobs.jobs ADD COLUMN weight integer NOT NULL DEFAULT 7"))
    with database.jobs() as session:
        bring_back(session, job_id)
    assert [row["colour"] for row in rows(database, "job_steps")] == ["green", "green"]
    assert rows(database, "jobs")[0]["weight"] == 7


def test_a_retry_brings_an_archived_job_back(database: Database, owner: str):
    job_id = failed(database, owner, unique_key="k")
    tick(database)
    assert places(database, job_id) == ARCHIVED
    with database.jobs() as session:
        jobs.retry(session, job_id)
    assert statuses(database, job_id) == {"job": "running", "first": "succeeded", "second": "queued"}
    succeed(database, take(database, job_id, "second"))
    assert statuses(database, job_id)["job"] == "succeeded"
    tick(database)
    assert places(database, job_id) == HOT


@pytest.mark.parametrize(
    ("make", "step", "words"),
    [(succeeded, None, "nothing to run again"), (failed, "third", "no step"), (failed, None, "another one for the same")],
)
def test_a_retry_that_is_refused_leaves_the_job_archived(
    database: Database, owner: str, make: Callable[..., UUID], step: str | None, words: str
):
    job_id = make(database, owner, unique_key="k")
    tick(database)
    if words.startswith("another"):
        take_unique_key(database, insert_old(database, owner, unique_key="k"))
    with pytest.raises(Conflict, match=words), database.jobs() as session:
        jobs.retry(session, job_id, step=step)
    assert places(database, job_id) == ARCHIVED


def test_cancelling_an_archived_job_is_a_conflict_and_of_none_not_found(database: Database, owner: str):
    job_id = succeeded(database, owner)
    tick(database)
    with pytest.raises(Conflict, match="has ended already"), database.jobs() as session:
        jobs.request_cancel(session, job_id)
    with pytest.raises(NotFound), database.jobs() as session:
        jobs.request_cancel(session, new_id())


def quarantined(database: Database, owner: str, *, days: float) -> UUID:
    job_id = failed(database, owner, days=days)
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.jobs SET status = 'quarantined' WHERE id = :id"), {"id": job_id})
    return job_id


@pytest.mark.parametrize(
    ("make", "days", "place"),
    [
        (succeeded, 6.9, HOT),
        (succeeded, 7.1, ARCHIVED),
        (failed, 29.9, HOT),
        (failed, 30.1, ARCHIVED),
        (quarantined, 29.9, HOT),
        (quarantined, 30.1, ARCHIVED),
    ],
)
def test_a_job_stays_hot_for_a_week_and_one_that_went_wrong_for_a_month(
    database: Database, owner: str, make: Callable[..., UUID], days: float, place: tuple[bool, bool]
):
    job_id = make(database, owner, days=days)
    tick(database)
    assert places(database, job_id) == place


def test_what_has_not_truly_ended_is_not_moved(database: Database, owner: str):
    waiting = insert_old(database, owner)
    contradicted, keyed = succeeded(database, owner), succeeded(database, owner, unique_key="k")
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET status = 'queued' WHERE job_id = :id"), {"id": contradicted})
    take_unique_key(database, keyed)
    tick(database)
    assert [places(database, job_id) for job_id in (waiting, contradicted, keyed)] == [HOT] * 3


def test_lists_hold_hot_and_archived_jobs_in_one_order(database: Database, owner: str):
    made = [succeeded(database, owner, days=days, subject="video:7") for days in (10, 1, 12, 2)]
    made += [failed(database, owner, days=40), insert_old(database, owner)]
    tick(database)
    assert [places(database, job_id) for job_id in made] == [ARCHIVED, HOT, ARCHIVED, HOT, ARCHIVED, HOT]
    newest = sorted(made, reverse=True)
    with database.tenant(owner) as session:
        pages = [status.list_jobs(session, before=before, limit=2) for before in (None, newest[1], newest[3], newest[5])]
        assert [row["id"] for page in pages for row in page] == newest
        assert {row["args"]["n"] for page in pages for row in page} == {1.5}
        assert [row["id"] for row in queries.list_jobs(session, limit=100)] == newest
        of_video = [row["id"] for row in queries.list_jobs(session, subject="video:7", limit=100)]
        assert of_video == sorted(made[:4], reverse=True)
        assert {
            (row["ended"], row["steps"], row["share"]) for row in queries.list_jobs(session, subject="video:7", limit=9)
        } == {(2, 2, 1)}
        assert [row["id"] for row in queries.list_jobs(session, live=True, limit=100)] == [made[5]]
        assert [row["id"] for row in status.list_jobs(session, status="failed")] == [made[4]]
        assert [row["id"] for row in status.list_jobs(session, status="queued")] == [made[5]]
    with database.tenant("stranger") as session:
        assert status.list_jobs(session) == queries.list_jobs(session, limit=9) == []


def test_jobs_about_what_is_deleted_go_from_both_places(database: Database, owner: str):
    gone = [succeeded(database, owner, days=days, subject="video:7") for days in (10, 1)]
    kept = succeeded(database, owner, subject="video:77")
    tick(database)
    with database.jobs() as session:
        assert jobs.delete_jobs(session, "video:7", owner_id="stranger") == 0
        assert jobs.delete_jobs(session, "video:7", owner_id=owner) == 2
    assert [places(database, job_id) for job_id in (*gone, kept)] == [(False, False), (False, False), ARCHIVED]


def test_the_archive_is_read_by_its_owner_and_written_by_nobody_who_asks(database: Database, owner: str):
    succeeded(database, owner)
    tick(database)
    with database.tenant(owner) as session:
        assert session.scalar(text("SELECT count(*) FROM jobs.archived_jobs")) == 1
    with database.tenant("stranger") as session:
        assert session.scalar(text("SELECT count(*) FROM jobs.archived_jobs")) == 0
    month = f"jobs.archived_jobs_{datetime.now(UTC) - 10 * DAY:%Y_%m}"
    for statement in (
        f"SELECT 1 FROM {month}",
        "DELETE FROM jobs.archived_jobs",
        "UPDATE jobs.archived_jobs SET owner_id = 'me'",
        "INSERT INTO jobs.archived_jobs SELECT * FROM jobs.archived_jobs",
        "SELECT jobs.drop_archive_months(now())",
        "SELECT jobs.make_archive_month(now())",
    ):
        with database.tenant(owner) as session, pytest.raises(ProgrammingError, match="permission denied"):
            session.execute(text(statement))


def test_what_names_a_job_is_known(database_url: str):
    """A new table that references jobs goes with them when they are moved, unless somebody thinks of it: then add it here."""
    with psycopg.connect(database_url) as connection:
        statement = """
            SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
            WHERE contype = 'f' AND confrelid::regclass::text = ANY(%s)
        """
        found = set(connection.execute(statement, [[f"jobs.{table}" for table in TABLES]]).fetchall())
    # Moved with the job, and the keys, which only unfinished jobs hold.
    assert found == {
        ("jobs.job_steps", "jobs.jobs"),
        ("jobs.job_logs", "jobs.jobs"),
        ("jobs.job_attempts", "jobs.job_steps"),
        ("jobs.unique_keys", "jobs.jobs"),
    }
