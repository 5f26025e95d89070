"""The dashboard's pages: what runs now, and one job."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates

from api_stub.auth import DatabaseHere, User
from api_stub.jobs import cancel, read_job, retry
from db import status
from pipelines.base import enqueue

_PAGE = 30
router = APIRouter(include_in_schema=False)
_templates = Jinja2Templates(directory=Path(__file__).parent / "templates")


def _clock(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if moment else "-"


def _seconds(start: datetime | None, end: datetime | None) -> str:
    return f"{((end or datetime.now(UTC)) - start).total_seconds():.1f} s" if start else "-"


_templates.env.filters["clock"] = _clock
_templates.env.globals["seconds"] = _seconds


@router.get("/", response_class=HTMLResponse)
def now_page(request: Request, user: User, database: DatabaseHere, cursor: UUID | None = None) -> Response:
    """Queues, and the newest jobs."""
    with database.jobs() as session:
        queues = status.list_queues(session)
    with database.tenant(user) as session:
        jobs = status.list_jobs(session, before=cursor, limit=_PAGE)
    return _templates.TemplateResponse(request, "now.html", {"queues": queues, "jobs": jobs, "full": len(jobs) == _PAGE})


@router.get("/jobs/{job_id}", response_class=HTMLResponse)
def job_page(request: Request, job_id: UUID, user: User, database: DatabaseHere) -> Response:
    """One job's timeline, progress and log."""
    shown = read_job(database, user, job_id)
    with database.tenant(user) as session:
        log = status.list_log(session, job_id)
    return _templates.TemplateResponse(request, "job.html", {"job": shown, "log": log})


@router.post("/self-check")
def start_self_check(user: User, database: DatabaseHere) -> Response:
    """Enqueue a self check and show it."""
    with database.tenant(user) as session:
        job_id = enqueue(session, "self_check", {}, owner_id=user)
    return RedirectResponse(f"/jobs/{job_id}", 303)


@router.post("/jobs/{job_id}")
def act_on_job(
    job_id: UUID, user: User, database: DatabaseHere, action: Annotated[str, Form(pattern="cancel|retry")]
) -> Response:
    """The buttons of a job's page."""
    (cancel if action == "cancel" else retry)(database, user, job_id)
    return RedirectResponse(f"/jobs/{job_id}", 303)
