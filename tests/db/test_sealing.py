import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from core.crypto import KeyRing
from db import connections
from db.base.connections import cloud_connections, user_social_accounts
from db.engine import Database
from db.sealing import seal_tokens
from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]
OLD, NEW = bytes([1]) * 32, bytes([2]) * 32
BEFORE, TURNED, AFTER = KeyRing({"old": OLD}), KeyRing({"new": NEW, "old": OLD}), KeyRing({"new": NEW})
WAITS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
ROUNDS = """
import sys
from core.crypto import KeyRing
from db.engine import Database
from db.sealing import seal_tokens
with Database(sys.argv[1], connections=1) as database:
    seal_tokens(database, KeyRing({"new": bytes([2]) * 32, "old": bytes([1]) * 32}))
"""


@pytest.fixture
def accounts(database: Database, owner: str) -> list[tuple[str, int]]:
    """250 connections sealed with the old key, and an account of each kind that an earlier product kept in clear."""
    made = []
    with database.tenant(owner) as session:
        for number in range(250):
            told = {"provider": "dropbox", "access_token": f"access-{number}", "refresh_token": f"refresh-{number}"}
            row = connections.insert_connection(session, BEFORE, user_id=owner, expires_at=None, **told)
            made.append(("cloud_connections", row["id"]))
        for table, named in (("cloud_connections", "provider"), ("user_social_accounts", "platform")):
            statement = f"INSERT INTO {table} (user_id, {named}, access_token) VALUES (:user, 'dropbox', 'clear') RETURNING id"
            made.append((table, session.scalar(text(statement), {"user": owner})))
    return made


def opened(database: Database, owner: str, ring: KeyRing, accounts: list[tuple[str, int]]) -> list[tuple]:
    tables = {table.name: table for table in (cloud_connections, user_social_accounts)}
    with database.tenant(owner) as session:
        return [connections.get_tokens(session, ring, row_id, tables[table])[1:] for table, row_id in accounts]


def count(database: Database, like: str) -> int:
    with database.engine.connect() as connection:
        return connection.scalar(
            text("""
            SELECT count(*) FROM (SELECT unnest(ARRAY[access_token, refresh_token]) AS token FROM cloud_connections
            UNION ALL SELECT unnest(ARRAY[access_token, refresh_token]) FROM user_social_accounts) t WHERE token LIKE :like
            """),
            {"like": like},
        )


def test_every_token_opens_with_the_newest_key_alone(database, owner, accounts):
    before = opened(database, owner, BEFORE, accounts)
    sealed = seal_tokens(database, TURNED)
    assert (sealed.tokens, sealed.unopened) == (502, ())
    assert count(database, "v1:new:%") == count(database, "%") == 502
    assert opened(database, owner, AFTER, accounts) == before
    assert seal_tokens(database, TURNED).tokens == 0


def test_a_row_that_is_sealed_anew_was_not_changed_and_one_that_is_renewed_was(database, owner, accounts):
    with database.tenant(owner) as session:
        renewed = accounts[0][1]
        statement = text(
            "SELECT id, updated_at FROM cloud_connections UNION ALL SELECT -id, updated_at FROM user_social_accounts"
        )
        before = set(session.execute(statement))
    assert seal_tokens(database, TURNED).tokens == 502
    with database.tenant(owner) as session:
        assert set(session.execute(statement)) == before
        connections.keep_tokens(session, TURNED, renewed, "access", "refresh", expires_at=datetime.now(UTC))
    with database.tenant(owner) as session:
        assert {row.id for row in set(session.execute(statement)) ^ before} == {renewed}


def test_a_kill_in_the_middle_loses_no_token_and_the_next_run_does_the_rest(database, database_url, owner, accounts):
    before = opened(database, owner, BEFORE, accounts)
    held = accounts[150][1]
    with database.engine.connect() as other:
        other.execute(text("SELECT 1 FROM cloud_connections WHERE id = :id FOR UPDATE"), {"id": held})
        process = subprocess.Popen([sys.executable, "-c", ROUNDS, database_url], cwd=ROOT)
        with database.engine.connect() as third:
            watching = third.execution_options(isolation_level="AUTOCOMMIT")
            wait_until(lambda: watching.scalar(WAITS) or process.poll() is not None)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert count(database, "v1:new:%") == 300
    assert opened(database, owner, TURNED, accounts) == before
    assert seal_tokens(database, TURNED).tokens == 202
    assert opened(database, owner, AFTER, accounts) == before


def test_a_renewal_meanwhile_is_not_undone(database, owner, accounts):
    with ThreadPoolExecutor(1) as pool:
        with database.tenant(owner) as session:
            connections.keep_tokens(session, TURNED, accounts[0][1], "renewed", "rotated", expires_at=None)
            sealing = pool.submit(seal_tokens, database, TURNED)
            with database.engine.connect() as third:
                watching = third.execution_options(isolation_level="AUTOCOMMIT")
                wait_until(lambda: watching.scalar(WAITS))
        assert sealing.result().tokens == 500
    assert opened(database, owner, AFTER, accounts[:1]) == [("renewed", "rotated")]


def test_what_cannot_be_opened_is_told_and_left_and_the_rest_is_sealed(database, owner, accounts):
    with database.tenant(owner) as session:
        other = KeyRing({"lost": bytes([3]) * 32})
        connections.keep_tokens(session, other, accounts[0][1], "a", "r", expires_at=None)
    sealed = seal_tokens(database, TURNED)
    assert sealed.tokens == 500
    assert "lacks key 'lost'" in "".join(sealed.unopened)
    assert count(database, "v1:lost:%") == 2
