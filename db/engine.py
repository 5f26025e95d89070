"""Connections and transactions. Every transaction starts by naming its role and its user; nobody else opens one."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import sqlalchemy
from sqlalchemy import TextClause, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from core.errors import Misconfigured


class Role(StrEnum):
    """The two database roles; neither owns a table, neither passes by row-level security."""

    TENANT = "askstephen_tenant"  # requests, and a step's product work: sees what its user may see
    JOBS = "askstephen_jobs"  # relay, claim, rescue, schedules: the schema `jobs`


_USED_AT = "when a connection went back to the pool"
_TRUSTED_SECONDS = 1.0
MOVED = "a job moved"  # keys in a session's info
SETTLED = "the pipelines of jobs that ended, or were opened again"
_WHO = "SELECT set_config('role', :role, true), set_config('app.user_id', :user_id, true)"
# Planned once, when the tables may still be empty: a plan that finds its rows by index is good whatever comes. Not by bitmaps: only a plain
# index scan marks the entries of rows that are gone, and a queue leaves many.
_HOT = f"""
{_WHO}, set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)
"""
_IDENTIFY, _IDENTIFY_HOT = text(_WHO), text(_HOT)
_IDENTIFY_HOT_NOT_DURABLE = text(f"{_HOT}, set_config('synchronous_commit', 'off', true)")


class Database:
    """One process's pool of connections."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 4,
        nudge: Callable[[], object] = lambda: None,
        settle: Callable[[Session, Mapping[UUID, str]], None] = lambda _session, _pipelines: None,
    ) -> None:
        self._nudge = nudge  # called after each commit that moved a job
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
            },
        )
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
        with self._transaction(Role.JOBS, "", _IDENTIFY_HOT if durable else _IDENTIFY_HOT_NOT_DURABLE) as session:
            yield session

    @contextmanager
    def _transaction(self, role: Role, user_id: str, identify: TextClause = _IDENTIFY) -> Iterator[Session]:
        with Session(self.engine) as session, session.begin():
            session.execute(identify, {"role": role.value, "user_id": user_id})
            yield session
            while settled := session.info.pop(SETTLED, None):  # what follows a job may end another
                self._settle(session, settled)
        if session.info.get(MOVED):
            self._nudge()

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
    session.execute(_IDENTIFY, {"role": role.value, "user_id": user_id})


def driver_url(url: str) -> str:
    """`url` for SQLAlchemy with psycopg 3. Raises Misconfigured."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise Misconfigured("DATABASE_URL must be a postgresql:// address; unset it to let `askstephen up` start its own")
    return f"postgresql+psycopg://{rest}"
