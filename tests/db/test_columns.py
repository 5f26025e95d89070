"""Columns whose type differs between databases are read and compared alike."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Column, DateTime, MetaData, Table, Text, delete, insert, or_, select
from sqlalchemy.engine import Connection

from db.base.columns import LooseBoolean, UtcDateTime, come_from
from db.base.leads import SEARCH_MOVES, SearchStatus
from db.engine import Database
from tests.db.rows import TABLES, row_of

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.engine.begin() as made:
        yield made


@pytest.fixture(params=["as we make it", "as earlier databases have it"])
def things(request: pytest.FixtureRequest, connection: Connection) -> Table:
    """A table whose columns are ours, in a database that has them so or otherwise."""
    ours = request.param == "as we make it"
    kinds = (LooseBoolean, UtcDateTime) if ours else (Text, DateTime(timezone=False))
    Table("things", MetaData(), Column("name", Text), Column("is_on", kinds[0]), Column("at", kinds[1])).create(connection)
    return Table("things", MetaData(), Column("name", Text), Column("is_on", LooseBoolean), Column("at", UtcDateTime))


def test_several_rows_are_written_and_read_back_alike(connection: Connection, things: Table):
    rows = [
        {"name": "a", "is_on": True, "at": NOON},
        {"name": "b", "is_on": False, "at": None},
        {"name": "c", "is_on": None, "at": NOON},
    ]
    returned = connection.execute(insert(things).returning(things), rows).mappings().all()
    assert returned == rows
    assert connection.execute(select(things).order_by(things.c.name)).mappings().all() == rows


def test_every_way_of_asking_finds_the_same(connection: Connection, things: Table):
    connection.execute(
        insert(things), [{"name": "a", "is_on": True}, {"name": "b", "is_on": False}, {"name": "c", "is_on": None}]
    )
    on = things.c.is_on
    asked = {
        "a": (on == True, on.is_(True), on != False),  # noqa: E712
        "b": (on == False, on.is_(False), ~on, on != True),  # noqa: E712
        "c": (on.is_(None),),
        "ac": (or_(on.is_(True), on.is_(None)),),
    }
    for names, conditions in asked.items():
        for condition in conditions:
            found = connection.scalars(select(things.c.name).where(condition).order_by(things.c.name))
            assert "".join(found) == names, str(condition)


def test_times_are_compared_as_instants(connection: Connection, things: Table):
    connection.execute(insert(things), [{"name": "a", "at": NOON}, {"name": "b", "at": NOON.replace(hour=13)}])
    later = select(things.c.name).where(things.c.at > NOON).order_by(things.c.at)
    assert connection.scalars(later).all() == ["b"]


def test_a_time_without_zone_is_refused(connection: Connection, things: Table):
    with pytest.raises(Exception, match="does not say its zone"):
        connection.execute(insert(things).values(at=datetime(2026, 11, 25, 12)))  # noqa: DTZ001


def test_rows_of_every_model_are_written_together_and_come_in_order(connection: Connection):
    connection.execute(insert(TABLES["users"]), [{"id": "u", "email": "u"}, {"id": "v", "email": "v"}])
    for table in TABLES.values():
        key = next(iter(table.primary_key))
        keys = [user if table.name == "users" else row_of(connection, table, user) for user in "uv"]
        newest_first = select(table).where(key.in_(keys)).order_by(key.desc())
        rows = [dict(row) for row in connection.execute(newest_first).mappings()]
        assert len(rows) == 2, table.name
        if table.name != "users":  # others name these
            connection.execute(delete(table).where(key.in_(keys)))
            connection.execute(insert(table), rows)
        assert connection.execute(newest_first).mappings().all() == rows, table.name


def test_a_status_follows_itself_and_what_may_come_before():
    assert come_from(SEARCH_MOVES, SearchStatus.RUNNING) == ["pending", "running", "error"]
