"""When searches for a client repeat. The row says it for people and clients; what the clock reads is written along with it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import Invalid
from db.base.leads import ScheduleType, leads_search_schedules
from db.base.rows import delete_row, get_row, list_rows, require_only, update_row
from db.leads.clients import insert_of_client

_CHANGEABLE = ("schedule_type", "interval_days", "day_of_week", "day_of_month", "run_hour", "timezone", "is_active")
_NEEDED = {  # what each type needs, and from what to what it may be
    ScheduleType.INTERVAL: ("interval_days", 1, 366),
    ScheduleType.WEEKLY: ("day_of_week", 0, 6),  # 0 is Sunday
    ScheduleType.MONTHLY: ("day_of_month", 1, 31),  # a shorter month: its last day
}


def insert_schedule(session: Session, client_id: int, values: Mapping[str, Any], *, user_id: str) -> RowMapping:
    """A new schedule of a client. Raises NotFound, Invalid."""
    require_only(values, _CHANGEABLE)
    _require_rule(values)
    return insert_of_client(session, leads_search_schedules, client_id, values, user_id=user_id)


def get_schedule(session: Session, schedule_id: int) -> RowMapping:
    """One schedule. Raises NotFound."""
    return get_row(session, leads_search_schedules, schedule_id)


def list_schedules(session: Session, client_id: int, *, before: int | None = None, limit: int = 50) -> list[RowMapping]:
    """Of one client, newest first."""
    of_client = leads_search_schedules.c.client_id == client_id
    return list_rows(session, leads_search_schedules, of_client, before=before, limit=limit)


def update_schedule(session: Session, schedule_id: int, values: Mapping[str, Any]) -> RowMapping:
    """Set these columns; what they make together must be a rule. Raises NotFound, Refused, Invalid."""
    require_only(values, _CHANGEABLE)
    _require_rule({**get_schedule(session, schedule_id), **values})
    return update_row(session, leads_search_schedules, schedule_id, values)


def note_run(session: Session, schedule_id: int, *, ran_at: datetime | None, next_at: datetime | None) -> RowMapping:
    """Say when it ran last (None: as before) and runs next (None: no more). Raises NotFound, Refused."""
    ran = {} if ran_at is None else {"last_run_at": ran_at}
    return update_row(session, leads_search_schedules, schedule_id, {**ran, "next_run_at": next_at})


def delete_schedule(session: Session, schedule_id: int) -> None:
    """Remove a schedule. Raises NotFound, Refused."""
    delete_row(session, leads_search_schedules, schedule_id)


def _require_rule(values: Mapping[str, Any]) -> None:
    kind = values.get("schedule_type")
    if kind not in set(ScheduleType):
        raise Invalid(f"schedule_type must be one of {', '.join(ScheduleType)}")
    name, least, most = _NEEDED[ScheduleType(kind)]
    for column, low, high in ((name, least, most), ("run_hour", 0, 23)):
        value = values.get(column, 9 if column == "run_hour" else None)
        if not isinstance(value, int) or not low <= value <= high:
            raise Invalid(f"{column} must be a number from {low} to {high}")
    if values.get("timezone", "UTC") not in available_timezones():
        raise Invalid(f"there is no time zone {values['timezone']}; one is called America/New_York")
