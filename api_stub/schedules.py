"""/v1/schedules: what runs again and again; made, previewed, paused, resumed, run now, removed."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from api_stub.auth import DatabaseHere, User
from db import schedules
from db.schedule_rules import BOUNDS, PARTS
from db.schedules import CatchUp, Overlap
from pipelines import schedules as firing

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])


def _rule_schema() -> dict[str, Any]:
    """A rule as `db.schedule_rules` takes it."""
    numbers = {name: {"type": "integer", "minimum": low, "maximum": high} for name, (low, high) in BOUNDS.items()}
    forms = [
        {
            "type": "object",
            "properties": {"kind": {"const": kind}, **{name: numbers[name] for name in (*sorted(parts), "hour", "minute")}},
            "required": ["kind", *sorted(parts)],
            "additionalProperties": False,
        }
        for kind, choices in PARTS.items()
        for parts in choices
    ]
    return {"title": "Rule", "oneOf": forms, "examples": [{"kind": "weekly", "weekday": 1, "hour": 9}]}


class NewSchedule(BaseModel):
    """A pipeline with its arguments, and when it runs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"pipeline": "self_check", "rule": {"kind": "weekly", "weekday": 1, "hour": 9}}]},
    )

    pipeline: Annotated[str, Field(min_length=1, max_length=100)]
    args: dict[str, Any] = Field(default_factory=dict)
    rule: Annotated[dict[str, int | str], Field(max_length=8), WithJsonSchema(_rule_schema())]
    zone: Annotated[str, Field(max_length=100)] = "America/New_York"
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.LAST
    catch_up_most: Annotated[int, Field(ge=1, le=100)] = 10


class Schedule(BaseModel):
    """A schedule as it stands."""

    id: UUID
    pipeline: str
    args: dict[str, Any]
    subject: str | None
    rule: dict[str, Any]
    zone: str
    overlap: str
    catch_up: str
    catch_up_most: int
    enabled: bool
    paused_reason: str | None
    last_fire_at: datetime | None
    next_fire_at: datetime | None
    lead_schedule_id: int | None


class Schedules(BaseModel):
    """A page of them, newest first."""

    items: list[Schedule]
    next_cursor: UUID | None


class Due(BaseModel):
    """An instant to come; `shifted` where the clock jumps over the time that was meant."""

    at: datetime
    shifted: bool


class Fire(BaseModel):
    """An instant that has passed, and what became of it."""

    fire_at: datetime
    outcome: str
    shifted: bool
    reason: str | None
    job_id: UUID | None


class Ran(BaseModel):
    """The job that was begun."""

    job_id: UUID


@router.post("", status_code=201)
def post_schedule(new: NewSchedule, user: User, database: DatabaseHere) -> Schedule:
    """A new schedule."""
    with database.tenant(user) as session:
        return Schedule.model_validate(dict(firing.insert(session, owner_id=user, **new.model_dump())))


@router.get("")
def list_schedules(
    user: User, database: DatabaseHere, cursor: UUID | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> Schedules:
    """Your schedules, newest first; `next_cursor` is null on the last page."""
    with database.tenant(user) as session:
        rows = schedules.list_schedules(session, before=cursor, limit=limit + 1)
    items = [Schedule.model_validate(dict(row)) for row in rows[:limit]]
    return Schedules(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


@router.get("/{schedule_id}")
def get_schedule(schedule_id: UUID, user: User, database: DatabaseHere) -> Schedule:
    """One schedule."""
    with database.tenant(user) as session:
        return Schedule.model_validate(dict(schedules.get(session, schedule_id)))


@router.get("/{schedule_id}/preview")
def get_preview(
    schedule_id: UUID, user: User, database: DatabaseHere, count: Annotated[int, Query(ge=1, le=100)] = 5
) -> list[Due]:
    """When it is due next."""
    with database.tenant(user) as session:
        row = schedules.get(session, schedule_id)
        coming = schedules.preview_instants(row, after=schedules.get_now(session), most=count)
    return [Due(at=instant.at, shifted=instant.shifted) for instant in coming]


@router.get("/{schedule_id}/fires")
def list_fires(
    schedule_id: UUID, user: User, database: DatabaseHere, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[Fire]:
    """What became of its instants, newest first."""
    with database.tenant(user) as session:
        schedules.get(session, schedule_id)
        return [Fire.model_validate(dict(row)) for row in schedules.list_fires(session, schedule_id, limit=limit)]


@router.post("/{schedule_id}/pause")
def post_pause(schedule_id: UUID, user: User, database: DatabaseHere) -> Schedule:
    """Let it not run until it is resumed."""
    with database.tenant(user) as session:
        return Schedule.model_validate(dict(schedules.pause(session, schedule_id)))


@router.post("/{schedule_id}/resume")
def post_resume(schedule_id: UUID, user: User, database: DatabaseHere) -> Schedule:
    """Let it run again, from its next instant on."""
    with database.tenant(user) as session:
        return Schedule.model_validate(dict(schedules.resume(session, schedule_id)))


@router.post("/{schedule_id}/run", status_code=202)
def post_run(schedule_id: UUID, user: User, database: DatabaseHere) -> Ran:
    """Run it now, besides its instants."""
    with database.tenant(user) as session:
        return Ran(job_id=firing.fire_now(session, schedule_id))


@router.delete("/{schedule_id}", status_code=204)
def delete_schedule(schedule_id: UUID, user: User, database: DatabaseHere) -> None:
    """Remove it; jobs that it began go on."""
    with database.tenant(user) as session:
        schedules.delete(session, schedule_id)
