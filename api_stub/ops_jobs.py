"""/ops/jobs: anybody's jobs, searched, read, stopped and run again; /ops/batches and /ops/failures beside them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from api_stub.auth import DatabaseHere
from api_stub.jobs import read_any_job
from api_stub.operators import Deeds, Mender, may
from db import failures, jobs, search, status
from db.engine import Database
from db.operators import record_action
from db.permissions import OperatorDeed
from db.search import LIVE, Found, Wanted
from db.why import why_each

router = APIRouter(prefix="/ops", tags=["ops"], dependencies=[Depends(may(OperatorDeed.WATCH))])
STATUSES = (LIVE, *(one.value for one in jobs.Status if one is not jobs.Status.WAITING))
Text = Annotated[str | None, Field(max_length=200)]
Reason = Annotated[str | None, Field(max_length=500)]


class Filter(BaseModel):
    """What jobs are wanted; what is left out or empty asks nothing."""

    model_config = ConfigDict(extra="forbid")

    owner: Annotated[Text, Field(description="An id or an e-mail address.")] = None
    subject: Annotated[Text, Field(description="What the job is about, such as `video:7`.")] = None
    pipeline: Text = None
    status: Annotated[str | None, Field(pattern=f"^({'|'.join(STATUSES)})?$", description="A status, or `live`.")] = None
    error: Annotated[Text, Field(description="A part of the error's text.")] = None
    argument: Annotated[Text, Field(description="A part of the arguments' text, or `name=value` for exactly that.")] = None
    batch: Annotated[Text, Field(pattern=r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")] = None
    failure: Annotated[str | None, Field(pattern=r"^([0-9a-f]{16})?$", description="The id of a group of failures.")] = None

    def wanted(self) -> Wanted:
        """As the database knows it."""
        given = {name: value.strip() for name, value in self.given().items() if value.strip()}
        batch = given.pop("batch", None)
        return Wanted(**given, batch=UUID(batch) if batch else None)

    def given(self) -> dict[str, str]:
        """What was asked for, as an address holds it."""
        return {name: getattr(self, name) for name in Filter.model_fields if getattr(self, name)}


class Page(Filter):
    """A filter, and where a page of what it finds begins."""

    cursor: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


def find_jobs(database: Database, page: Page) -> Found:
    """One page of everybody's jobs, each that does not run with why it waits."""
    with database.jobs() as session:
        found = search.find_jobs(session, page.wanted(), before=page.cursor, limit=page.limit)
        waiting = [row["id"] for row in found.jobs if row["finished_at"] is None]
        why = why_each(session, waiting, now=datetime.now(UTC))
    told = {job_id: one.operators for job_id, one in why.items()}
    return replace(found, jobs=[{**row, "why": told.get(row["id"])} for row in found.jobs])


@router.get("/jobs")
def search_jobs(database: DatabaseHere, page: Annotated[Page, Query()]) -> dict[str, Any]:
    """Everybody's jobs, newest first.

    A search that no index answers looks through so many of the newest; `looked_back_to` says where it stopped, and `next_cursor` goes on.
    """
    found = find_jobs(database, page)
    return {
        "items": found.jobs,
        "next_cursor": found.cursor,
        "looked_back_to": found.looked_back_to,
    }


def for_eyes(shown: Mapping[str, Any], deeds: frozenset[OperatorDeed]) -> dict[str, Any]:
    """A job's snapshot without what customers wrote, for those who only watch."""
    return dict(shown) if OperatorDeed.MEND in deeds else {**shown, "args": None}


@router.get("/jobs/{job_id}")
def get_any_job(job_id: UUID, database: DatabaseHere, deeds: Deeds) -> dict[str, Any]:
    """Steps, attempts, progress, and why it waits; the arguments are null for those who only watch."""
    return for_eyes(read_any_job(database, job_id), deeds)


@router.get("/jobs/{job_id}/log")
def get_any_log(job_id: UUID, database: DatabaseHere) -> dict[str, Any]:
    """Any owner's job's log lines."""
    with database.jobs() as session:
        status.get_job(session, job_id)
        return {"items": [dict(row) for row in status.list_log(session, job_id)]}


@router.post("/jobs/{job_id}/cancel", status_code=202)
def cancel_any_job(
    job_id: UUID, operator: Mender, database: DatabaseHere, reason: Annotated[Reason, Body(embed=True)] = None
) -> dict[str, Any]:
    """Stop any owner's job."""
    cancel(database, operator, job_id, reason=reason)
    return read_any_job(database, job_id)


@router.post("/jobs/{job_id}/retry", status_code=202)
def retry_any_job(
    job_id: UUID,
    operator: Mender,
    database: DatabaseHere,
    step: Annotated[str | None, Body()] = None,
    reason: Annotated[Reason, Body()] = None,
) -> dict[str, Any]:
    """Run any owner's job again, from `step` on, else from what did not succeed."""
    retry(database, operator, job_id, step=step, reason=reason)
    return read_any_job(database, job_id)


def cancel(database: Database, operator: str, job_id: UUID, *, reason: str | None) -> None:
    """Ask anybody's job to stop, and keep who did. Raises NotFound, Conflict."""
    with database.jobs() as session:
        jobs.request_cancel(session, job_id)
        record_action(session, operator, "cancel", f"job {job_id}", {"reason": reason})


def retry(database: Database, operator: str, job_id: UUID, *, step: str | None, reason: str | None) -> None:
    """Run anybody's job again, and keep who did. Raises NotFound, Conflict."""
    with database.jobs() as session:
        jobs.retry(session, job_id, step=step)
        record_action(session, operator, "retry", f"job {job_id}", {"step": step, "reason": reason})


@router.get("/batches/{batch_id}")
def get_any_batch(batch_id: UUID, database: DatabaseHere) -> dict[str, Any]:
    """Any owner's batch: its status, how many of its jobs have each, and what followed."""
    with database.jobs() as session:
        batch, counts = jobs.get_batch(session, batch_id), jobs.count_jobs(session, batch_id)
    return {**batch, "status": jobs.status_of(counts), "jobs": counts}


@router.post("/batches/{batch_id}/cancel", status_code=202)
def cancel_any_batch(
    batch_id: UUID, operator: Mender, database: DatabaseHere, reason: Annotated[Reason, Body(embed=True)] = None
) -> dict[str, Any]:
    """Stop every job of any owner's batch that has not ended."""
    with database.jobs() as session:
        jobs.cancel_batch(session, batch_id)
        record_action(session, operator, "cancel", f"batch {batch_id}", {"reason": reason})
    return get_any_batch(batch_id, database)


@router.get("/failures")
def list_failures(database: DatabaseHere) -> dict[str, Any]:
    """What failed and is not archived yet, by pipeline, step, kind of error and what the messages have in common."""
    with database.jobs() as session:
        return {"items": failures.list_groups(session)}
