"""Databases that are made for a moment on a server of this machine: what our migrations make, what a dump describes."""

import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import psycopg
import sqlalchemy
from psycopg import sql

from core.errors import Invalid
from db import migrations
from db.engine import driver_url
from db.schema.read import connected, read_schema
from db.schema.shape import Schema
from db.schema.statements import Statement, split_statements

_LOAD_SECONDS = 60.0
# What the role of a dump may use. The time-out is of one statement; the deadline above is of all.
_BOUNDS = {"statement_timeout": "10s", "temp_file_limit": "64MB", "work_mem": "4MB", "lock_timeout": "5s"}

# How statements that pg_dump writes begin: what describes tables is run, the rest is passed over.
_RUN = re.compile(
    r"CREATE\s+(?:UNLOGGED\s+)?(?:TABLE|SEQUENCE|SCHEMA|TYPE|DOMAIN|INDEX|UNIQUE\s+INDEX|COLLATION)\b|ALTER\s+(?:TABLE|SEQUENCE|INDEX)\b"
    r"|SET\s+search_path\b",
    re.IGNORECASE,
)
_TRY = re.compile(r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|EXTENSION|AGGREGATE|OPERATOR|CAST)\b", re.IGNORECASE)
_PASS = re.compile(
    r"SET\b|SELECT\s+pg_catalog\.(?:setval|set_config|lo_)|INSERT\s+INTO\b|GRANT\b|REVOKE\b|COMMENT\s+ON\b|SECURITY\s+LABEL\b"
    r"|CREATE\s+(?:OR\s+REPLACE\s+)?(?:VIEW|MATERIALIZED|TRIGGER|CONSTRAINT\s+TRIGGER|RULE|POLICY|PROCEDURE|PUBLICATION|STATISTICS|EVENT|TEXT|SERVER"
    r"|FOREIGN|USER\s+MAPPING)\b|ALTER\s+(?:DEFAULT\s+PRIVILEGES|FUNCTION|SCHEMA|TYPE|DOMAIN|VIEW|MATERIALIZED|PUBLICATION|EXTENSION|PROCEDURE"
    r"|AGGREGATE|OPERATOR|EVENT|DATABASE|POLICY|TEXT|COLLATION|FOREIGN|LARGE)\b|REFRESH\b|BEGIN\b|COMMIT\b",
    re.IGNORECASE,
)
_FROM_QUERY = re.compile(r"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+[\w.\"]+\s*(?:\([\w\s,\"]*\)\s*)?AS\b", re.IGNORECASE)
_ABOUT_OWNERS = re.compile(
    r"\bOWNER\s+TO\b|\b(?:ENABLE|DISABLE|FORCE)\s+(?:ROW|TRIGGER|RULE)\b|\bCLUSTER\s+ON\b|\bREPLICA\s+IDENTITY\b", re.IGNORECASE
)


@contextmanager
def scratch_database(server_url: str) -> Iterator[str]:
    """The superuser's URL of a new, empty database of this server; gone after the block."""
    name = f"scratch_{secrets.token_hex(8)}"
    with psycopg.connect(_plain_url(server_url), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield _with(server_url, database=name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def migrated_database(server_url: str) -> Iterator[str]:
    """A scratch database with the tables of this version."""
    with scratch_database(server_url) as url:
        migrations.upgrade(url)
        yield url


@contextmanager
def owned_database(server_url: str) -> Iterator[str]:
    """A scratch database, and its URL as a role of its own that owns it, nothing else and no privilege."""
    role = sql.Identifier(name := f"scratch_{secrets.token_hex(8)}")
    with scratch_database(server_url) as url, psycopg.connect(_plain_url(url), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE").format(role))
        for setting, value in _BOUNDS.items():
            admin.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(setting), value))
        admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(admin.info.dbname), role))
        admin.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(role))
        try:
            yield _with(url, username=name)
        finally:
            admin.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
            admin.execute(sql.SQL("DROP OWNED BY {}").format(role))
            admin.execute(sql.SQL("DROP ROLE {}").format(role))


@contextmanager
def loaded_database(server_url: str, dump: Iterable[str]) -> Iterator[str]:
    """A scratch database with the tables that a dump describes, none of its rows; its URL as the role that owns it.

    The dump is hostile until shown otherwise. No statement but those that describe tables is run, each alone, by a role that
    may do nothing elsewhere, within a time limit. Raises Invalid with the line that was refused.
    """
    with owned_database(server_url) as url:
        with psycopg.connect(_plain_url(url), autocommit=True) as connection:
            _load(connection, split_statements(dump))
        yield url


def _load(connection: psycopg.Connection, statements: Iterable[Statement]) -> None:
    deadline = time.monotonic() + _LOAD_SECONDS
    for statement in statements:
        if time.monotonic() > deadline:
            raise Invalid(f"reading the dump took longer than {_LOAD_SECONDS:.0f} s: make it with `pg_dump --schema-only`")
        begins = _RUN.match(statement.sql) and not _FROM_QUERY.match(statement.sql)
        if begins and not _ABOUT_OWNERS.search(statement.sql):
            _run(connection, statement)
        elif _TRY.match(statement.sql):
            # What a table needs of it is missed where the table is made, and named there.
            with suppress(Invalid):
                _run(connection, statement)
        elif not (begins or _PASS.match(statement.sql)):
            start = " ".join(statement.sql.split()[:3])[:60]
            raise Invalid(f"line {statement.line} ({start} …) is nothing that pg_dump writes about tables: refused")


def _run(connection: psycopg.Connection, statement: Statement) -> None:
    try:
        # Prepared: the server itself refuses more than one statement, whatever the dump's quotes make of our splitting.
        connection.execute(statement.sql.encode(), prepare=True)
    except psycopg.Error as error:
        start = " ".join(statement.sql.split()[:3])[:60]
        raise Invalid(f"line {statement.line} ({start} …) cannot be read: {error.diag.message_primary or error}") from error


def read_models(server_url: str) -> Schema:
    """The tables that our migrations make."""
    with migrated_database(server_url) as url, connected(url) as connection:
        return read_schema(connection)


def read_dump(server_url: str, dump: Iterable[str]) -> Schema:
    """The tables that a plain-SQL dump describes. Raises Invalid."""
    with loaded_database(server_url, dump) as url, connected(url) as connection:
        return read_schema(connection)


def _with(url: str, *, database: str | None = None, username: str | None = None) -> str:
    changed = sqlalchemy.make_url(driver_url(url)).set(database=database, username=username)
    return changed.render_as_string(hide_password=False)


def _plain_url(url: str) -> str:
    return url.replace("+psycopg", "", 1)
