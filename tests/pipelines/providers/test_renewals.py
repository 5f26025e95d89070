"""Refresh tokens that open once: what is true when the process that was given the next one does not live to keep it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import structlog
from sqlalchemy import text

from core.crypto import KeyRing
from core.errors import Refused, Unavailable
from core.settings import settings
from db import connections
from db.base.connections import cloud_connections
from db.engine import Database
from pipelines.providers.accounts import access_token
from tests.accounts import connect
from tests.conftest import admin_url, wait_until
from twins.running import Twins

ROOT = Path(__file__).parents[3]
LOST = "interrupted while this account gave us a new key.*Please connect it again"
DIES = """
import os, signal, sys
from db import connections
from db.engine import Database
from pipelines.providers.accounts import access_token
connections.keep_renewed = lambda *_args, **_named: os.kill(os.getpid(), signal.SIGKILL)  # answered, and not kept
with Database(sys.argv[1], connections=2) as database:
    access_token(database, int(sys.argv[2]), refused=sys.argv[3])
"""


@pytest.fixture(autouse=True)
def rotation(twins: Twins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A provider whose refresh tokens open once."""
    for name in ("DROPBOX_APP_KEY", "DROPBOX_APP_SECRET"):
        monkeypatch.setenv(name, "client")
    monkeypatch.setenv("ASKSTEPHEN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    twins.put("dropbox.rules", "rotation", {})
    yield
    twins.forget("dropbox.rules")
    settings.cache_clear()


@pytest.fixture
def connection_id(twins: Twins, database: Database, owner: str) -> int:
    name = f"{uuid4().hex}@example.com"
    return connect(database, owner, "dropbox", name, twins.grant("dropbox", name, []))


def is_active(database: Database) -> bool:
    with database.engine.connect() as connection:
        return bool(connection.scalar(text("SELECT is_active FROM cloud_connections")))


def test_each_renewal_uses_what_the_last_one_gave(database: Database, connection_id: int):
    tokens = [access_token(database, connection_id)]
    for _ in range(3):
        tokens.append(access_token(database, connection_id, refused=tokens[-1]))
    assert len(set(tokens)) == 4


def test_who_is_killed_between_the_answer_and_the_commit_costs_one_sentence(
    twins: Twins, database: Database, database_url: str, owner: str, connection_id: int
):
    old = access_token(database, connection_id)
    died = subprocess.run([sys.executable, "-c", DIES, database_url, str(connection_id), old], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    assert access_token(database, connection_id) == old  # the token that was kept is good to its end
    with database.engine.begin() as connection:
        lease = "UPDATE jobs.token_leases SET held_until = now() - interval '1 second' RETURNING 1"
        assert connection.scalar(text(lease)) == 1
    with ThreadPoolExecutor(3) as pool:
        tries = [pool.submit(access_token, database, connection_id, refused=old) for _ in range(3)]
    errors = [tried.exception() for tried in tries]
    assert all(isinstance(error, Refused) and "Please connect it again." in str(error) for error in errors)
    assert any("interrupted" in str(error) for error in errors)
    assert not is_active(database)
    agree_again(twins, database, owner)
    assert access_token(database, connection_id) != old


def agree_again(twins: Twins, database: Database, owner: str) -> None:
    """As the way back from the consent page does."""
    with database.tenant(owner) as session:
        account = session.scalar(cloud_connections.select().with_only_columns(cloud_connections.c.account_id))
        granted = twins.grant("dropbox", account, [])
        connections.connect(
            session,
            KeyRing.of(settings()),
            user_id=owner,
            provider="dropbox",
            tokens=(granted["access_token"], granted["refresh_token"]),
            expires_at=None,
            shown={"account_id": account},
        )


def test_an_answer_that_never_came_is_told_as_such(twins: Twins, database: Database, connection_id: int):
    old = access_token(database, connection_id)
    twins.fault("dropbox", "lost", match="token")
    with pytest.raises(Unavailable):
        access_token(database, connection_id, refused=old)
    assert is_active(database)
    with pytest.raises(Refused, match=LOST):
        access_token(database, connection_id, refused=old)
    assert not is_active(database)


def test_an_owner_who_ended_it_is_told_nothing_of_interruptions(twins: Twins, database: Database, connection_id: int):
    twins.fault("dropbox", "revoked", match="token")
    with pytest.raises(Refused, match="no longer lets us in"):
        access_token(database, connection_id, refused=access_token(database, connection_id))
    assert not is_active(database)


def test_what_was_given_is_held_while_the_database_is_away(stack, database: Database, database_url: str, connection_id: int):
    old = access_token(database, connection_id)
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(admin_url(stack).replace("+psycopg", ""), autocommit=True) as admin,
        psycopg.connect(database_url.replace("+psycopg", "")) as before,
        structlog.testing.capture_logs() as told,
    ):
        [name] = before.execute("SELECT current_database()").fetchone()
        before.execute("SELECT FROM cloud_connections FOR UPDATE")  # they come, and cannot be kept yet
        renewed = pool.submit(access_token, database, connection_id, refused=old)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        wait_until(lambda: admin.execute(waits, (name,)).fetchone() == (1,))
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        wait_until(lambda: any(line["event"] == "token.not_kept_yet" for line in told))
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        token = renewed.result(timeout=60)
        with pytest.raises(psycopg.OperationalError):
            before.commit()
    assert token != old
    assert access_token(database, connection_id) == token
    assert access_token(database, connection_id, refused=token) != token


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing.of(settings())


@pytest.mark.parametrize("meanwhile", [("access-2", "refresh-2"), (None, None)], ids=["connected again", "disconnected"])
def test_a_late_answer_takes_nothing_back(database: Database, owner: str, ring: KeyRing, connection_id: int, meanwhile):
    with database.tenant(owner) as session:
        _, _, asked_with = connections.get_tokens(session, ring, connection_id)
        connections.keep_tokens(session, ring, connection_id, meanwhile[0] or "", meanwhile[1], expires_at=None)
        if meanwhile == (None, None):
            connections.disconnect(session, ring, connection_id)
    late = {"asked_with": asked_with, "expires_at": None}
    with database.tenant(owner) as session:
        assert not connections.keep_renewed(session, ring, connection_id, ("late", "late"), **late)
        assert not connections.end_connection(session, ring, connection_id, refused=asked_with, of=cloud_connections)
        row, *kept = connections.get_tokens(session, ring, connection_id)
    assert tuple(kept) == meanwhile
    assert row["is_active"] == (meanwhile != (None, None))


def test_who_was_given_the_next_token_while_another_was_refused_brings_the_account_back(
    database: Database, owner: str, ring: KeyRing, connection_id: int
):
    """One stood still with the answer in its hands until its lease was over; the next one asked with a token that was used up."""
    with database.tenant(owner) as session:
        _, _, used = connections.get_tokens(session, ring, connection_id)
        assert connections.end_connection(session, ring, connection_id, refused=used, of=cloud_connections)
    with database.tenant(owner) as session:
        given = ("access-2", "refresh-2")
        assert connections.keep_renewed(session, ring, connection_id, given, asked_with=used, expires_at=None)
    assert is_active(database)
    assert access_token(database, connection_id) == "access-2"
