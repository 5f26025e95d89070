"""When searches for a client repeat. The row says it for people and clients; what the clock reads is written along with it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import Invalid, NotFound
from db import schedules
from db.base.leads import ScheduleType, leads_search_schedules
from db.base.rows import delete_row, get_row, list_rows, require_only, update_row
from db.leads.clients import insert_of_client, subject
from db.schedule_rules import BOUNDS, Instant, Rule, RuleKind, get_zone
from db.schedule_rules import preview as preview_rule

PIPELINE = "lead_search"
_CHANGEABLE = ("schedule_type", "interval_days", "day_of_week", "day_of_month", "run_hour", "timezone", "is_active")
_NEEDED = {  # the column that each type needs, and what a rule calls it
    ScheduleType.INTERVAL: ("interval_days", "days"),
    ScheduleType.WEEKLY: ("day_of_week", "weekday"),
    ScheduleType.MONTHLY: ("day_of_month", "day"),
}


def insert_schedule(session: Session, client_id: int, values: Mapping[str, Any], *, user_id: str) -> RowMapping:
    """A new schedule of a client, and what the clock reads of it. Raises NotFound, Invalid."""
    require_only(values, _CHANGEABLE)
    _read_rule(values)
    row = insert_of_client(session, leads_search_schedules, client_id, values, user_id=user_id)
    give_clock(session, row)
    return get_schedule(session, row["id"])


def give_clock(session: Session, row: RowMapping) -> None:
    """Write what the clock reads of this row; one whose columns make no rule is paused, and says why."""
    try:
        rule, zone, enabled, reason = _read_rule(row), row["timezone"], row["is_active"], None
    except Invalid as error:
        rule, zone, enabled, reason = Rule(RuleKind.INTERVAL, days=1), "UTC", False, str(error)
    made = schedules.insert(
        session,
        owner_id=row["user_id"],
        pipeline=PIPELINE,
        args={"client_id": row["client_id"]},
        subject=subject(row["client_id"]),
        rule=rule,
        zone=zone,
        enabled=enabled,
        anchor_at=row["created_at"],
        lead_schedule_id=row["id"],
    )
    if reason:
        schedules.pause(session, made["id"], reason=reason)


def get_schedule(session: Session, schedule_id: int) -> RowMapping:
    """One schedule. Raises NotFound."""
    return get_row(session, leads_search_schedules, schedule_id)


def list_schedules(session: Session, client_id: int, *, before: int | None = None, limit: int = 50) -> list[RowMapping]:
    """Of one client, newest first."""
    of_client = leads_search_schedules.c.client_id == client_id
    return list_rows(session, leads_search_schedules, of_client, before=before, limit=limit)


def update_schedule(session: Session, schedule_id: int, values: Mapping[str, Any]) -> RowMapping:
    """Set these columns, here and where the clock reads; together they must make a rule. Raises NotFound, Refused, Invalid."""
    require_only(values, _CHANGEABLE)
    rule = _read_rule({**get_schedule(session, schedule_id), **values})
    row = update_row(session, leads_search_schedules, schedule_id, values)
    clock = schedules.find_of_lead_schedule(session, schedule_id)
    if clock is None:
        give_clock(session, row)
    else:
        schedules.set_rule(session, clock, rule=rule, zone=row["timezone"], enabled=row["is_active"])
    return get_schedule(session, schedule_id)


def get_clock(session: Session, schedule_id: int) -> UUID:
    """The schedule that the clock reads of this row; of an earlier database's row, made now. Raises NotFound."""
    row = get_schedule(session, schedule_id)
    clock = schedules.find_of_lead_schedule(session, schedule_id)
    if clock is None:
        give_clock(session, row)
        clock = schedules.find_of_lead_schedule(session, schedule_id)
    if clock is None:
        raise NotFound(f"there is no clock of lead search schedule {schedule_id}")
    return clock


def preview_schedule(session: Session, schedule_id: int, *, most: int) -> list[Instant]:
    """When it is due next, as if it were not paused. Raises NotFound, Invalid."""
    row = get_schedule(session, schedule_id)
    now = schedules.get_now(session)
    return preview_rule(_read_rule(row), get_zone(row["timezone"]), anchor=row["created_at"], after=now, most=most)


def delete_schedule(session: Session, schedule_id: int) -> None:
    """Remove a schedule, with what the clock reads of it. Raises NotFound, Refused."""
    delete_row(session, leads_search_schedules, schedule_id)


def _read_rule(values: Mapping[str, Any] | RowMapping) -> Rule:
    kind = values.get("schedule_type")
    if kind not in set(ScheduleType):
        raise Invalid(f"schedule_type must be one of {', '.join(ScheduleType)}")
    column, part = _NEEDED[ScheduleType(kind)]
    for name, bounded, value in ((column, part, values.get(column)), ("run_hour", "hour", values.get("run_hour", 9))):
        low, high = BOUNDS[bounded]
        if not isinstance(value, int) or not low <= value <= high:
            raise Invalid(f"{name} must be a whole number from {low} to {high}")
    get_zone(values.get("timezone", "UTC"))
    return Rule(RuleKind(kind), **{part: values[column]}, hour=values.get("run_hour", 9))
