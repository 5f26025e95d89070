"""When a step that waits for a thread will start, and a job end: guesses from how long such steps take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

# All that waits is read once, and put in order only for the owners who are asked about.
_AHEAD = text("""
WITH me AS MATERIALIZED (SELECT id, queue, owner_id FROM jobs.job_steps WHERE id = ANY(:ids)),
running AS MATERIALIZED (
    SELECT s.queue, sum(greatest(t.mean_seconds - extract(epoch FROM now() - s.claimed_at), 0)) AS seconds,
        count(*) FILTER (WHERE t.mean_seconds IS NULL) AS unknown
    FROM jobs.job_steps s LEFT JOIN jobs.step_times t ON t.pipeline = s.pipeline AND t.step = s.name
    WHERE s.status = 'running' GROUP BY s.queue),
places AS MATERIALIZED (
    SELECT s.id, count(*) OVER before - 1 AS steps, coalesce(sum(t.mean_seconds) OVER before, 0) - coalesce(t.mean_seconds, 0) AS seconds,
        count(*) FILTER (WHERE t.mean_seconds IS NULL) OVER before - CAST(t.mean_seconds IS NULL AS integer) AS unknown
    FROM jobs.job_steps s LEFT JOIN jobs.step_times t ON t.pipeline = s.pipeline AND t.step = s.name
    WHERE s.status IN ('queued', 'retrying') AND s.available_at <= now() AND (s.queue, s.owner_id) IN (SELECT queue, owner_id FROM me)
    WINDOW before AS (PARTITION BY s.queue, s.owner_id ORDER BY s.priority, s.available_at, s.id ROWS UNBOUNDED PRECEDING)),
kinds AS (
    SELECT queue, owner_id, pipeline, name, count(*) AS steps FROM jobs.job_steps
    WHERE status IN ('queued', 'retrying') AND available_at <= now() AND queue IN (SELECT queue FROM me) GROUP BY queue, owner_id, pipeline, name),
owners AS MATERIALIZED (
    SELECT k.queue, k.owner_id, sum(k.steps * t.mean_seconds) AS seconds, coalesce(max(w.weight), 1) AS weight
    FROM kinds k LEFT JOIN jobs.step_times t ON t.pipeline = k.pipeline AND t.step = k.name LEFT JOIN jobs.weights w ON w.owner_id = k.owner_id
    GROUP BY k.queue, k.owner_id)
SELECT me.id, p.steps AS before, p.seconds + coalesce(r.seconds, 0) + coalesce(others.seconds, 0) AS thread_seconds,
    p.unknown + coalesce(r.unknown, 0) = 0 AS is_known
FROM me JOIN places p ON p.id = me.id LEFT JOIN running r ON r.queue = me.queue
CROSS JOIN LATERAL (SELECT sum(least(o.seconds,
        p.seconds * o.weight / coalesce((SELECT weight FROM jobs.weights w WHERE w.owner_id = me.owner_id), 1))) AS seconds
    FROM owners o WHERE o.queue = me.queue AND o.owner_id <> me.owner_id) others
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ready step stands among those that wait for the same threads."""

    before: int  # steps of the same owner
    thread_seconds: float | None  # that threads will work on what is before it; None where one was never measured

    def seconds_to_start(self, threads: int) -> float | None:
        """A guess for a queue of so many threads."""
        return None if self.thread_seconds is None or not threads else self.thread_seconds / threads


def list_places(session: Session, step_ids: Sequence[UUID]) -> dict[UUID, Place]:
    """The place of each of these steps that is ready.

    Counted are the rest of what runs, its owner's steps that come before, and of every other owner's as much as is its share
    meanwhile. As the job core.
    """
    rows = session.execute(_AHEAD, {"ids": list(step_ids)}) if step_ids else ()
    return {row.id: Place(row.before, float(row.thread_seconds) if row.is_known else None) for row in rows}


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


def find_seconds_left(session: Session, job: Mapping[str, Any], *, now: datetime) -> float | None:
    """The same of a job's snapshot. As the job core."""
    usual = text("SELECT step, mean_seconds FROM jobs.step_times WHERE pipeline = :pipeline")
    means = {row.step: row.mean_seconds for row in session.execute(usual, {"pipeline": job["pipeline"]})}
    return seconds_left([{**step, "mean_seconds": means.get(step["name"])} for step in job["steps"]], now=now)


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
