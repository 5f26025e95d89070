"""Connections and transactions. Every transaction starts by naming its role and its user; nobody else opens one."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Self
from uuid import UUID

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.errors import Misconfigured


class Role(StrEnum):
    """The two database roles; neither owns a table, neither passes by row-level security."""

    TENANT = "askstephen_tenant"  # requests, and a step's product work: sees what its user may see
    JOBS = "askstephen_jobs"  # relay, claim, rescue, schedules: the schema `jobs`


MOVED = "a job moved"  # keys in a session's info
SETTLED = "jobs that ended, or were opened again"
_IDENTIFY = text("SELECT set_config('role', :role, true), set_config('app.user_id', :user_id, true)")


class Database:
    """One process's pool of connections."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 4,
        nudge: Callable[[], object] = lambda: None,
        settle: Callable[[Session, Collection[UUID]], None] = lambda _session, _jobs: None,
    ) -> None:
        self._nudge = nudge  # called after each commit that moved a job
        self._settle = settle  # called before each commit that ended jobs or opened them again
        self.engine = sqlalchemy.create_engine(
            driver_url(url),
            pool_size=connections,
            max_overflow=0,
            pool_pre_ping=True,
            pool_timeout=10,
            hide_parameters=True,  # an error that is logged would quote transcripts and tokens
            connect_args={
                "options": "-c timezone=UTC -c jit=off -c idle_in_transaction_session_timeout=30s",
                "connect_timeout": 5,
            },
        )

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
    def _transaction(self, role: Role, user_id: str) -> Iterator[Session]:
        with Session(self.engine) as session, session.begin():
            become(session, role, user_id)
            yield session
            if settled := session.info.get(SETTLED):
                self._settle(session, settled)
        if session.info.get(MOVED):
            self._nudge()

    def dispose(self) -> None:
        """Close every idle connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.dispose()


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
