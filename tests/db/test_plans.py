from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text

from db import jobs
from db.engine import Database
from db.jobs import NewStep, Renewal, Scope, Success
from scheduler.ready import list_ready
from tests.conftest import opened

LEASE = timedelta(seconds=30)
ONE, TWO = [NewStep("first", "io")], [NewStep("first", "io"), NewStep("second", "io", after=("first",))]
GROUPS, TOGETHER = 8, 25  # more than the driver's five before it has a statement planned for good


def insert(database: Database, owner: str, steps: list[NewStep], count: int) -> list[UUID]:
    with database.jobs() as session:
        ids = jobs.insert_jobs(session, pipeline="p", owner_id=owner, args=[{}] * count, steps=steps, subject=None)
        named = text("SELECT id FROM jobs.job_steps WHERE job_id = ANY(:ids) AND name = 'first' ORDER BY id")
        return list(session.execute(named, {"ids": ids}).scalars())


@pytest.mark.parametrize("steps", [ONE, TWO])
def test_what_a_group_writes_is_found_by_its_ids_however_much_else_waits_and_runs(database_url: str, owner: str, steps):
    with psycopg.connect(database_url, autocommit=True) as connection:
        with opened(database_url) as database:
            insert(database, owner, ONE, 3000)
        # The statistics say that nearly everything is over, as they do before a backlog.
        connection.execute("UPDATE jobs.job_steps SET status = 'succeeded'")
        connection.execute("VACUUM ANALYZE jobs.job_steps, jobs.jobs")
        with opened(database_url) as database:
            group = [insert(database, owner, steps, TOGETHER) for _ in range(GROUPS)]
            held = []
            for ids in group:
                with database.hot() as session:
                    held.append(jobs.claim_many(session, ids, worker_id=uuid4(), lease=LEASE))
            assert [len(claims) for claims in held] == [TOGETHER] * GROUPS
            for claims in held:
                with database.hot() as session:
                    renewed = jobs.renew(
                        session, [Renewal(one.step_id, one.claim_id, None, None) for one in claims], lease=LEASE
                    )
                    assert len(renewed) == TOGETHER
            for claims in held[1:]:
                with database.hot() as session:
                    assert len(jobs.succeed(session, [Success(one, steps) for one in claims])) == TOGETHER
            with database.hot() as session:
                jobs.put_back(session, held[0])
        read = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE indexrelname IN ('steps_running', 'steps_ready')"
        assert connection.execute(read).fetchone() == (0,)


@pytest.mark.parametrize("kind", [Scope.OWNER, Scope.QUEUE])
def test_of_a_paused_owner_or_queue_the_relay_reads_no_step(database_url: str, owner: str, kind: Scope):
    with opened(database_url) as database:
        insert(database, owner, ONE, 3000)
        with database.jobs() as session:
            jobs.pause(session, kind, {Scope.OWNER: owner, Scope.QUEUE: "io"}[kind], paused_by="test")
        with database.hot() as session:
            assert list_ready(session, {"io": 8}) == []
    with psycopg.connect(database_url, autocommit=True) as connection:
        read = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE indexrelname = 'steps_ready'"
        [tuples] = connection.execute(read).fetchone()
        assert tuples < 10, "to find the owners"
