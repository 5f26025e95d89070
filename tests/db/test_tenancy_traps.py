"""What is known to break row-level security elsewhere, tried here. Others of its kind are in test_isolation.py and test_tenancy.py."""

import pytest
from sqlalchemy import UniqueConstraint, select, text
from sqlalchemy.exc import ProgrammingError

from db.base import metadata
from db.base.chat import conversations
from db.engine import Database
from tests.db.rows import TABLES, insert_row, owner_column


def test_two_users_on_one_connection_see_their_own(database_url: str, database: Database):
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO users (id) VALUES ('anna'), ('bela')"))
        for user in ("anna", "bela"):
            insert_row(connection, conversations, user)
    with Database(database_url, connections=1) as narrow:
        for user in ("anna", "bela", "anna"):
            with narrow.tenant(user) as session:
                assert list(session.scalars(select(conversations.c.user_id))) == [user]
        with narrow.tenant("anna") as session, pytest.raises(ZeroDivisionError):
            raise ZeroDivisionError  # also after one that was rolled back
        with narrow.tenant("") as session:
            assert list(session.scalars(select(conversations.c.user_id))) == []


def test_every_view_asks_as_who_reads_it(database: Database):
    statement = text("""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v', 'm') AND n.nspname IN ('public', 'jobs')
            AND NOT coalesce(c.reloptions::text LIKE '%security_invoker=true%', false)
    """)
    with database.engine.connect() as connection:
        assert list(connection.scalars(statement)) == []


def test_no_partition_is_read_past_its_parent(database: Database):
    statement = text("""
        SELECT c.oid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE c.relkind IN ('r', 'p') AND has_table_privilege('askstephen_tenant', c.oid, 'SELECT') AND NOT c.relrowsecurity
    """)
    with database.engine.connect() as connection:
        assert list(connection.scalars(statement)) == []


def test_a_key_that_must_be_unique_tells_nothing_of_others():
    """A conflict tells that there is such a row; where it could be another's, whose it is is part of the key."""
    told = {
        f"{table.name}: {', '.join(column.name for column in key.columns)}"
        for table in metadata.tables.values()
        if owner_column(table)
        for key in table.constraints
        if isinstance(key, UniqueConstraint)
        and not {"user_id", "owner_id", "company_id", "client_id"} & set(key.columns.keys())
    }
    assert told == {"oauth_states: state"}  # random, and never chosen by who asks


def test_functions_that_look_past_policies_search_no_path_of_others(database: Database):
    statement = text("""
        SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('public', 'jobs') AND p.prosecdef
            AND NOT coalesce(p.proconfig::text LIKE '%search_path=pg_catalog%', false)
    """)
    with database.engine.connect() as connection:
        assert list(connection.scalars(statement)) == []


def test_every_video_is_for_administrators_even_where_a_route_forgets_to_ask(database: Database):
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO users (id, role) VALUES ('anna', 'creative'), ('chief', 'admin')"))
        insert_row(connection, TABLES["videos"], "anna")
    counts = {}
    for user in ("anna", "chief", ""):
        with database.tenant(user) as session:
            counts[user] = len(session.execute(text("SELECT * FROM jobs.every_video(NULL, 10)")).all())
    assert counts == {"anna": 0, "chief": 1, "": 0}
    with database.jobs() as session, pytest.raises(ProgrammingError, match="permission denied"):
        session.execute(text("SELECT * FROM jobs.every_video(NULL, 10)"))
