"""/v1/batches: many jobs that are asked for, watched and cancelled as one."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api_stub.auth import DatabaseHere, User
from api_stub.work import IdempotencyKey, NewWork, answered
from db import jobs
from db.engine import Database
from pipelines.batches import enqueue_batch

router = APIRouter(prefix="/v1/batches", tags=["batches"])
_MOST_JOBS = 1000


class NewHook(BaseModel):
    """What runs once all jobs of the batch have ended; an argument `batch_id` of it is filled in."""

    model_config = ConfigDict(extra="forbid")

    pipeline: str
    args: dict[str, Any] = {}


class NewBatch(NewWork):
    """One pipeline, and the arguments of each of its jobs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"pipeline": "self_check", "args": [{"mebibytes": 1}]}]})

    args: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=_MOST_JOBS)]
    then: NewHook | None = None


@router.post("", status_code=202)
def post_batch(
    new: NewBatch,
    user: User,
    database: DatabaseHere,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Enqueue all of them or none. With an `Idempotency-Key`, as for a job."""

    def insert(session: Session) -> dict[str, Any]:
        then = (new.then.pipeline, new.then.args) if new.then else None
        batch_id = enqueue_batch(session, new.pipeline, new.args, owner_id=user, then=then, **new.wishes())
        return {"id": str(batch_id), "status": "running"}

    return answered(database, user, insert, path="/v1/batches", key=idempotency_key, asked=new)


@router.get("/{batch_id}")
def get_batch(batch_id: UUID, user: User, database: DatabaseHere) -> dict[str, Any]:
    """Its one status, how many of its jobs have each, and what followed."""
    return _read(database, user, batch_id)


@router.post("/{batch_id}/cancel", status_code=202)
def cancel_batch(batch_id: UUID, user: User, database: DatabaseHere) -> dict[str, Any]:
    """Stop every job of it that has not ended."""
    _read(database, user, batch_id)
    with database.jobs() as session:
        jobs.cancel_batch(session, batch_id)
    return _read(database, user, batch_id)


def _read(database: Database, user: str, batch_id: UUID) -> dict[str, Any]:
    with database.tenant(user) as session:
        batch = jobs.get_batch(session, batch_id)
        counts = jobs.count_jobs(session, batch_id)
    return {**batch, "status": jobs.status_of(counts), "jobs": counts}
