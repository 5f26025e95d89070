"""The dashboard's pages: what runs now, and one job."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import RowMapping

from api_stub import ops_jobs
from api_stub.auth import DatabaseHere, User
from api_stub.dashboard import competitors_page, jobs_pages, platform_pages, queries, schema_page, video_page, words_pages
from api_stub.dashboard.menu import keep_menu
from api_stub.dashboard.rendering import render
from api_stub.dashboard.timeline import timeline
from api_stub.jobs import cancel, read_any_job, read_job, retry
from api_stub.operators import Deeds, Mender
from db import attention, jobs, status
from db.engine import Database
from db.eta import find_seconds_left, seconds_left
from db.jobs import Scope
from db.operators import record_action
from db.permissions import OperatorDeed
from db.why import tell_breaker
from pipelines.base import enqueue

_JOBS, _LIVE_JOBS, _VIDEOS = 20, 20, 12
router = APIRouter(include_in_schema=False, dependencies=[Depends(keep_menu)])
router.include_router(jobs_pages.router)
router.include_router(platform_pages.router)
router.include_router(video_page.router)
router.include_router(schema_page.router)
router.include_router(competitors_page.router)
router.include_router(words_pages.router)


@router.get("/", response_class=HTMLResponse)
def now_page(request: Request, user: User, deeds: Deeds, database: DatabaseHere, cursor: UUID | None = None) -> Response:
    """What runs, the newest videos and jobs of who asks; for operators, how the platform stands."""
    watched = OperatorDeed.WATCH in deeds
    platform = _read_platform(database) if watched else {}
    with database.tenant(user) as session:
        live = queries.list_jobs(session, live=True, limit=_LIVE_JOBS)
        newest = queries.list_jobs(session, before=cursor, limit=_JOBS + 1)
        videos = queries.list_videos(session, limit=_VIDEOS)
    return render(
        request,
        "now.html",
        **{"headline": _own_headline(live), **platform},
        operator=OperatorDeed.MEND in deeds,
        configures=OperatorDeed.CONFIGURE in deeds,
        watched=watched,
        live=live,
        jobs=newest[:_JOBS],
        older=newest[_JOBS - 1]["id"] if len(newest) > _JOBS else None,
        videos=videos,
        cursor=cursor,
    )


def _read_platform(database: Database) -> dict[str, Any]:
    with database.jobs() as session:
        queues = status.list_queues(session)
        return {
            "headline": _headline(queues),
            "queues": queues,
            "attention": attention.list_attention(session, queues),
            "held_back": {one.provider: tell_breaker(one) for one in jobs.list_breakers(session) if _shows(one)},
            "at_work": _with_time_left(attention.list_running(session)),
        }


def _with_time_left(running: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    for job in running:
        job["seconds_left"] = seconds_left(job["steps"], now=now)
        job["doing"] = ", ".join(
            step["progress_message"] or step["name"] for step in job["steps"] if step["status"] == "running"
        )
        shares = [1.0 if step["status"] == "succeeded" else step["progress"] or 0.0 for step in job["steps"]]
        job["share"] = sum(shares) / max(1, len(shares))
    return list(running)


def _shows(breaker: jobs.Breaker) -> bool:
    return breaker.owner_id is None and (breaker.is_open or breaker.tries_one)


def _headline(queues: Sequence[status.QueueStatus]) -> str:
    """One sentence on how things stand; what keeps work from running comes first."""
    stuck = [f"{queue.name} ({queue.queued} queued, {_cause(queue)})" for queue in queues if queue.queued and _cause(queue)]
    if stuck:
        return f"Work waits and does not run: {', '.join(stuck)}."
    running, queued = sum(queue.running for queue in queues), sum(queue.queued for queue in queues)
    if running or queued:
        return f"{running} {'step' if running == 1 else 'steps'} running, {queued} queued."
    idle = [queue.name for queue in queues if not queue.threads]
    return f"Nothing runs, and no worker serves {', '.join(idle)}." if idle else "Nothing to do: every queue is empty."


def _own_headline(live: Sequence[RowMapping]) -> str:
    """The same for who sees their own work only."""
    if not live:
        return "Nothing is under way."
    count = f"{len(live)} or more" if len(live) == _LIVE_JOBS else len(live)
    running = sum(job["status"] == "running" for job in live)
    return f"{count} under way: {running} running, the others wait their turn." if running < len(live) else f"{count} running."


def _cause(queue: status.QueueStatus) -> str | None:
    if queue.paused_at:
        return "paused"
    return None if queue.threads else "no worker"


@router.get("/jobs/{job_id}", response_class=HTMLResponse)
def job_page(request: Request, job_id: UUID, user: User, deeds: Deeds, database: DatabaseHere) -> Response:
    """One job's timeline, progress and log: one's own, or for operators anybody's. Raises NotFound."""
    watched = OperatorDeed.WATCH in deeds
    shown = read_any_job(database, job_id) if watched else read_job(database, user, job_id)
    is_own = shown["owner_id"] == user
    with database.jobs() if watched else database.tenant(user) as session:
        log = status.list_log(session, job_id)
        evidence = status.list_evidence(session, job_id) if OperatorDeed.MEND in deeds else []
    with database.jobs() as session:
        left = find_seconds_left(session, shown, now=datetime.now(UTC)) if shown["status"] == "running" else None
    with database.tenant(user) as session:
        video = queries.find_titled(session, shown["subject"])
    return render(
        request,
        "job.html",
        job=shown,
        log=log,
        video=video,
        timeline=timeline(shown, datetime.now(UTC)),
        evidence=evidence,
        seconds_left=left,
        watched=watched,
        mends=OperatorDeed.MEND in deeds,
        may_act=is_own or OperatorDeed.MEND in deeds,
        shows_args=is_own or OperatorDeed.MEND in deeds,
    )


@router.post("/queues/{name}")
def act_on_queue(
    name: str, operator: Mender, database: DatabaseHere, action: Annotated[str, Form(pattern="pause|resume")]
) -> Response:
    """The button of a queue. Raises NotFound, Invalid."""
    with database.jobs() as session:
        if action == "pause":
            jobs.pause(session, Scope.QUEUE, name, paused_by=operator)
        else:
            jobs.resume(session, Scope.QUEUE, name)
        record_action(session, operator, action, f"queue {name}")
    return RedirectResponse("/", 303)


@router.post("/self-check")
def start_self_check(user: User, database: DatabaseHere) -> Response:
    """Enqueue a self check and show it."""
    with database.tenant(user) as session:
        job_id = enqueue(session, "self_check", {}, owner_id=user)
    return RedirectResponse(f"/jobs/{job_id}", 303)


@router.post("/jobs/{job_id}")
def act_on_job(
    job_id: UUID,
    user: User,
    deeds: Deeds,
    database: DatabaseHere,
    *,
    action: Annotated[str, Form(pattern="cancel|retry")],
    step: Annotated[str | None, Form(max_length=200)] = None,
    reason: Annotated[str | None, Form(max_length=500)] = None,
    back: Annotated[str | None, Form(pattern=r"/videos/\d{1,9}")] = None,
) -> Response:
    """The buttons of a job, on its own page and (`back`) on its video's; what operators do is kept. Raises NotFound, Conflict."""
    step = step or None
    if OperatorDeed.MEND in deeds:
        if action == "cancel":
            ops_jobs.cancel(database, user, job_id, reason=reason)
        else:
            ops_jobs.retry(database, user, job_id, step=step, reason=reason)
    elif action == "cancel":
        cancel(database, user, job_id)
    else:
        retry(database, user, job_id, step=step)
    return RedirectResponse(back or f"/jobs/{job_id}", 303)
