"""Why a job does not run: the rules of the relay and the claim, read backwards, as one sentence."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from db import jobs
from db.eta import Place, in_words, list_places
from db.jobs import WORKER_LIVES, Breaker, Limits, Needs, Pause, Scope

# Of each job the step that could run first, unless one of its steps runs.
_STEPS = text("""
SELECT DISTINCT ON (s.job_id) s.job_id, s.id, s.name, s.queue, s.provider, s.available_at, s.error, s.needs_disk_bytes, s.needs_memory_bytes,
    s.pipeline, s.owner_id, EXISTS (SELECT 1 FROM jobs.job_steps b WHERE b.job_id = s.job_id AND b.attempt > 0) AS has_begun
FROM jobs.job_steps s WHERE s.job_id = ANY(:job_ids) AND s.status IN ('queued', 'retrying')
    AND NOT EXISTS (SELECT 1 FROM jobs.job_steps r WHERE r.job_id = s.job_id AND r.status = 'running')
ORDER BY s.job_id, s.claimed_at NULLS LAST, s.id
""").bindparams(bindparam("job_ids", type_=ARRAY(Uuid)))
_QUEUES = text(f"""
SELECT q.name, (SELECT coalesce(sum(threads), 0) FROM jobs.workers w WHERE q.name = ANY(w.queues) AND {WORKER_LIVES}) AS threads,
    (SELECT count(*) FROM jobs.job_steps WHERE queue = q.name AND status = 'running') AS running
FROM jobs.queues q
""")  # noqa: S608  (a constant)


class Why(NamedTuple):
    """What a job waits for: as operators are told it, and as its owner is, who knows of no queue, host or other owner."""

    operators: str
    owner: str


def why_not_running(session: Session, job_id: UUID, *, now: datetime) -> Why | None:
    """What the job waits for; None when something of it runs or nothing is left. As the job core."""
    return why_each(session, [job_id], now=now).get(job_id)


def why_each(session: Session, job_ids: Sequence[UUID], *, now: datetime) -> dict[UUID, Why]:
    """The same of many jobs, in a few statements for all of them; those that wait for nothing are left out."""
    steps = session.execute(_STEPS, {"job_ids": list(job_ids)}).mappings().all()
    if not steps:
        return {}
    queues = {row["name"]: row for row in session.execute(_QUEUES).mappings()}
    pauses, breakers, limits = jobs.list_pauses(session), jobs.list_breakers(session), jobs.read_limits(session)
    told = {
        step["id"]: _paused(pauses, step)
        or _unavailable(breakers, step)
        or _without_room(session, step, queues[step["queue"]])
        or _delayed(step, now)
        or _without_worker(queues[step["queue"]])
        or _limited(limits, step)
        for step in steps
    }
    places = list_places(session, [step_id for step_id, why in told.items() if why is None])
    return {step["job_id"]: told[step["id"]] or _behind(step, queues[step["queue"]], places.get(step["id"])) for step in steps}


def _paused(pauses: Sequence[Pause], step: RowMapping) -> Why | None:
    names = {
        Scope.QUEUE: step["queue"],
        Scope.PIPELINE: step["pipeline"],
        Scope.OWNER: step["owner_id"],
        Scope.PROVIDER: step["provider"],
    }
    for pause in pauses:
        if pause.name == names[pause.kind] and not (pause.drain and step["has_begun"]):
            whose = "your work" if pause.kind is Scope.OWNER else "work of this kind"
            return Why(_told(pause), f"{whose} is paused; whoever runs this installation can resume it")
    return None


def _told(pause: Pause) -> str:
    what = "this owner's work" if pause.kind is Scope.OWNER else f"{pause.kind} {pause.name}"
    deed = "is being drained" if pause.drain else "is paused"
    return f"{what} {deed} since {pause.paused_at:%Y-%m-%d %H:%M} UTC{': ' + pause.reason if pause.reason else ''}"


def _unavailable(breakers: Sequence[Breaker], step: RowMapping) -> Why | None:
    for one in breakers:
        if one.provider == step["provider"] and one.owner_id in {None, step["owner_id"]} and (one.is_open or one.is_tried):
            return Why(tell_breaker(one), f"{one.provider} cannot be used just now; it goes on by itself")
    return None


def tell_breaker(breaker: Breaker) -> str:
    """What keeps work for a provider from starting, and until when; without what another owner's step met there."""
    whom = f"{breaker.provider} for this owner" if breaker.owner_id else breaker.provider
    reason = f": {breaker.reason}" if breaker.reason and (breaker.owner_id or breaker.opened_by) else ""
    if not breaker.is_open or breaker.open_until is None:
        return f"{whom} was unavailable, and one step at a time tries it{reason}"
    deed = "is held back" if breaker.opened_by else "is unavailable"
    return f"{whom} {deed} until {breaker.open_until:%Y-%m-%d %H:%M:%S} UTC{reason}"


def _delayed(step: RowMapping, now: datetime) -> Why | None:
    seconds = (step["available_at"] - now).total_seconds()
    if seconds <= 0:
        return None
    cause = step["error"] or "it asked to wait"
    return Why(f"{step['name']} runs again in {seconds:.0f} s: {cause}", f"it goes on in {in_words(seconds)}: {cause}")


def _without_worker(queue: RowMapping) -> Why | None:
    if queue["threads"]:
        return None
    return Why(
        f"no worker serves queue {queue['name']}", "nothing does work of this kind now; tell whoever runs this installation"
    )


def _without_room(session: Session, step: RowMapping, queue: RowMapping) -> Why | None:
    if step["needs_disk_bytes"] is None or not queue["threads"]:
        return None
    needs = Needs(step["needs_disk_bytes"], step["needs_memory_bytes"])
    shortage = jobs.find_shortage(session, step_id=step["id"], step=step["name"], queue=step["queue"], needs=needs)
    return Why(shortage, "no machine has room for it just now") if shortage else None


def _limited(limits: Limits, step: RowMapping) -> Why | None:
    full = limits.find_full(
        queue=step["queue"], pipeline=step["pipeline"], owner_id=step["owner_id"], provider=step["provider"]
    )
    if full is None:
        return None
    what = "this owner" if full.kind is Scope.OWNER else f"{full.kind} {full.name}"
    return Why(f"{what} may run {full.most} at once, and does", "as much runs at once as may; it starts after that")


def _behind(step: RowMapping, queue: RowMapping, place: Place | None) -> Why:
    before = place.before if place else 0
    if queue["running"] < queue["threads"] and not before:
        return Why(f"{step['name']} is about to start", "it is about to start")
    threads = "the one thread" if queue["threads"] == 1 else f"all {queue['threads']} threads"
    busy = f"{threads} of queue {queue['name']} {'is' if queue['threads'] == 1 else 'are'} busy"
    told = f"{busy}, and {before} of this owner's steps come before" if before else busy
    seconds = place.seconds_to_start(queue["threads"]) if place else None
    when = "" if seconds is None else f"; it starts in {in_words(seconds)}"
    return Why(told + when, ("more of your work comes before it" if before else "other work is done first") + when)
