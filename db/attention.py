"""What needs a person now, the worst first; nothing where all is well. As the job core."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from db import jobs, status
from db.eta import in_words
from db.failures import Group, list_groups
from db.jobs import Breaker, Scope
from db.why import tell_breaker
from db.workers import Worker, list_workers

_MOST_GROUPS = 5
_NEWS = timedelta(days=1)
# Longer than such steps take by so much that it is not chance.
_STUCK_TIMES, _STUCK_LEAST_SECONDS = 5, 600


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to look at. `path` is the page that shows it."""

    kind: str
    words: str
    path: str
    since: datetime | None = None


def list_attention(session: Session, queues: Sequence[status.QueueStatus]) -> list[Item]:
    """Work that cannot run, providers away, steps stuck, what failed within a day, schedules a person must mend, broken promises."""
    return [
        *_of_queues(queues),
        *_of_pauses(session, queues),
        *(_of_breaker(one) for one in jobs.list_breakers(session) if one.owner_id is None and (one.is_open or one.tries_one)),
        *(_of_worker(one) for one in list_workers(session) if not one.lives),
        *(_of_stuck(row) for row in session.execute(_STUCK, _stuck()).mappings()),
        *_of_failures(list_groups(session)),
        *(_of_schedule(row) for row in session.execute(_SCHEDULES, {"most": _MOST_GROUPS}).mappings()),
        *(_of_violation(row) for row in session.execute(_VIOLATIONS, {"news": _NEWS}).mappings()),
    ]


def _of_queues(queues: Sequence[status.QueueStatus]) -> Iterator[Item]:
    for queue in queues:
        waiting = queue.queued + queue.retrying
        if queue.paused_at and waiting:
            deed = "drains" if queue.drain else "is paused"
            reason = f": {queue.reason}" if queue.reason else ""
            yield Item("paused", f"{queue.name} {deed} with {_steps(waiting)} waiting{reason}", "/queues", queue.paused_at)
        elif queue.is_unserved:
            yield Item("unserved", f"{queue.name} has {_steps(waiting)} waiting and no worker", "/workers")
        elif queue.is_late and queue.oldest_seconds is not None:
            age, promise = in_words(queue.oldest_seconds), in_words(queue.promise_seconds)
            yield Item("late", f"{queue.name} is late: its oldest step has waited {age}, promised: {promise}", "/queues")


def _steps(count: int) -> str:
    return f"{count} {'step' if count == 1 else 'steps'}"


