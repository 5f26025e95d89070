"""Why a job does not run: the rules of the relay and the claim, read backwards, as one sentence."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from db import jobs, status
from db.eta import find_seconds_to_start, in_words
from db.jobs import Breaker, Needs, Pause, Scope


def why_not_running(session: Session, job: Mapping[str, Any], *, now: datetime) -> str | None:
    """What the job (a `status.snapshot`) waits for; None when something of it runs or nothing is left. As the job core."""
    steps = job["steps"]
    if any(step["status"] == "running" for step in steps):
        return None
    step = next((one for one in steps if one["status"] in {"queued", "retrying"}), None)
    if step is None:
        return None
    queue = next(queue for queue in status.list_queues(session) if queue.name == step["queue"])
    return (
        _paused(session, job, step)
        or _unavailable(session, job, step)
        or _without_room(session, step, queue)
        or _delayed(step, now)
        or _without_worker(queue)
        or _limited(session, job, step)
        or _behind(session, step, queue)
    )


def _paused(session: Session, job: Mapping[str, Any], step: Mapping[str, Any]) -> str | None:
    names = {
        Scope.QUEUE: step["queue"],
        Scope.PIPELINE: job["pipeline"],
        Scope.OWNER: job["owner_id"],
        Scope.PROVIDER: step["provider"],
    }
    begun = any(one["attempt"] > 0 for one in job["steps"])
    for pause in jobs.list_pauses(session):
        if pause.name == names[pause.kind] and not (pause.drain and begun):
            return _told(pause)
    return None


def _told(pause: Pause) -> str:
    what = "this owner's work" if pause.kind is Scope.OWNER else f"{pause.kind} {pause.name}"
    deed = "is being drained" if pause.drain else "is paused"
    return f"{what} {deed} since {pause.paused_at:%Y-%m-%d %H:%M} UTC{': ' + pause.reason if pause.reason else ''}"


def _unavailable(session: Session, job: Mapping[str, Any], step: Mapping[str, Any]) -> str | None:
    breaker = jobs.find_in_the_way(session, step["provider"], job["owner_id"]) if step["provider"] else None
    return tell_breaker(breaker) if breaker else None


def tell_breaker(breaker: Breaker) -> str:
    """What keeps work for a provider from starting, and until when; without what another owner's step met there."""
    whom = f"{breaker.provider} for this owner" if breaker.owner_id else breaker.provider
    reason = f": {breaker.reason}" if breaker.reason and (breaker.owner_id or breaker.opened_by) else ""
    if not breaker.is_open or breaker.open_until is None:
        return f"{whom} was unavailable, and one step at a time tries it{reason}"
    deed = "is held back" if breaker.opened_by else "is unavailable"
    return f"{whom} {deed} until {breaker.open_until:%Y-%m-%d %H:%M:%S} UTC{reason}"


def _delayed(step: Mapping[str, Any], now: datetime) -> str | None:
    seconds = (step["available_at"] - now).total_seconds()
    return f"{step['name']} runs again in {seconds:.0f} s: {step['error'] or 'it asked to wait'}" if seconds > 0 else None


def _without_worker(queue: status.QueueStatus) -> str | None:
    return None if queue.threads else f"no worker serves queue {queue.name}"


def _without_room(session: Session, step: Mapping[str, Any], queue: status.QueueStatus) -> str | None:
    if step["needs_disk_bytes"] is None or not queue.threads:
        return None
    needs = Needs(step["needs_disk_bytes"], step["needs_memory_bytes"])
    return jobs.find_shortage(session, step_id=step["id"], step=step["name"], queue=step["queue"], needs=needs)


def _limited(session: Session, job: Mapping[str, Any], step: Mapping[str, Any]) -> str | None:
    full = jobs.find_full(
        session, queue=step["queue"], pipeline=job["pipeline"], owner_id=job["owner_id"], provider=step["provider"]
    )
    if full is None:
        return None
    what = "this owner" if full.kind is Scope.OWNER else f"{full.kind} {full.name}"
    return f"{what} may run {full.most} at once, and does"


_BEFORE = text("""
SELECT count(*) FROM jobs.job_steps o JOIN jobs.job_steps s ON s.id = :id
WHERE o.status IN ('queued', 'retrying') AND o.queue = s.queue AND o.owner_id = s.owner_id AND o.available_at <= now()
  AND (o.priority, o.available_at, o.id) < (s.priority, s.available_at, s.id)
""")


def _behind(session: Session, step: Mapping[str, Any], queue: status.QueueStatus) -> str:
    before = int(session.scalar(_BEFORE, {"id": step["id"]}) or 0)
    if queue.running < queue.threads and not before:
        return f"{step['name']} is about to start"
    threads = "the one thread" if queue.threads == 1 else f"all {queue.threads} threads"
    busy = f"{threads} of queue {queue.name} {'is' if queue.threads == 1 else 'are'} busy"
    told = f"{busy}, and {before} of this owner's steps come before" if before else busy
    seconds = find_seconds_to_start(session, step["id"], threads=queue.threads)
    return told if seconds is None else f"{told}; it starts in {in_words(seconds)}"
