"""/ops/bulk: run again, or stop, everything that matches; a preview first, whose instant is what the deed then keeps to."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api_stub.auth import DatabaseHere
from api_stub.operators import Mender, may
from api_stub.ops_jobs import Filter
from core.errors import Conflict
from db import bulk
from db.bulk import Bulk, Deed, Preview
from db.engine import Database
from db.operators import record_action
from db.permissions import OperatorDeed
from pipelines.base import enqueue

router = APIRouter(prefix="/ops", tags=["ops"], dependencies=[Depends(may(OperatorDeed.MEND))])
AT_ONCE = 50  # more are done by a job


class Asked(BaseModel):
    """A deed, and the jobs that it is meant for."""

    model_config = ConfigDict(extra="forbid")

    deed: Deed
    wanted: Filter


class Decided(Asked):
    """What a preview showed, and why it is done."""

    as_of: Annotated[AwareDatetime, Field(description="The preview's: what was made or failed later is left alone.")]
    reason: Annotated[str, Field(min_length=3, max_length=500)]


@router.post("/bulk/preview")
def preview_bulk(asked: Asked, database: DatabaseHere) -> dict[str, Any]:
    """How many jobs it would meet, of which pipelines, and some of them."""
    shown = preview(database, asked.deed, asked.wanted)
    return {
        "as_of": shown.as_of,
        "count": shown.count,
        "pipelines": shown.pipelines,
        "owners": shown.owners,
        "examples": [dict(row) for row in shown.examples],
    }


@router.post("/bulk", status_code=202)
def start_bulk(decided: Decided, operator: Mender, database: DatabaseHere) -> dict[str, Any]:
    """Do it: up to fifty at once, more by the job `job_id`. Raises Conflict when nothing matches any more."""
    return start(database, operator, decided.deed, decided.wanted, as_of=decided.as_of, reason=decided.reason)


def preview(database: Database, deed: Deed, wanted: Filter) -> Preview:
    """What the deed would meet now."""
    with database.jobs() as session:
        return bulk.preview(session, deed, wanted.wanted())


def start(database: Database, operator: str, deed: Deed, wanted: Filter, *, as_of: datetime, reason: str) -> dict[str, Any]:
    """Do it, or enqueue the job that does, and keep who did. Raises Conflict when nothing matches any more."""
    with database.jobs() as session:
        count = bulk.preview(session, deed, wanted.wanted(), as_of=as_of).count
        if not count:
            raise Conflict("nothing matches any more")
        asked = Bulk(deed, wanted.wanted(), as_of, count)
        action_id = record_action(session, operator, f"bulk_{deed}", f"{count} jobs", asked.detail(reason))
        if count > AT_ONCE:
            job_id = enqueue(session, "bulk_action", {"action_id": action_id}, owner_id=operator)
            return {"action_id": action_id, "count": count, "done": None, "skipped": None, "job_id": job_id}
        done, skipped = bulk.act(session, deed, bulk.list_next(session, asked, before=None, limit=AT_ONCE))
    return {"action_id": action_id, "count": count, "done": done, "skipped": skipped, "job_id": None}