def _often(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _of_pauses(session: Session, queues: Sequence[status.QueueStatus]) -> Iterator[Item]:
    told = {queue.name for queue in queues if queue.queued + queue.retrying}
    for pause in jobs.list_pauses(session):
        if pause.kind is not Scope.QUEUE or pause.name not in told:
            deed = "drains" if pause.drain else "is paused"
            reason = f": {pause.reason}" if pause.reason else ""
            yield Item("paused", f"{pause.kind} {pause.name} {deed}, by {pause.paused_by}{reason}", "/queues", pause.paused_at)


def _of_breaker(breaker: Breaker) -> Item:
    return Item("away", tell_breaker(breaker), "/providers")


def _of_worker(worker: Worker) -> Item:
    return Item("silent", f"a worker of {', '.join(worker.queues)} on {worker.host} is silent", "/workers", worker.seen_at)


_STUCK = text("""
SELECT s.job_id, s.pipeline, s.name, s.claimed_at, t.mean_seconds, j.cancel_requested_at IS NOT NULL AS stopping
FROM jobs.job_steps s JOIN jobs.jobs j ON j.id = s.job_id
LEFT JOIN jobs.step_times t ON t.pipeline = s.pipeline AND t.step = s.name
WHERE s.status = 'running' AND (j.cancel_requested_at < now() - interval '1 minute'
    OR s.claimed_at < now() - greatest(:least, t.mean_seconds * :times) * interval '1 second')
ORDER BY s.claimed_at LIMIT 10
""")


def _stuck() -> dict[str, int]:
    return {"least": _STUCK_LEAST_SECONDS, "times": _STUCK_TIMES}


def _of_stuck(row: RowMapping) -> Item:
    if row["stopping"]:
        words = f"{row['name']} of {row['pipeline']} was asked to stop and has not"
    elif row["mean_seconds"] is None:
        words = f"{row['name']} of {row['pipeline']} has run long; how long such steps take is not known yet"
    else:
        words = f"{row['name']} of {row['pipeline']} has run long: such steps take {in_words(row['mean_seconds'])}"
    return Item("stuck", words, f"/jobs/{row['job_id']}", row["claimed_at"])


def _of_failures(groups: Sequence[Group]) -> Iterator[Item]:
    news = [group for group in groups if group.last_at > datetime.now(group.last_at.tzinfo) - _NEWS]
    for group in sorted(news, key=lambda one: -one.count)[:_MOST_GROUPS]:
        where = f", at {group.step}" if group.step else ""
        yield Item(
            "failed",
            f"{group.pipeline} failed {_often(group.count)}{where}: {group.message}",
            f"/failures/{group.id}",
            group.last_at,
        )
    if len(news) > _MOST_GROUPS:
        more = len(news) - _MOST_GROUPS
        yield Item("failed", f"{more} other {'kind' if more == 1 else 'kinds'} of failure within a day", "/failures")


# The clock gave up on it, or it has not succeeded since a person could mend what stopped its last job.
_SCHEDULES = text("""
SELECT s.pipeline, s.subject, s.owner_id, s.enabled, coalesce(s.paused_reason, last.reason, j.error) AS reason,
    coalesce(last.recorded_at, s.updated_at) AS since
FROM jobs.schedules s
LEFT JOIN LATERAL (SELECT outcome, reason, job_id, recorded_at FROM jobs.schedule_fires f
    WHERE f.schedule_id = s.id AND f.outcome <> 'skipped' ORDER BY fire_at DESC LIMIT 1) last ON true
LEFT JOIN jobs.jobs j ON j.id = last.job_id
WHERE (NOT s.enabled AND s.paused_reason IS NOT NULL) OR (s.enabled AND (last.outcome = 'failed' OR EXISTS (
    SELECT 1 FROM jobs.job_steps t WHERE t.job_id = j.id AND j.status = 'failed' AND t.status = 'failed' AND NOT t.optional
      AND t.error_class IN ('Refused', 'Forbidden', 'NotFound', 'Conflict', 'Invalid', 'Misconfigured'))))
ORDER BY since DESC, s.id LIMIT :most
""")


def _of_schedule(row: RowMapping) -> Item:
    deed = "failed the last time" if row["enabled"] else "is paused"
    of = f" about {row['subject']}" if row["subject"] else ""
    return Item("schedule", f"a schedule of {row['pipeline']}{of} {deed}: {row['reason']}", "/schedules", row["since"])


_VIOLATIONS = text("""
SELECT invariant, count(*) AS found, max(found_at) AS last_at FROM jobs.violations WHERE found_at > now() - :news AND NOT healed
GROUP BY invariant ORDER BY invariant
""")


def _of_violation(row: RowMapping) -> Item:
    words = f"the audit found {row['invariant']} broken {_often(row['found'])}, and could not mend it"
    return Item("broken", words, "/failures", row["last_at"])


_RUNNING = text("""
SELECT j.id, j.pipeline, j.owner_id, j.subject, j.status, j.created_at, j.cancel_requested_at, r.began_at
FROM (SELECT job_id, min(claimed_at) AS began_at FROM jobs.job_steps WHERE status = 'running' GROUP BY job_id) r
JOIN jobs.jobs j ON j.id = r.job_id ORDER BY r.began_at LIMIT :limit
""")
_STEPS = text("""
SELECT s.job_id, s.name, s.after, s.status, s.progress, s.progress_message, s.claimed_at, t.mean_seconds
FROM jobs.job_steps s LEFT JOIN jobs.step_times t ON t.pipeline = s.pipeline AND t.step = s.name
WHERE s.job_id = ANY(CAST(:ids AS uuid[])) ORDER BY s.id
""")


def list_running(session: Session, *, limit: int = 20) -> list[dict[str, Any]]:
    """Jobs of which a step runs now, the longest first, each with its `steps` and their mean times."""
    found = [{**row, "steps": []} for row in session.execute(_RUNNING, {"limit": limit}).mappings()]
    by_id = {job["id"]: job for job in found}
    for row in session.execute(_STEPS, {"ids": list(by_id)}).mappings():
        by_id[row["job_id"]]["steps"].append(row)
    return found
