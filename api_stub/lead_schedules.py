"""/v1/leads-search-schedules, besides the rows: previewed, paused, resumed and run now, with what became of each instant."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from api_stub.auth import Asker, DatabaseHere, in_area
from api_stub.contract import LARGEST_ID
from api_stub.schedules import Due, Fire, Ran, Schedule
from db import schedules as clocks
from db.engine import Database
from db.leads import schedules
from db.permissions import Area
from pipelines import schedules as firing

router = APIRouter(prefix="/v1/leads-search-schedules/{row_id}", tags=["leads search schedules"])
_Asker = Annotated[Asker, Depends(in_area(Area.LEADS))]
_Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]


@router.get("/preview")
def preview_lead_schedule(
    row_id: _Id, asker: _Asker, database: DatabaseHere, count: Annotated[int, Query(ge=1, le=100)] = 5
) -> list[Due]:
    """When it is due next, as if it were not paused."""
    with database.tenant(asker.id) as session:
        coming = schedules.preview_schedule(session, row_id, most=count)
    return [Due(at=instant.at, shifted=instant.shifted) for instant in coming]


@router.get("/fires")
def list_lead_schedule_fires(
    row_id: _Id, asker: _Asker, database: DatabaseHere, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[Fire]:
    """What became of its instants, newest first."""
    with database.tenant(asker.id) as session:
        fires = clocks.list_fires(session, schedules.get_clock(session, row_id), limit=limit)
    return [Fire.model_validate(dict(fire)) for fire in fires]


@router.post("/pause")
def pause_lead_schedule(row_id: _Id, asker: _Asker, database: DatabaseHere) -> Schedule:
    """Let it not run until it is resumed."""
    return _switch(database, asker, row_id, is_active=False)


@router.post("/resume")
def resume_lead_schedule(row_id: _Id, asker: _Asker, database: DatabaseHere) -> Schedule:
    """Let it run again, from its next instant on."""
    return _switch(database, asker, row_id, is_active=True)


def _switch(database: Database, asker: Asker, row_id: int, *, is_active: bool) -> Schedule:
    with database.tenant(asker.id) as session:
        schedules.update_schedule(session, row_id, {"is_active": is_active})
        return Schedule.model_validate(dict(clocks.get(session, schedules.get_clock(session, row_id))))


@router.post("/run", status_code=202)
def run_lead_schedule(row_id: _Id, asker: _Asker, database: DatabaseHere) -> Ran:
    """Search now, besides its instants."""
    with database.tenant(asker.id) as session:
        return Ran(job_id=firing.fire_now(session, schedules.get_clock(session, row_id)))
