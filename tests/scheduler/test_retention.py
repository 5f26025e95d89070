import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import NotFound
from core.ids import first_id_of
from db import jobs, retention, status
from db.engine import Database
from db.jobs import Invariant, Rest, Violation
from tests.db.test_archive import ARCHIVED, DAY, places, succeeded, tick, wait_until_blocked

ROOT = Path(__file__).parents[2]
_MANY_JOBS = """
INSERT INTO jobs.jobs (id, pipeline, owner_id, status, finished_at, created_at)
SELECT id, 'p', :owner, 'succeeded', now() - interval '20 days', now() - interval '20 days' FROM unnest(:ids) i(id)
"""
_MANY_STEPS = """
INSERT INTO jobs.job_steps (id, job_id, name, queue, status, max_attempts, owner_id, pipeline, attempt, finished_at, result)
SELECT gen_random_uuid(), id, name, 'io', 'succeeded', 5, :owner, 'p', 1, now() - interval '20 days', '{"n": 1}'
FROM unnest(:ids) i(id), unnest(ARRAY['first', 'second', 'third']) n(name)
"""


def insert_many(database: Database, owner: str, count: int) -> list[UUID]:
    """Jobs of three steps that succeeded twenty days ago, in the order of their ids."""
    first = first_id_of(datetime.now(UTC) - 20 * DAY).int
    ids = [UUID(int=first + number) for number in range(count)]
    with database.jobs() as session:
        for statement in (_MANY_JOBS, _MANY_STEPS):
            session.execute(text(statement), {"ids": ids, "owner": owner})
    return ids


def count(database: Database, what: str) -> int:
    with database.jobs() as session:
        return int(session.scalar(text(f"SELECT count(*) FROM {what}")))


def is_whole(database: Database, number: int) -> bool:
    """Whether each job is there once, with its three steps."""
    archived = count(database, "jobs.archived_jobs")
    distinct = count(database, "(SELECT id FROM jobs.jobs UNION SELECT id FROM jobs.archived_jobs) u")
    steps = count(database, "jobs.job_steps")
    of_three = count(database, "jobs.archived_jobs WHERE jsonb_array_length(steps) = 3")
    return (distinct, count(database, "jobs.jobs") + archived, steps, of_three) == (
        number,
        number,
        3 * (number - archived),
        archived,
    )


def test_two_at_once_move_everything_once_and_none_fails(database: Database, owner: str, caplog: pytest.LogCaptureFixture):
    ids = insert_many(database, owner, 3000)
    absent: list[UUID] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            for job_id in ids[::97]:
                with database.tenant(owner) as session:
                    shown = status.snapshot(session, job_id)
                if len(shown["steps"]) != 3:
                    absent.append(job_id)

    reader = threading.Thread(target=read)
    reader.start()
    movers = [threading.Thread(target=tick, args=(database,)) for _ in range(2)]
    for thread in movers:
        thread.start()
    for thread in movers:
        thread.join(60)
    stop.set()
    reader.join(20)
    assert count(database, "jobs.archived_jobs") == 3000
    assert is_whole(database, 3000)
    assert absent == []
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_one_that_is_killed_in_the_midst_of_a_move_leaves_every_job_whole(database: Database, database_url: str, owner: str):
    ids = insert_many(database, owner, 1200)
    script = (
        "import sys; from tests.db.test_archive import tick; from db.engine import Database\n"
        "with Database(sys.argv[1]) as database: tick(database)"
    )
    with database.jobs() as session:
        # Rows of the second batch are copied by then, and being removed.
        session.execute(text("SELECT 1 FROM jobs.job_steps WHERE job_id = :id FOR UPDATE"), {"id": ids[700]})
        child = subprocess.Popen([sys.executable, "-c", script, database_url], cwd=ROOT)
        try:
            wait_until_blocked(database)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(20)
        assert count(database, "jobs.archived_jobs") == 500
        assert is_whole(database, 1200)
    tick(database)
    assert count(database, "jobs.archived_jobs") == 1200
    assert is_whole(database, 1200)


def months(database: Database) -> list[str]:
    with database.jobs() as session:
        return [row["month"] for row in jobs.list_months(session)]


def test_months_are_made_ahead_and_dropped_once_every_job_of_them_was_kept_long_enough(database: Database, owner: str):
    old, older = succeeded(database, owner, days=50), succeeded(database, owner, days=59)
    tick(database)
    now = datetime.now(UTC)
    coming = (now.replace(day=1) + 32 * DAY).replace(day=1)
    assert {f"{now:%Y-%m}", f"{coming:%Y-%m}", f"{now - 50 * DAY:%Y-%m}"} <= set(months(database))
    made = months(database)
    tick(database, Rest(ended=7 * DAY, failed=30 * DAY, kept=400 * DAY))
    assert months(database) == made
    end_of_month = (now - 59 * DAY).replace(day=1, hour=0, minute=0, second=0, microsecond=0) + 32 * DAY
    kept = now - end_of_month.replace(day=1)
    tick(database, Rest(ended=7 * DAY, failed=30 * DAY, kept=kept + timedelta(seconds=60)))
    assert places(database, older) == ARCHIVED
    tick(database, Rest(ended=7 * DAY, failed=30 * DAY, kept=kept))
    assert places(database, older) == (False, False)
    assert places(database, old) == ((False, False) if (now - 50 * DAY).month == (now - 59 * DAY).month else ARCHIVED)
    with database.jobs() as session, pytest.raises(NotFound):
        status.snapshot(session, older)


