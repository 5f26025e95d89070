"""/v1/jobs: enqueue, list, read, cancel, retry."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from api_stub.auth import DatabaseHere, User
from api_stub.etag import matches
from api_stub.work import IdempotencyKey, NewWork, answered
from db import jobs, status
from db.engine import Database
from db.why import Why, why_not_running
from pipelines.base import enqueue

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


def read_job(database: Database, user: str, job_id: UUID) -> dict[str, Any]:
    """A job's snapshot with why it waits, as its owner may see it. Raises NotFound."""
    with database.tenant(user) as session:
        shown = status.snapshot(session, job_id)
    why = _find_why(database, shown)
    return {**shown, "why": why and why.owner}


def read_any_job(database: Database, job_id: UUID) -> dict[str, Any]:
    """The same of anybody's job, for operators. Raises NotFound."""
    with database.jobs() as session:
        shown = status.snapshot(session, job_id)
    why = _find_why(database, shown)
    return {**shown, "why": why and why.operators}


def _find_why(database: Database, shown: dict[str, Any]) -> Why | None:
    if shown["finished_at"] is not None:
        return None
    with database.jobs() as session:
        return why_not_running(session, shown["id"], now=datetime.now(UTC))


class NewJob(NewWork):
    """What to run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"pipeline": "self_check", "args": {"mebibytes": 1}}]})

    args: Annotated[dict[str, Any], Field(default_factory=dict)]


@router.post("", status_code=202)
def post_job(
    new: NewJob,
    user: User,
    database: DatabaseHere,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Enqueue a pipeline. With an `Idempotency-Key`, the same request sent again within a day is answered as the first was."""

    def insert(session: Session) -> dict[str, Any]:
        job_id = enqueue(session, new.pipeline, new.args, owner_id=user, **new.wishes())
        return {"id": str(job_id), "status": "queued"}

    return answered(database, user, insert, path="/v1/jobs", key=idempotency_key, asked=new)


@router.get("")
def list_jobs(
    user: User,
    database: DatabaseHere,
    *,
    cursor: UUID | None = None,
    status_is: Annotated[jobs.Status | None, Query(alias="status")] = None,
    pipeline: str | None = None,
    subject: Annotated[str | None, Query(description="What the job is about, such as `video:7`.")] = None,
    batch: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """Newest first; `next_cursor` is null on the last page."""
    with database.tenant(user) as session:
        rows = status.list_jobs(
            session, before=cursor, status=status_is, pipeline=pipeline, subject=subject, batch=batch, limit=limit + 1
        )
    more = len(rows) > limit
    return {"items": [dict(row) for row in rows[:limit]], "next_cursor": rows[limit - 1]["id"] if more else None}


@router.get("/{job_id}", responses={304: {"description": "It is as the ETag in If-None-Match says."}})
def get_job(
    job_id: UUID, user: User, database: DatabaseHere, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Steps, attempts, progress, and why it waits."""
    text = as_text(read_job(database, user, job_id))
    # Of the answer, not the row: progress and the reason for waiting change without it.
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type="application/json")


def as_text(shown: dict[str, Any]) -> str:
    """A snapshot as JSON, the same for the same snapshot."""
    return json.dumps(jsonable_encoder(shown), sort_keys=True)


@router.get("/{job_id}/log")
def get_log(job_id: UUID, user: User, database: DatabaseHere) -> dict[str, Any]:
    """The job's log lines."""
    with database.tenant(user) as session:
        status.get_job(session, job_id)
        return {"items": [dict(row) for row in status.list_log(session, job_id)]}


@router.post("/{job_id}/cancel", status_code=202)
def cancel_job(job_id: UUID, user: User, database: DatabaseHere) -> dict[str, Any]:
    """Stop the job: at once what waits, what runs within seconds."""
    cancel(database, user, job_id)
    return read_job(database, user, job_id)


@router.post("/{job_id}/retry", status_code=202)
def retry_job(
    job_id: UUID, user: User, database: DatabaseHere, step: Annotated[str | None, Body(embed=True)] = None
) -> dict[str, Any]:
    """Run it again, from `step` on, else from what did not succeed."""
    retry(database, user, job_id, step=step)
    return read_job(database, user, job_id)


def cancel(database: Database, user: str, job_id: UUID) -> None:
    """Ask a job of this user to stop. Raises NotFound, Conflict."""
    _require_own(database, user, job_id)
    with database.jobs() as session:
        jobs.request_cancel(session, job_id)


def retry(database: Database, user: str, job_id: UUID, *, step: str | None = None) -> None:
    """Run an ended job of this user again. Raises NotFound, Conflict."""
    _require_own(database, user, job_id)
    with database.jobs() as session:
        jobs.retry(session, job_id, step=step)


def _require_own(database: Database, user: str, job_id: UUID) -> None:
    with database.tenant(user) as session:
        status.get_job(session, job_id)
