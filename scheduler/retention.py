"""Removes rows that have aged, moves finished jobs to the archive, and forgets its oldest months."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.log import get_logger
from db import jobs
from db.engine import Database
from db.jobs import Rest
from db.retention import AGED, prune_rows

_log = get_logger(__name__)
_LOCK = 7_310_103
_BEFORE_ALL = UUID(int=0)


class Retention:
    """Works in small transactions, each of which leaves everything whole: it may be killed at any point, and repeated."""

    def __init__(self, database: Database, rest: Rest) -> None:
        self._database = database
        self._rest = rest

    def tick(self) -> None:
        """Do all there is to do. Called now and then; safe beside anything, also beside another one."""
        try:
            rows = sum(self._prune(table) for table in AGED)
            moved = self._archive()
            with self._turn() as session:  # last: long readers of the archive may keep it from this for hours
                months = jobs.drop_months(session, self._rest)
        except SQLAlchemyError as error:
            _log.warning("retention.interrupted", error=type(error).__name__)  # goes on at the next tick
            return
        if moved or months or rows:
            _log.info("retention.done", jobs_archived=moved, months_dropped=months, rows_removed=rows)

    def _archive(self) -> int:
        with self._turn() as session:
            jobs.make_months(session, self._rest)
        moved, last = 0, _BEFORE_ALL
        while True:
            with self._turn() as session:
                ids = jobs.archive_jobs(session, self._rest, after=last)
            if not ids:
                return moved
            moved, last = moved + len(ids), ids[-1]

    def _prune(self, table: str) -> int:
        removed = 0
        while True:
            with self._turn() as session:
                together = prune_rows(session, table)
            if not together:
                return removed
            removed += together

    @contextmanager
    def _turn(self) -> Iterator[Session]:
        """A transaction of the job core; of two schedulers, one at a time."""
        with self._database.jobs() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield session
