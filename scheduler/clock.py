"""Fires schedules that are due: each instant once, whichever of several schedulers sees it first."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import Invalid
from core.log import get_logger
from db import schedules
from db.engine import Database
from db.leads.schedules import give_clock
from pipelines.schedules import fire_due, fire_waiting

_log = get_logger(__name__)
_MOST_AT_ONCE = 200


class Clock:
    """What was fired is known by the database; nothing is kept here."""

    def __init__(self, database: Database, *, now: Callable[[Session], datetime] = schedules.get_now) -> None:
        self._database = database
        self._now = now

    def tick(self) -> None:
        """Fire what is due. Called every second; one that comes late loses nothing."""
        try:
            for _ in range(_MOST_AT_ONCE):
                if not self._fire_one():
                    break
            for _ in range(_MOST_AT_ONCE):
                if not self._fire_one_waiting():
                    break
        except SQLAlchemyError as error:
            _log.warning("clock.interrupted", error=type(error).__name__)  # looks again at the next tick

    def adopt(self) -> None:
        """Give rows of an earlier database, which nothing ran, their schedule. Called every minute."""
        try:
            with self._database.jobs() as session:
                for row in schedules.list_lead_schedules_without(session, most=_MOST_AT_ONCE):
                    give_clock(session, row)
        except SQLAlchemyError as error:
            _log.warning("clock.interrupted", error=type(error).__name__)

    def _fire_one(self) -> bool:
        with self._database.jobs() as session:
            now = self._now(session)
            schedule = schedules.lock_due(session, now)
            if schedule is None:
                return False
            try:
                fire_due(session, schedule, now)
            except Invalid as error:  # a zone that newer tables of zones lack, say: others go on
                schedules.pause(session, schedule["id"], reason=str(error))
                _log.warning("schedule.paused", schedule_id=str(schedule["id"]), error=str(error))
            return True

    def _fire_one_waiting(self) -> bool:
        with self._database.jobs() as session:
            schedule = schedules.lock_waiting(session)
            if schedule is not None:
                fire_waiting(session, schedule)
            return schedule is not None
