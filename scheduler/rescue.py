"""Brings back steps whose worker is gone, and stops jobs that are late."""

import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from core.log import get_logger
from db import jobs
from db.engine import Database

_log = get_logger(__name__)
_GAP_SECONDS = 3.0  # ticks come every second; one that late means that this process, or the whole machine, stood still
_START_SECONDS = 5.0  # what was before is not known; whoever lives has beaten several times by then


class Rescue:
    """Gives every lease the time in which it could not be renewed: what was missed is waited for, one lease at most.

    While the database is away, or the machine stands still, workers that live cannot renew. Those that are back have as long again as they
    were away, so that a short outage delays a rescue by as little.
    """

    def __init__(
        self,
        database: Database,
        *,
        lease: timedelta,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._lease_seconds = lease.total_seconds()
        self._clock, self._wall = clock, wall
        self._watched_at = clock()  # the last time that the rows could be looked at
        self._clock_offset = wall() - self._watched_at
        self._judges_from = self._watched_at + min(_START_SECONDS, self._lease_seconds)
        self._interrupted = False

    def tick(self) -> None:
        """Requeue what expired or whose worker died, and stop what is past its limits of time. Called every second or so."""
        try:
            with self._database.jobs() as session:  # of its own: both lock jobs
                late = jobs.stop_late_jobs(session)
            with self._database.jobs() as session:
                rescued = jobs.rescue(session, believes_leases=self._may_judge())
                session.execute(text("DELETE FROM jobs.workers WHERE seen_at < now() - interval '1 minute'"))
        except SQLAlchemyError as error:
            self._interrupted = True
            _log.warning("rescue.interrupted", error=type(error).__name__)
            return
        if late:
            _log.warning("jobs.stopped_late", count=late)
        if rescued:
            _log.warning("steps.rescued", count=rescued)

    def _may_judge(self) -> bool:
        """The database answers. Takes note of the time in which it did not, or in which nobody looked."""
        now = self._clock()
        offset = self._wall() - now
        missed, jumped = now - self._watched_at, abs(offset - self._clock_offset)
        if self._interrupted or missed > _GAP_SECONDS or jumped > 1:
            owed = max(0.0, self._judges_from - self._watched_at)  # what was waited meanwhile gave nobody time either
            self._judges_from = now + min(owed + max(missed, jumped), self._lease_seconds)
        self._watched_at, self._clock_offset, self._interrupted = now, offset, False
        return now >= self._judges_from
