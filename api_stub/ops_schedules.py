"""/ops/schedules: anybody's schedules, with what became of their last instants; paused, resumed, and run now."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends

from api_stub.auth import DatabaseHere
from api_stub.operators import Mender, may
from db import schedules
from db.engine import Database
from db.operators import record_action
from db.permissions import OperatorDeed
from pipelines.schedules import fire_now

router = APIRouter(prefix="/ops", tags=["ops"], dependencies=[Depends(may(OperatorDeed.WATCH))])
_FIRES, _INSTANTS, _MOST = 10, 3, 100


@router.get("/schedules")
def list_all_schedules(database: DatabaseHere) -> dict[str, Any]:
    """Everybody's newest schedules: when each is due next, and what became of the last instants."""
    return {"items": read_schedules(database)}


def read_schedules(database: Database) -> list[dict[str, Any]]:
    """Everybody's newest schedules with `fires` and the `instants` to come."""
    with database.jobs() as session:
        now = schedules.get_now(session)
        return [
            {
                **row,
                "fires": [dict(fire) for fire in schedules.list_fires(session, row["id"], limit=_FIRES)],
                "instants": schedules.preview_instants(row, after=now, most=_INSTANTS),
            }
            for row in schedules.list_schedules(session, limit=_MOST)
        ]


@router.post("/schedules/{schedule_id}/pause", status_code=204)
def pause_any_schedule(
    schedule_id: UUID,
    operator: Mender,
    database: DatabaseHere,
    reason: Annotated[str | None, Body(embed=True, max_length=500)] = None,
) -> None:
    """Let it not be due until it is resumed."""
    with database.jobs() as session:
        schedules.pause(session, schedule_id, reason=reason)
        record_action(session, operator, "pause", f"schedule {schedule_id}", {"reason": reason})


@router.post("/schedules/{schedule_id}/resume", status_code=204)
def resume_any_schedule(schedule_id: UUID, operator: Mender, database: DatabaseHere) -> None:
    """Let it be due again, first at its next instant."""
    with database.jobs() as session:
        schedules.resume(session, schedule_id)
        record_action(session, operator, "resume", f"schedule {schedule_id}")


@router.post("/schedules/{schedule_id}/run", status_code=202)
def run_any_schedule(schedule_id: UUID, operator: Mender, database: DatabaseHere) -> dict[str, Any]:
    """Make its job now, for its owner, besides its instants."""
    return {"job_id": run(database, operator, schedule_id)}


def run(database: Database, operator: str, schedule_id: UUID) -> UUID:
    """Make the schedule's job now, and keep who asked. Raises NotFound, and what making it raises."""
    with database.jobs() as session:
        owner_id = schedules.get(session, schedule_id)["owner_id"]
        record_action(session, operator, "run", f"schedule {schedule_id}")
    with database.tenant(owner_id) as session:
        return fire_now(session, schedule_id)
