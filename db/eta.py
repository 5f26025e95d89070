"""When a step that waits for a thread will start, and a job end: guesses from how long such steps take."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_AHEAD = text("""
WITH me AS (SELECT * FROM jobs.job_steps WHERE id = :id),
running AS (
    SELECT greatest(t.mean_seconds - extract(epoch FROM now() - s.claimed_at), 0) AS seconds
    FROM me JOIN jobs.job_steps s ON s.status = 'running' AND s.queue = me.queue
    LEFT JOIN jobs.step_times t ON t.pipeline = s.pipeline AND t.step = s.name),
waiting AS (
    SELECT s.owner_id = me.owner_id AS mine, coalesce(w.weight, 1) / coalesce(mw.weight, 1) AS weight, t.mean_seconds AS seconds, s.owner_id
    FROM me JOIN jobs.job_steps s ON s.status IN ('queued', 'retrying') AND s.queue = me.queue AND s.available_at <= now()
    LEFT JOIN jobs.step_times t ON t.pipeline = s.pipeline AND t.step = s.name
    LEFT JOIN jobs.weights w ON w.owner_id = s.owner_id LEFT JOIN jobs.weights mw ON mw.owner_id = me.owner_id
    WHERE s.owner_id <> me.owner_id OR (s.priority, s.available_at, s.id) < (me.priority, me.available_at, me.id)),
mine AS (SELECT coalesce(sum(seconds), 0) AS seconds FROM waiting WHERE mine),
others AS (SELECT least(sum(seconds), max(weight) * (SELECT seconds FROM mine)) AS seconds FROM waiting WHERE NOT mine GROUP BY owner_id)
SELECT (SELECT coalesce(sum(seconds), 0) FROM running) + (SELECT seconds FROM mine) + (SELECT coalesce(sum(seconds), 0) FROM others) AS seconds,
    (SELECT count(*) FROM running WHERE seconds IS NULL) + (SELECT count(*) FROM waiting WHERE mine AND seconds IS NULL) AS unknown
""")


def find_seconds_to_start(session: Session, step_id: UUID, *, threads: int) -> float | None:
    """Seconds until a ready step starts on a queue of so many threads; None where a step before it was never measured.

    Counted are the rest of what runs, this owner's steps that come before, and of every other owner's as much as is its share
    meanwhile. As the job core.
    """
    ahead = session.execute(_AHEAD, {"id": step_id}).one()
    return None if ahead.unknown or not threads else float(ahead.seconds) / threads


def in_words(seconds: float) -> str:
    """A length of time as one would say it of a guess."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:  # noqa: PLR2004
        return f"about {minutes} {'minute' if minutes == 1 else 'minutes'}"
    return f"about {round(minutes / 60)} hours"


def seconds_left(steps: Sequence[Mapping[str, Any]], *, now: datetime) -> float | None:
    """Seconds until the last of a job's steps ends, if each that waits starts at once; None where one was never measured.

    A step's row has name, after, status, progress, claimed_at and the mean_seconds of its kind.
    """
    left: dict[str, float] = {}
    for step in steps:
        seconds = _left_of(step, now)
        if seconds is None:
            return None
        left[step["name"]] = max(seconds, left.get(step["name"], 0.0))  # its parts run side by side
    after = {step["name"]: step["after"] for step in steps}

    def until_end(name: str) -> float:
        return left.get(name, 0.0) + max((until_end(before) for before in after.get(name, ())), default=0.0)

    return max((until_end(name) for name in left), default=0.0)


_KNOWN_FROM = 0.05  # of the work: before, the rate says little


def _left_of(step: Mapping[str, Any], now: datetime) -> float | None:
    if step["status"] not in {"waiting", "queued", "retrying", "running"}:
        return 0.0
    mean: float | None = step["mean_seconds"]
    if step["status"] != "running":
        return mean
    elapsed = (now - step["claimed_at"]).total_seconds()
    if step["progress"] is not None and step["progress"] >= _KNOWN_FROM:
        return float(elapsed * (1 - step["progress"]) / step["progress"])
    return None if mean is None else max(0.0, mean - elapsed)
