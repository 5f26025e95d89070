from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from core.local_stack.servers import Servers
from core.sandbox.run import Sandbox
from core.storage import FolderStorage
from db import users, videos
from db.base import accounts
from db.base.companies import company_memberships
from db.engine import Database
from pipelines import ingest
from testkit import Worker
from tests.conftest import admin_url, opened
from tests.contract.matrix import write_rows

# What of the product the job core's role may read, each for a named query: sign-in, invitations, channels, OAuth, schedules, pruning.
READ_BY_THE_CORE = {
    "companies",
    "company_memberships",
    "leads_search_schedules",
    "oauth_states",
    "sessions",
    "user_channels",
    "users",
    "youtube_channels",
}

# Of what `write_rows` and a worker leave no row.
KEPT_BESIDES = text("""
WITH archived AS (
    INSERT INTO jobs.archived_jobs (id, owner_id, pipeline, status, finished_at, job, steps, attempts, logs)
    VALUES (gen_random_uuid(), :user, 'self_check', 'succeeded', now(), '{}', '[]', '[]', '[]')),
attempts AS (
    INSERT INTO jobs.job_attempts (step_id, claim_id, attempt, worker_id, started_at, outcome)
    SELECT id, gen_random_uuid(), 1, gen_random_uuid(), now(), 'failed' FROM jobs.job_steps WHERE job_id = :job),
effects AS (
    INSERT INTO jobs.effects (owner_id, kind, key, status, job_id, step, claim_id)
    VALUES (:user, 'publish', 'key', 'made', :job, 'upload', gen_random_uuid())),
answers AS (INSERT INTO jobs.idempotency_keys (user_id, endpoint, key, request_hash) VALUES (:user, '/v1/jobs', 'key', 'hash')),
logs AS (INSERT INTO jobs.job_logs (job_id, message) VALUES (:job, 'said')),
fires AS (INSERT INTO jobs.schedule_fires (schedule_id, fire_at, outcome) VALUES (:schedule, now(), 'fired')),
seen AS (INSERT INTO jobs.seen_versions (user_id, provider, source_path, version) VALUES (:user, 'dropbox', '/a.mp4', '1')),
syncs AS (INSERT INTO jobs.syncs (connection_id, user_id, folder) VALUES (:connection, :user, '/') RETURNING connection_id),
held AS (INSERT INTO jobs.unique_keys (pipeline, key, job_id) VALUES ('self_check', 'key', :job))
INSERT INTO jobs.watch_channels (id, connection_id, user_id, secret_hash, expires_at)
SELECT 'channel', connection_id, :user, 'hash', now() FROM syncs
""")


def test_the_job_core_reads_only_what_a_named_query_needs(database: Database):
    statement = text("""
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND has_table_privilege('askstephen_jobs', oid, 'SELECT')
    """)
    with database.engine.connect() as connection:
        assert set(connection.scalars(statement)) == READ_BY_THE_CORE


def test_an_identity_ends_with_its_transaction(database: Database, owner: str):
    with database.tenant(owner):
        pass
    with database.engine.connect() as connection:
        assert not connection.scalar(text("SELECT current_setting('app.user_id', true)"))


def test_every_table_keeps_row_level_security_on(database: Database):
    with database.engine.connect() as connection:
        statement = text("""
            SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('public', 'jobs') AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
        """)
        # These three belong to the installation, not to a user, and only the job core's role may read them.
        assert set(connection.scalars(statement)) == {"jobs.alembic_version", "jobs.queues", "jobs.workers"}


def test_what_the_job_core_keeps_of_somebody_is_seen_and_removed_by_nobody_else(database: Database, worker: Worker):
    """Every table of it that users' transactions may read; a worker's are those of its job's owner. A new one fails until it has a row."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(accounts.users.insert(), [{"id": user} for user in ("anna", "bela", "mia")])
        ids = write_rows(connection, database, "anna").ids
        connection.execute(company_memberships.insert().values(company_id=ids["companies"], user_id="mia", role="member"))
        worker.drain()
        connection.execute(text("SELECT jobs.make_archive_month(now())"))
        named = {"job": ids["jobs.jobs"], "schedule": ids["jobs.schedules"], "connection": ids["cloud_connections"]}
        connection.execute(KEPT_BESIDES, {"user": "anna", **named})
        readable = text("""
            SELECT relname FROM pg_class WHERE relnamespace = 'jobs'::regnamespace AND relkind IN ('r', 'p')
                AND has_any_column_privilege('askstephen_tenant', oid, 'SELECT')
        """)
        kept = {table: count_of(connection, table) for table in connection.scalars(readable).all()}
    assert [table for table, count in kept.items() if not count] == []
    for table, count in kept.items():
        with database.tenant("anna") as session:
            assert count_of(session.connection(), table) == count, table
        for user in ("bela", "mia", ""):
            with database.tenant(user) as session:
                assert count_of(session.connection(), table) == 0, (table, user)
            assert removes_none(database, table, user), (table, user)


def count_of(connection: Connection, table: str) -> int:
    return int(connection.scalar(text(f"SELECT count(*) FROM jobs.{table}")) or 0)


def removes_none(database: Database, table: str, user: str) -> bool:
    try:
        with database.tenant(user) as session:
            return session.connection().execute(text(f"DELETE FROM jobs.{table}")).rowcount == 0
    except ProgrammingError as refused:
        return "permission denied" in str(refused)


@pytest.fixture
def doorkeeper(stack: Servers, database_url: str) -> Iterator[Database]:
    """Logged in as a role that may do nothing but become one of the two: what would run as the login is refused."""
    with psycopg.connect(admin_url(stack), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS askstephen_door")
        admin.execute("CREATE ROLE askstephen_door LOGIN NOINHERIT IN ROLE askstephen_tenant, askstephen_jobs")
    with opened(database_url.replace("://askstephen@", "://askstephen_door@")) as made:
        yield made
    with psycopg.connect(admin_url(stack), autocommit=True) as admin:
        admin.execute("DROP ROLE askstephen_door")


def test_no_transaction_runs_as_the_login_role(doorkeeper: Database, storage: FolderStorage, sandbox: Sandbox, tmp_path: Path):
    for table in (
        "jobs.jobs",
        "jobs.job_steps",
        "public.videos",
        "public.users",
    ):  # a login that may do nothing by itself is enough
        with doorkeeper.engine.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(f"SELECT 1 FROM {table}"))
    worker = Worker(doorkeeper, storage, sandbox, tmp_path / "attempts")
    with storage.writer("uploads/a/source") as file:
        file.write(b"no video")
    with doorkeeper.tenant(users.LOCAL_OWNER) as session:
        source = videos.Source("upload", "uploads/a/source", "a.mp4", size_bytes=8)
        started = ingest.start(session, source, user_id=users.LOCAL_OWNER)
    worker.drain()
    assert worker.job(started.job_id)["status"] == "failed"
    with doorkeeper.tenant(users.LOCAL_OWNER) as session:
        assert videos.get_video(session, started.video_id)["status"] == "failed"
