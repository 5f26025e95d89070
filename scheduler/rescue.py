"""Brings back steps whose worker is gone, and stops jobs that are late."""

import time
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from core.log import get_logger
from db import jobs
from db.engine import Database

_log = get_logger(__name__)
_GAP_SECONDS = 3.0  # ticks come every second; one that late means that this process, or the whole machine, stood still


class Rescue:
    """Judges only time that it has watched itself: after a gap or a clock jump it first watches for one lease."""

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self._database = database
        self._lease_seconds = lease.total_seconds()
        self._watching_since = self._last_tick = time.monotonic()
        self._clock_offset = time.time() - self._last_tick

    def tick(self) -> None:
        """Requeue what expired, and stop what is past its limits of time. Called every second or so."""
        now = time.monotonic()
        offset = time.time() - now
        gap = now - self._last_tick > _GAP_SECONDS or abs(offset - self._clock_offset) > 1
        self._last_tick, self._clock_offset = now, offset
        if gap:
            self._watching_since = now
        try:
            with self._database.jobs() as session:  # of its own: both lock jobs
                late = jobs.stop_late_jobs(session)
            with self._database.jobs() as session:
                session.execute(text("DELETE FROM jobs.workers WHERE seen_at < now() - interval '1 minute'"))
                rescued = jobs.rescue(session) if now - self._watching_since >= self._lease_seconds else 0
        except SQLAlchemyError as error:
            self._watching_since = time.monotonic()  # workers could not renew either
            _log.warning("rescue.interrupted", error=type(error).__name__)
            return
        if late:
            _log.warning("jobs.stopped_late", count=late)
        if rescued:
            _log.warning("steps.rescued", count=rescued)
