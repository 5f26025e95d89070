"""Connections and transactions. Every transaction starts by naming its role and its user; nobody else opens one."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Self
from uuid import UUID

import psycopg
import sqlalchemy
from psycopg.abc import Buffer
from psycopg.rows import namedtuple_row
from psycopg.sql import Literal
from psycopg.types.datetime import TimestampLoader
from sqlalchemy import Connection, Dialect, TextClause, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from core.errors import Misconfigured
from core.nudge import Start


class Role(StrEnum):
    """The two database roles; neither owns a table, neither passes by row-level security."""

    TENANT = "askstephen_tenant"  # requests, and a step's product work: sees what its user may see
    JOBS = "askstephen_jobs"  # relay, claim, rescue, schedules: the schema `jobs`


_USED_AT = "when a connection went back to the pool"
_TRUSTED_SECONDS = 1.0
MOVED = "a job moved"  # keys in a session's info; its value is the Start, where nothing but that became ready
SETTLED = "the pipelines of jobs that ended, or were opened again"
_IDENTIFY = text("SELECT set_config('role', :role, true) AS role, set_config('app.user_id', :user_id, true) AS user_id")
# Sent with its BEGIN in one trip.
_BEGIN = "BEGIN; SET LOCAL role {role}; SET LOCAL app.user_id = {user_id}"
# Planned once, when the tables may still be empty: a plan that finds its rows by index is good whatever comes. Not by bitmaps: only a plain
# index scan marks the entries of rows that are gone, and a queue leaves many.
# A worker that is frozen in the middle keeps its locks for no longer than a rescue may take.
_HOT = (
    "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; "
    "SET LOCAL idle_in_transaction_session_timeout = '5s'"
)
# Over TCP nobody tells that a cable is out or a host gone: without these, who waits for an answer would wait for two hours.
_NOTICES_A_DEAD_LINE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 11_000}
_NOT_DURABLE = "SET LOCAL synchronous_commit = off"


class Database:
    """One process's pool of connections."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 4,
        nudge: Callable[[Start | None], object] = lambda _start: None,
        settle: Callable[[Session, Mapping[UUID, str]], None] = lambda _session, _pipelines: None,
        statement_seconds: float | None = None,
    ) -> None:
        # Of each transaction, not of the connection: behind a pooler others use that too.
        self._limits = (
            () if statement_seconds is None else (f"SET LOCAL statement_timeout = {round(statement_seconds * 1000)}",)
        )
        self._nudge = nudge  # called after each commit that moved a job, with the one step that can start by it
        self._settle = settle  # called before each commit that ended jobs or opened them again, with each one's pipeline
        self.engine = sqlalchemy.create_engine(
            driver_url(url),
            pool_size=connections,
            max_overflow=0,
            pool_use_lifo=True,  # the one that knows the statements already
            pool_timeout=10,
            hide_parameters=True,  # an error that is logged would quote transcripts and tokens
            connect_args={
                "options": "-c timezone=UTC -c jit=off -c idle_in_transaction_session_timeout=30s",
                "connect_timeout": 5,
                **_NOTICES_A_DEAD_LINE,
            },
        )
        # Without this the driver sends a BEGIN of its own before the first statement. Commit and rollback are sent all the same.
        self._beginning_ourselves = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self.engine, "connect", _read_times_as_utc)
        event.listen(self.engine, "checkin", _note_use)
        event.listen(self.engine, "checkout", self._ping)

    @contextmanager
    def tenant(self, user_id: str) -> Iterator[Session]:
        """A transaction that sees and writes what this user may; committed when the block ends without an error."""
        with self._transaction(Role.TENANT, user_id) as session:
            yield session

    @contextmanager
    def jobs(self) -> Iterator[Session]:
        """A transaction of the job core."""
        with self._transaction(Role.JOBS, "") as session:
            yield session

    @contextmanager
    def hot(self, *, durable: bool = True) -> Iterator[Session]:
        """One of the job core whose few statements run for every step: each is planned once and finds its rows by index.

        One that is not durable may be undone by a crash of the server just after its commit.
        """
        with self._transaction(Role.JOBS, "", _HOT, *(() if durable else (_NOT_DURABLE,))) as session:
            yield session

    @contextmanager
    def _transaction(self, role: Role, user_id: str, *settings: str) -> Iterator[Session]:
        with Session(self._beginning_ourselves) as session, session.begin():
            who = _BEGIN.format(role=role.value, user_id=Literal(user_id).as_string())
            _send(session.connection(), "; ".join((who, *self._limits, *settings)))
            yield session
            while settled := session.info.pop(SETTLED, None):  # what follows a job may end another
                self._settle(session, settled)
        if moved := session.info.get(MOVED):
            self._nudge(moved if isinstance(moved, Start) else None)

    def _ping(self, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:  # noqa: ANN401  (SQLAlchemy's)
        """Ask a connection that nobody used for a while whether the server is still there; if not, another one is made."""
        if time.monotonic() - record.info.get(_USED_AT, math.inf) > _TRUSTED_SECONDS:
            try:
                self.engine.dialect.do_ping(connection)
            except self.engine.dialect.loaded_dbapi.Error as error:
                raise DisconnectionError from error

    def dispose(self) -> None:
        """Close every idle connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.dispose()


def run(session: Session, statement: TextClause, params: Mapping[str, Any]) -> list[Any]:
    """The rows of a statement that runs for every step, with their columns as attributes: straight through the driver.

    SQLAlchemy's own way to it costs as much as the statement, and the driver's own way to an array of ids ten times as much as this
    one. Raises DBAPIError as SQLAlchemy does.
    """
    connection = session.connection()
    given = {name: _ids(value) if isinstance(value, list) and _has_ids(value) else value for name, value in params.items()}
    cursor = _send(connection, _compiled(statement, connection.dialect), given)
    return cursor.fetchall() if cursor.description else []


def _has_ids(values: list[Any]) -> bool:
    return bool(values) and isinstance(values[0], UUID)


def _ids(values: list[UUID]) -> str:
    return "{" + ",".join([value.hex for value in values]) + "}"


@cache
def _compiled(statement: TextClause, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))


def _send(connection: Connection, statement: str, params: Mapping[str, Any] | None = None) -> psycopg.Cursor[Any]:
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]  # psycopg's, by the URL
    cursor = driver.cursor(row_factory=namedtuple_row)
    try:
        return cursor.execute(statement, params)
    except psycopg.Error as error:
        lost = connection.dialect.is_disconnect(error, None, None)  # type: ignore[arg-type]  # the type is SQLAlchemy's for every driver
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=lost, dialect=connection.dialect
        ) from error


class _UtcLoader(TimestampLoader):
    """Earlier databases hold instants without a zone, in UTC."""

    def load(self, data: Buffer) -> datetime:
        return super().load(data).replace(tzinfo=UTC)


def _read_times_as_utc(driver: psycopg.Connection[Any], _record: object) -> None:
    driver.adapters.register_loader("timestamp", _UtcLoader)


def _note_use(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_USED_AT] = time.monotonic()


@contextmanager
def acting_as(session: Session, role: Role) -> Iterator[None]:
    """Within the block `role` without a user acts in this transaction; after it, whoever did before."""
    was = session.execute(text("SELECT current_setting('role'), current_setting('app.user_id', true)")).one()
    become(session, role, "")
    yield  # an error ends the transaction, and with it whom it acts as
    become(session, Role(was[0]), was[1])


def become(session: Session, role: Role, user_id: str) -> None:
    """Make what follows in this transaction run as `role` for `user_id`."""
    run(session, _IDENTIFY, {"role": role.value, "user_id": user_id})


def in_a_line(error: DBAPIError) -> str:
    """What the server, or the way to it, says."""
    return "; ".join(map(str.strip, str(error.orig).splitlines()))


def driver_url(url: str) -> str:
    """`url` for SQLAlchemy with psycopg 3. Raises Misconfigured."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise Misconfigured("DATABASE_URL must be a postgresql:// address; unset it to let `askstephen up` start its own")
    return f"postgresql+psycopg://{rest}"