def test_a_month_that_somebody_reads_is_dropped_another_time_and_keeps_nothing_else_from_its_turn(
    database: Database, owner: str
):
    job_id = succeeded(database, owner, days=59)
    tick(database)
    young = succeeded(database, owner)
    with database.jobs() as session:
        session.execute(text("INSERT INTO public.sessions VALUES ('old', '{}', now() - interval '1 second')"))
    shorter = Rest(ended=7 * DAY, failed=30 * DAY, kept=20 * DAY)
    with database.tenant(owner) as session:
        status.snapshot(session, job_id)  # and holds what it read until the transaction ends
        tick(database, shorter)
        assert (places(database, job_id), places(database, young)) == (ARCHIVED, ARCHIVED)
        assert count(database, "public.sessions") == 0
    tick(database, shorter)
    assert places(database, job_id) == (False, False)


def test_rows_that_have_aged_go_and_others_stay(database: Database, owner: str):
    with database.jobs() as session:
        jobs.heal(session, Violation(Invariant.RUNNING_IS_HELD, UUID(int=1), "old"))
        jobs.heal(session, Violation(Invariant.RUNNING_IS_HELD, UUID(int=2), "young"))
        for name, ago in (("old", "1 second"), ("young", "-1 hour")):
            values = {"name": name, "owner": owner, "ago": ago}
            session.execute(text("INSERT INTO public.sessions VALUES (:name, '{}', now() - CAST(:ago AS interval))"), values)
            session.execute(
                text("INSERT INTO jobs.sign_in_tokens VALUES (:name, :owner, now() - CAST(:ago AS interval))"), values
            )
    with database.engine.begin() as connection:
        for name, days in (("old", 401), ("young", 399)):
            values = {"name": name, "owner": owner, "days": days}
            connection.execute(
                text("""
                INSERT INTO jobs.effects (owner_id, kind, key, status, job_id, step, claim_id, settled_at)
                VALUES (:owner, 'k', :name, 'made', gen_random_uuid(), 's', gen_random_uuid(), now() - make_interval(days => :days))
                """),
                values,
            )
            connection.execute(
                text("""
                INSERT INTO jobs.batches (id, owner_id, pipeline, priority, finished_at)
                VALUES (gen_random_uuid(), :owner, :name, 2, now() - make_interval(days => :days))
                """),
                values,
            )
            connection.execute(
                text("""
                WITH made AS (INSERT INTO jobs.schedules (id, owner_id, pipeline, rule, zone, anchor_at, enabled)
                    VALUES (gen_random_uuid(), :owner, 'p', '{}', 'UTC', now(), false) RETURNING id)
                INSERT INTO jobs.schedule_fires (schedule_id, fire_at, outcome, reason, recorded_at)
                SELECT id, now(), 'fired', :name, now() - make_interval(days => :days) FROM made
                """),
                values,
            )
            connection.execute(
                text("""
                INSERT INTO jobs.operator_actions (operator, action, target, detail, done_at)
                VALUES ('ana', 'pause', :name, '{}', now() - make_interval(days => :days))
                """),
                values,
            )
        for name, days in (("old", 31), ("young", 29)):
            connection.execute(
                text("""
                INSERT INTO jobs.awaited (kind, name, user_id, job_id, step, late_pipeline, late_args, answer_by)
                VALUES ('k', :name, :owner, gen_random_uuid(), 's', 'p', '{}', now() - make_interval(days => :days))
                """),
                {"name": name, "owner": owner, "days": days},
            )
        connection.execute(text("UPDATE jobs.violations SET found_at = now() - interval '91 days' WHERE detail = 'old'"))
    with database.tenant(owner) as session:
        for name, ago in (("old", "49 hours"), ("young", "47 hours")):
            session.execute(
                text("""
                INSERT INTO jobs.idempotency_keys (user_id, endpoint, key, request_hash, created_at)
                VALUES (:owner, 'e', :name, '', now() - CAST(:ago AS interval))
                """),
                {"owner": owner, "name": name, "ago": ago},
            )
    tick(database)
    columns = {
        "jobs.awaited": "name",
        "jobs.batches": "pipeline",
        "jobs.effects": "key",
        "jobs.schedule_fires": "reason",
        "jobs.operator_actions": "target",
        "jobs.violations": "detail",
        "public.sessions": "sid",
        "jobs.sign_in_tokens": "token_hash",
        "jobs.idempotency_keys": "key",
    }
    assert columns.keys() == retention.AGED.keys()
    with database.jobs() as session:
        left = {table: session.scalars(text(f"SELECT {column} FROM {table}")).all() for table, column in columns.items()}
        assert left == {table: ["young"] for table in columns}
        assert jobs.count_violations(session)[Invariant.RUNNING_IS_HELD] == 2


def test_aged_rows_go_in_batches_until_none_is_left(database: Database):
    with database.jobs() as session:
        session.execute(
            text("INSERT INTO public.sessions SELECT n::text, '{}', now() - interval '1 day' FROM generate_series(1, 12000) n")
        )
        assert retention.prune_rows(session, "public.sessions") == 5000
    tick(database)
    assert count(database, "public.sessions") == 0


def test_every_table_of_ours_ages_or_is_bounded(database: Database):
    """A new table gets a line in db/retention.py: how long it remembers, or what keeps it small."""
    with database.engine.connect() as connection:
        statement = text("""
            SELECT 'jobs.' || relname FROM pg_class WHERE relnamespace = CAST('jobs' AS regnamespace) AND relkind IN ('r', 'p')
              AND NOT relispartition
        """)
        there = set(connection.scalars(statement))
    listed = {*retention.AGED, *retention.BOUNDED}
    assert listed == there | {"public.sessions"}
    assert not retention.AGED.keys() & retention.BOUNDED.keys()
