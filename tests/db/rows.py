"""Rows of any table, made from its model: what must be there is filled in, with the rows it names."""

from itertools import count
from typing import Any

import sqlalchemy
from sqlalchemy import Column, Connection, Table
from sqlalchemy.dialects.postgresql import JSONB

from db.base import metadata

TABLES = {table.name: table for table in metadata.sorted_tables}
WORDS = {"provider": "dropbox", "schedule_type": "weekly", "source": "website"}  # columns without a default that take only some
_numbers = count(1)


def insert_row(connection: Connection, table: Table, user_id: str, /, **given: object) -> Any:
    """The key of a new row of this user's. Rows that it must name are made too, with what is `given` of their columns."""
    values = {name: value for name, value in given.items() if name in table.columns}
    for column in table.columns:
        if column.name not in values and _must_be_given(column):
            values[column.name] = _value(connection, column, user_id, given)
    return connection.scalar(table.insert().values(values).returning(*table.primary_key))


def row_of(connection: Connection, table: Table, user_id: str) -> Any:
    """The key of a row of this user's: of memberships the one that came with a company, of the rest a new one."""
    if table.name != "company_memberships":
        return insert_row(connection, table, user_id)
    company = insert_row(connection, TABLES["companies"], user_id)
    return connection.scalar(sqlalchemy.select(table.c.id).where(table.c.company_id == company))


def parents(table: Table) -> list[Column[Any]]:
    """The columns that name a row of another owned table, which the database must not let anyone name who may not see it."""
    shared = {"users", "companies", "youtube_channels"}
    return [column for column in table.columns for key in column.foreign_keys if key.column.table.name not in shared]


def owner_column(table: Table) -> str | None:
    """The column that says whose a row is."""
    return next((name for name in ("user_id", "owner_id") if name in table.columns), None)


def _must_be_given(column: Column[Any]) -> bool:
    is_left_out = column.nullable or column.server_default is not None or column.identity is not None
    return column.name == owner_column(column.table) or not is_left_out


def _value(connection: Connection, column: Column[Any], user_id: str, given: dict[str, object]) -> object:
    if column.name == owner_column(column.table):
        return user_id
    for key in column.foreign_keys:
        return insert_row(connection, key.column.table, user_id, **given)
    if column.name in WORDS:
        return WORDS[column.name]
    if isinstance(column.type, JSONB):
        return {}
    if isinstance(column.type, sqlalchemy.String):
        return f"{column.name} {next(_numbers)}"
    return sqlalchemy.func.now()
