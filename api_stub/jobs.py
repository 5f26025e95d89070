"""/v1/jobs: enqueue, list, read, cancel, retry, and a job's status as it changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, StreamingResponse

from api_stub.auth import DatabaseHere, User
from db import jobs, status
from db.engine import Database
from pipelines.base import enqueue

router = APIRouter(prefix="/v1/jobs")
_LOOK_SECONDS, _KEEP_ALIVE_SECONDS = 0.5, 15.0


def read_job(database: Database, user: str, job_id: UUID) -> dict[str, Any]:
    """A job's snapshot with why it waits, as its owner may see it. Raises NotFound."""
    with database.tenant(user) as session:
        shown = status.snapshot(session, job_id)
    shown["why"] = None
    if shown["finished_at"] is None:
        with database.jobs() as session:
            shown["why"] = status.why_not_running(shown["steps"], status.list_queues(session), now=datetime.now(UTC))
    return shown


@router.post("", status_code=202)
def post_job(
    user: User, database: DatabaseHere, pipeline: Annotated[str, Body()], args: Annotated[dict[str, Any] | None, Body()] = None
) -> JSONResponse:
    """Enqueue a pipeline."""
    with database.tenant(user) as session:
        job_id = enqueue(session, pipeline, args or {}, owner_id=user)
    headers = {"Location": f"/v1/jobs/{job_id}", "Retry-After": "1"}
    return JSONResponse({"id": str(job_id), "status": "queued"}, 202, headers)


@router.get("")
def list_jobs(
    user: User,
    database: DatabaseHere,
    cursor: UUID | None = None,
    status_is: Annotated[jobs.Status | None, Query(alias="status")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """Newest first; `next_cursor` is null on the last page."""
    with database.tenant(user) as session:
        rows = status.list_jobs(session, before=cursor, status=status_is, limit=limit + 1)
    more = len(rows) > limit
    return {"items": [dict(row) for row in rows[:limit]], "next_cursor": rows[limit - 1]["id"] if more else None}


@router.get("/{job_id}")
def get_job(job_id: UUID, user: User, database: DatabaseHere) -> dict[str, Any]:
    """Steps, attempts, progress, and why it waits."""
    return read_job(database, user, job_id)


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


@router.get("/{job_id}/events")
async def stream_job(job_id: UUID, request: Request, user: User, database: DatabaseHere) -> StreamingResponse:
    """Server-sent events: each is the job as it is now, its id the row version, so that a reconnect gets the present."""
    await asyncio.to_thread(_require_own, database, user, job_id)
    return StreamingResponse(
        _events(request, database, user, job_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(request: Request, database: Database, user: str, job_id: UUID) -> AsyncIterator[str]:
    last, quiet = "", 0.0
    while not await request.is_disconnected():
        shown = await asyncio.to_thread(read_job, database, user, job_id)
        text = json.dumps(jsonable_encoder(shown), sort_keys=True)
        if text != last:
            yield f"id: {shown['version']}\nevent: job\ndata: {text}\n\n"
            last, quiet = text, 0.0
        if shown["finished_at"] is not None:
            return
        await asyncio.sleep(_LOOK_SECONDS)
        quiet += _LOOK_SECONDS
        if quiet >= _KEEP_ALIVE_SECONDS:
            yield ": still here\n\n"
            quiet = 0.0
