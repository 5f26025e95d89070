"""Adoption as its owner sees it: databases with rows, before and after."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from core.errors import Conflict, Misconfigured, Transient
from core.local_stack.programs import find_postgres
from db import migrations, videos
from db.engine import Database
from db.leads import clients, found
from db.schema.facts import Facts
from db.schema.names import COLUMNS, TABLES, list_renamed
from db.schema.read import connected, read_schema
from db.schema.scratch import read_models
from tests.conftest import wait_until
from tests.db.schema.generations import GENERATIONS, checksums, columns_of

ROOT = Path(__file__).parents[3]


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def ask(url: str, question: str) -> object:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        return connection.execute(question).fetchone()[0]


def read(url: str):
    with connected(url) as connection:
        return read_schema(connection)


def schema_of(url: str) -> str:
    argv = [find_postgres() / "pg_dump", "--schema-only", "--restrict-key=x", "--dbname", url.replace("+psycopg", "")]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_row_and_value_of_a_generation_is_kept_and_the_second_time_nothing_is_done(made, adopting, server, name: str):
    url = made(name, rows=2000)
    columns, before = columns_of(url), checksums(url)
    assert len(before) == GENERATIONS[name].tables
    assert {count for count, _ in before.values()} == {2000}
    assert not adopting(url).run().is_empty
    # Older names are read through the views that stay; today's hold the same rows.
    assert checksums(url, columns) == before
    assert checksums(
        url,
        {
            TABLES.get(table, table): [COLUMNS.get(one, one) if table in TABLES else one for one in names]
            for table, names in columns.items()
        },
    ) == {TABLES.get(table, table): one for table, one in before.items()}
    after = schema_of(url)
    assert adopting(url).run().is_empty
    assert schema_of(url) == after
    ours, there = read_models(server), read(url)
    assert ours.keys() <= there.keys()
    assert all(ours[name].columns.keys() <= there[name].columns.keys() for name in ours)


@pytest.mark.parametrize("name", GENERATIONS)
def test_an_adopted_database_migrates_and_takes_our_rows(made, adopting, name: str):
    url = made(name, rows=100)
    adopting(url).run()
    migrations.upgrade(url)
    with Database(url, connections=1) as database:
        with database.tenant("user_000007") as session:
            assert {row["user_id"] for row in videos.list_videos(session)} == {"user_000007"}
            session.execute(
                text(
                    "INSERT INTO public.videos (user_id, original_filename, storage_path, status, mime_type)"
                    " VALUES ('user_000007', 'a.mp4', 'k', 'ready_to_edit', :long)"
                ),
                {"long": "x" * 500},
            )
            video = session.scalar(text("SELECT max(id) FROM public.videos"))
            session.execute(text("INSERT INTO public.confidentiality_checks (video_id) VALUES (:video)"), {"video": video})
            session.execute(
                text(
                    "INSERT INTO public.video_ingest_requests (user_id, provider, source_path, source_file_name, video_id)"
                    " VALUES ('user_000007', 'folder', 'a', 'a', :video)"
                ),
                {"video": video},
            )
            assert (
                session.execute(text("UPDATE public.videos SET title = 't' WHERE id <> :video"), {"video": video}).rowcount > 0
            )
        with database.tenant("user_000007") as session:
            session.execute(text("DELETE FROM public.videos WHERE id = :video"), {"video": video})
            assert (
                session.scalar(text("SELECT count(*) FROM public.confidentiality_checks WHERE video_id = :v"), {"v": video})
                == 0
            )


def test_rows_of_an_older_name_are_asked_about_by_todays(made):
    with connected(made("older names", rows=10)) as connection:
        tables = read_schema(connection)
        facts = Facts(connection, tables, list_renamed(tables))
        assert facts.has_rows("business_leads")
        assert facts.find_words("leads_searches", "status") == {"pending", "running", "completed", "error"}
        assert facts.count_without("business_leads", "search_id") == 0
        assert facts.count_orphaned("business_leads", ("client_id",), "leads_clients", ("id",)) == 0
        assert facts.next_number("leads_swot_analyses", "id") == 11


def test_a_view_of_an_older_name_can_be_written_and_shows_nobody_elses_rows(made, adopting):
    url = made("older names", rows=100)
    adopting(url).run()
    run(url, "UPDATE leads SET client_business_id = 2, title = 'new' WHERE id = 1")
    assert ask(url, "SELECT title FROM business_leads WHERE client_id = 2 AND id = 1") == "new"
    assert ask(url, "SELECT reloptions::text FROM pg_class WHERE relname = 'leads'") == "{security_invoker=true}"


def test_a_dry_run_shows_the_plan_and_changes_nothing(made, adopting, tmp_path):
    url = made("production with checks", rows=50)
    before, rows = schema_of(url), checksums(url)
    plan = adopting(url).run(dry_run=True)
    said = (tmp_path / "said").read_text()
    assert "videos.status: takes 11 words, beside ours: captioning" in said
    assert "Rehearsed on a copy without rows" in said
    assert "keeps a rule that ours has not: CHECK (((duration_ms IS NULL)" in said
    assert plan.change
    assert (schema_of(url), checksums(url), (tmp_path / "backups").exists()) == (before, rows, False)


def test_the_backup_brings_everything_back(made, adopting, empty, tmp_path):
    url = made("older names", rows=200)
    before, rows = schema_of(url), checksums(url)
    adopting(url).run()
    [backup] = (tmp_path / "backups").iterdir()
    assert backup.stat().st_mode & 0o777 == 0o600
    subprocess.run([find_postgres() / "pg_restore", "--dbname", empty.replace("+psycopg", ""), backup], check=True)
    assert (schema_of(empty), checksums(empty)) == (before, rows)


OBSTACLES = {
    "both names of a table": ("CREATE TABLE leads (id serial PRIMARY KEY)", "leads and business_leads are both there"),
    "an enumerated type": (
        """CREATE TYPE status_type AS ENUM ('uploading', 'failed'); ALTER TABLE videos ALTER status DROP DEFAULT;
        ALTER TABLE videos ALTER status TYPE status_type USING 'failed'""",
        "videos.status is public.status_type, ours is text",
    ),
    "another type": ("ALTER TABLE videos ALTER captions TYPE text", "videos.captions is text, ours is jsonb"),
    "no primary key": ("ALTER TABLE sessions DROP CONSTRAINT sessions_pkey", "the primary key of sessions is on (sid)"),
    "values twice": (
        "ALTER TABLE users DROP CONSTRAINT users_email_key; UPDATE users SET email = 'same'",
        "users (email) must be unique, and 1 values are there more than once",
    ),
    "text that is no status": ("UPDATE videos SET status = md5(id::text)", "videos.status holds too many different words"),
    "a policy that lets through": (
        "CREATE POLICY all_of_it ON videos USING (true)",
        "the policy videos all_of_it would decide beside ours",
    ),
    "a schema jobs": ("CREATE SCHEMA jobs", "a schema called jobs is there"),
    "a function of our name": (
        "CREATE FUNCTION keep_updated_at() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "function keep_updated_at() is there already and is not ours",
    ),
    "a reference to elsewhere": (
        """ALTER TABLE confidentiality_checks DROP CONSTRAINT confidentiality_checks_video_id_fkey,
        ADD FOREIGN KEY (video_id) REFERENCES video_ingest_requests (id)""",
        "but to video_ingest_requests there",
    ),
    "an index of our name": ("CREATE INDEX videos_by_user ON videos (title)", "something else is called videos_by_user"),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_cannot_be_reconciled_stops_before_anything_is_written(made, adopting, tmp_path, name: str):
    statement, reason = OBSTACLES[name]
    url = made("replit", rows=100)
    run(url, statement)
    before, rows = schema_of(url), checksums(url)
    with pytest.raises(Conflict, match="nothing was written"):
        adopting(url).run()
    assert reason in (tmp_path / "said").read_text()
    assert (schema_of(url), checksums(url), (tmp_path / "backups").exists()) == (before, rows, False)


def test_rows_that_break_a_rule_of_references_are_kept_and_new_ones_are_held_to_it(made, adopting):
    url = made("replit", rows=100)
    run(
        url,
        "UPDATE videos SET parent_video_id = 5000 WHERE id = 1",
        "UPDATE users SET created_at = NULL WHERE id = 'user_000003'",
    )
    before, columns = checksums(url), columns_of(url)
    plan = adopting(url).run()
    assert any("1 rows name one that is not there" in words for words in plan.kept)
    assert any("users.created_at is empty in 1 rows" in words for words in plan.kept)
    assert checksums(url, columns) == before
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        run(url, "UPDATE videos SET parent_video_id = 5000 WHERE id = 2")
    assert adopting(url).run().is_empty


@pytest.mark.parametrize("name", ["replit", "older names", "replit, a unique index"])
def test_one_place_is_a_lead_of_two_clients_once_adopted(made, adopting, name: str):
    url = made(name.partition(",")[0], rows=20)
    if "index" in name:
        run(
            url,
            "ALTER TABLE business_leads DROP CONSTRAINT business_leads_place_id_key",
            "CREATE UNIQUE INDEX business_leads_place_id_unique ON business_leads (place_id)",
        )
    adopting(url).run()
    with Database(url, connections=1) as database:
        for user, client in (("user_000007", 7), ("user_000008", 8)):
            with database.tenant(user) as session:
                leads = [{"title": "Café", "place_id": "the same"}]
                first = found.keep_found(session, client, leads, user_id=user)
                assert found.keep_found(session, client, leads, user_id=user) == first
    assert ask(url, "SELECT count(*) FROM business_leads WHERE place_id = 'the same'") == 2
    assert adopting(url).run().is_empty


def test_a_key_that_others_refer_to_stays(made, adopting):
    url = made("replit", rows=20)
    run(url, "CREATE TABLE visits (place text REFERENCES business_leads (place_id))")
    assert any("other tables refer to it" in words for words in adopting(url).run().kept)
    assert ask(url, "SELECT count(*) FROM pg_constraint WHERE conname = 'business_leads_place_id_key'") == 1
    assert adopting(url).run().is_empty


def test_what_only_the_old_database_knows_keeps_no_row_from_being_removed(made, adopting):
    url = made("replit", rows=20)
    run(
        url,
        "ALTER TABLE messages ADD client_id int REFERENCES leads_clients (id) DEFERRABLE INITIALLY DEFERRED",
        "UPDATE messages SET client_id = 7",
    )
    adopting(url).run()
    with Database(url, connections=1) as database, database.tenant("user_000007") as session:
        clients.delete_client(session, 7)
    # What had to name a client goes with it, what may name one stays.
    assert ask(url, "SELECT count(*) FROM competitor_changes") == 19
    assert ask(url, "SELECT count(*) FROM messages WHERE client_id IS NULL") == 20
    assert adopting(url).run().is_empty


def test_numbers_are_widened_only_when_asked_for(made, adopting):
    url = made("replit", rows=100)
    kind = "SELECT format_type(atttypid, 0) FROM pg_attribute WHERE attrelid = 'video_ingest_requests'::regclass AND attname = 'source_file_size'"
    before, columns = checksums(url), columns_of(url)
    plan = adopting(url).run()
    assert any("--rewrite" in words for words in plan.kept)
    assert ask(url, kind) == "integer"
    adopting(url, rewrite=True).run()
    assert ask(url, kind) == "bigint"
    assert checksums(url, columns) == before
    assert adopting(url, rewrite=True).run().is_empty


def test_a_settling_that_was_ended_is_taken_up_again(made, adopting):
    url = made("replit", rows=100)
    adopting(url).run()
    run(
        url,
        "DROP INDEX videos_by_user",
        "CREATE INDEX videos_by_user ON videos (user_id, id DESC)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'videos_by_user'::regclass",  # as CONCURRENTLY leaves it
        "DROP INDEX videos_by_parent",
        "ALTER TABLE videos ALTER privacy_status DROP NOT NULL",
    )
    plan = adopting(url).run()
    assert (len(plan.change), len(plan.settle)) == (0, 3)
    assert ask(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'videos_by_user'::regclass") is True
    assert adopting(url).run().is_empty


def test_a_kill_in_the_middle_leaves_the_old_database_whole(made, tmp_path, adopting):
    url = made("older names", rows=300)
    before, rows = schema_of(url), checksums(url)
    argv = [sys.executable, "-m", "api_stub.cli", "schema", "adopt", url.replace("+psycopg", ""), "--home", str(tmp_path)]
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE videos IN ACCESS SHARE MODE")  # the change renames other tables first, then waits here
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL)
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.videos'::regclass"
        wait_until(lambda: ask(url, waits) or process.poll() is not None, seconds=40)
        assert (
            ask(url, "SELECT count(*) FROM pg_locks WHERE relation = 'public.leads'::regclass AND mode = 'AccessExclusiveLock'")
            == 1
        )
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    gone = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    wait_until(lambda: ask(url, gone) == 0)
    assert (schema_of(url), checksums(url)) == (before, rows)
    adopting(url).run()
    assert adopting(url).run().is_empty


def test_a_lock_that_is_not_given_up_ends_the_change_whole(made, adopting, monkeypatch):
    monkeypatch.setattr("db.schema.adopt._LOCK_SECONDS", 0.2)
    url = made("replit", rows=10)
    before = schema_of(url)
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE videos IN ACCESS SHARE MODE")
        with pytest.raises(Transient, match="lock timeout"):
            adopting(url).run()
    assert schema_of(url) == before


def test_who_does_not_own_the_tables_is_told_so(made, adopting, tmp_path, server):
    url = made("replit", rows=10)
    name = f"visitor_{os.getpid()}"
    run(server, f"CREATE ROLE {name} LOGIN CREATEROLE")
    try:
        visitor = url.replace("://askstephen@", f"://{name}@")
        run(
            url,
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
            f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}",
        )
        with pytest.raises(Conflict):
            adopting(visitor).run()
        assert "videos belongs to another role than this login" in (tmp_path / "said").read_text()
        run(server, f"ALTER ROLE {name} NOCREATEROLE")
        with pytest.raises(Misconfigured, match="may not make roles"):
            adopting(visitor).run()
    finally:
        run(url, f"DROP OWNED BY {name}")
        run(server, f"DROP ROLE {name}")


def test_up_refuses_an_earlier_generation_and_names_the_command(made):
    with pytest.raises(Misconfigured, match=r"askstephen schema adopt"):
        migrations.upgrade(made("production"))


def test_an_older_revision_of_ours_is_sent_to_up(made, adopting, database_url):
    run(database_url, "UPDATE jobs.alembic_version SET version_num = '0001'")
    with pytest.raises(Conflict, match="askstephen up"):
        adopting(database_url).run()


def test_a_database_of_ours_needs_nothing(adopting, database_url):
    plan = adopting(database_url).run()
    assert plan.is_empty
    assert plan.kept == []
