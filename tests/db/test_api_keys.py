from uuid import uuid4

import pytest
from sqlalchemy import text

from core.errors import Conflict, NotFound
from db import api_keys
from db.engine import Database


@pytest.fixture
def api_key(database: Database, owner: str) -> str:
    with database.jobs() as session:
        return api_keys.insert_api_key(session, user_id=owner, name="tests")


def used_at(database: Database) -> object:
    with database.jobs() as session:
        return api_keys.list_api_keys(session)[0]["last_used_at"]


def find(database: Database, api_key: str) -> str | None:
    with database.jobs() as session:
        found = api_keys.find_usable(session, api_key)
    return found.user_id if found else None


def test_a_key_acts_as_its_user(database: Database, api_key: str, owner: str):
    assert api_key.startswith("ask_")
    assert find(database, api_key) == owner
    assert find(database, api_key[:-1]) is None


def test_a_key_cannot_be_read_from_the_database(database: Database, api_key: str):
    with database.engine.connect() as connection:
        row = str(connection.execute(text("SELECT * FROM jobs.api_keys")).mappings().one())
    assert api_key not in row
    assert f"'{api_key[:10]}'" in row


def test_the_use_of_a_key_is_noted_once_a_minute(database: Database, api_key: str):
    assert used_at(database) is None
    find(database, api_key)
    first = used_at(database)
    find(database, api_key)
    assert used_at(database) == first
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.api_keys SET last_used_at = last_used_at - interval '61 s'"))
    find(database, api_key)
    assert used_at(database) > first


def test_a_revoked_key_opens_nothing(database: Database, api_key: str):
    with database.jobs() as session:
        key_id = api_keys.list_api_keys(session)[0]["id"]
        api_keys.revoke_api_key(session, key_id)
    assert find(database, api_key) is None
    with database.jobs() as session, pytest.raises(Conflict, match="already"):
        api_keys.revoke_api_key(session, key_id)
    with database.jobs() as session, pytest.raises(NotFound):
        api_keys.revoke_api_key(session, uuid4())


def test_a_key_of_nobody_is_not_made(database: Database):
    with database.jobs() as session, pytest.raises(NotFound, match="'nobody'"):
        api_keys.insert_api_key(session, user_id="nobody", name="tests")
