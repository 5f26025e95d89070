"""Pages on anybody's jobs, for operators: search, what failed, one batch, and acting on all that match."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import AwareDatetime

from api_stub import bulk
from api_stub.auth import DatabaseHere
from api_stub.dashboard.rendering import render
from api_stub.operators import Deeds, Mender, may
from api_stub.ops_jobs import STATUSES, Filter, Page, cancel_any_batch, find_jobs, get_any_batch
from db import failures
from db.bulk import Deed
from db.engine import Database
from db.permissions import OperatorDeed
from pipelines.base import find_pipelines

router = APIRouter(include_in_schema=False, dependencies=[Depends(may(OperatorDeed.WATCH))])


@router.get("/jobs", response_class=HTMLResponse)
def jobs_page(request: Request, deeds: Deeds, database: DatabaseHere, page: Annotated[Page, Query()]) -> Response:
    """Search; the address holds what is asked for."""
    return render(
        request,
        "jobs.html",
        found=find_jobs(database, page),
        given=page.given(),
        address=urlencode(page.given()),
        cursor=page.cursor,
        mends=OperatorDeed.MEND in deeds,
        statuses=STATUSES,
        pipelines=sorted(find_pipelines()),
    )


class _Asked(Filter):
    deed: Deed


@router.get("/jobs/bulk", response_class=HTMLResponse)
def preview_page(request: Request, _operator: Mender, database: DatabaseHere, asked: Annotated[_Asked, Query()]) -> Response:
    """What a deed would meet, before it is done."""
    given = asked.given()
    shown = bulk.preview(database, asked.deed, Filter(**given))
    return render(request, "bulk.html", deed=asked.deed, shown=shown, given=given, address=urlencode(given))


class _Decided(Filter):
    deed: Deed
    as_of: AwareDatetime
    reason: Annotated[str, Form(min_length=3, max_length=500)]


@router.post("/jobs/bulk", response_class=HTMLResponse)
def do_bulk(request: Request, operator: Mender, database: DatabaseHere, decided: Annotated[_Decided, Form()]) -> Response:
    """The button of a preview. Raises Conflict."""
    wanted = Filter(**decided.given())
    done = bulk.start(database, operator, decided.deed, wanted, as_of=decided.as_of, reason=decided.reason)
    if done["job_id"]:
        return RedirectResponse(f"/jobs/{done['job_id']}", 303)
    return render(request, "bulk_done.html", done=done, deed=decided.deed)


@router.get("/failures", response_class=HTMLResponse)
def failures_page(request: Request, deeds: Deeds, database: DatabaseHere) -> Response:
    """What failed, by kind."""
    with database.jobs() as session:
        groups = failures.list_groups(session)
    return render(request, "failures.html", groups=groups, mends=OperatorDeed.MEND in deeds)


@router.get("/failures/{group_id}", response_class=HTMLResponse)
def failure_page(request: Request, group_id: str, deeds: Deeds, database: DatabaseHere) -> Response:
    """One kind of failure, with its newest jobs. Raises NotFound."""
    with database.jobs() as session:
        group = failures.get_group(session, group_id)
    found = find_jobs(database, Page(failure=group.id, limit=20))
    return render(request, "failure.html", group=group, found=found, mends=OperatorDeed.MEND in deeds)


@router.get("/batches/{batch_id}", response_class=HTMLResponse)
def batch_page(request: Request, batch_id: UUID, deeds: Deeds, database: DatabaseHere) -> Response:
    """One batch and its jobs. Raises NotFound."""
    return _show_batch(request, batch_id, deeds, database)


def _show_batch(request: Request, batch_id: UUID, deeds: frozenset[OperatorDeed], database: Database) -> Response:
    # Before its jobs: the page of a batch that has ended looks no more, and has them as they ended.
    batch = get_any_batch(batch_id, database)
    found = find_jobs(database, Page(batch=str(batch_id), limit=50))
    return render(request, "batch.html", batch=batch, found=found, mends=OperatorDeed.MEND in deeds)


@router.post("/batches/{batch_id}")
def cancel_batch(batch_id: UUID, operator: Mender, database: DatabaseHere) -> Response:
    """The button of a batch. Raises NotFound, Conflict."""
    cancel_any_batch(batch_id, operator, database)
    return RedirectResponse(f"/batches/{batch_id}", 303)
