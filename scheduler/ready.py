"""What the relay reads: one look at who works and who waits, in two statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Integer, Text

from db.engine import run
from db.jobs import ALL_PAUSED, HAS_ROOM, NOT_PAUSED, SHUT, WORKER_LIVES, Limit, Scope

_LOCK = 7_310_102  # one relay decides at a time, tick by tick
SHORT_SECONDS = 0.02  # a step whose runs take less on average may share its hint

_SITUATION = text(f"""
SELECT pg_try_advisory_xact_lock(:lock) AS leads, set_config('idle_in_transaction_session_timeout', '3s', true),
    (SELECT json_object_agg(q.name, coalesce(w.threads, 0)) FROM jobs.queues q LEFT JOIN (
        SELECT unnest(queues) AS name, sum(threads) AS threads FROM jobs.workers w
        WHERE {WORKER_LIVES} GROUP BY 1) w USING (name)) AS threads,
    (SELECT json_agg(json_build_array(queue, pipeline, name, owner_id, count, provider)) FROM (
        SELECT queue, pipeline, name, owner_id, provider, count(*) FROM jobs.job_steps WHERE status = 'running'
        GROUP BY 1, 2, 3, 4, 5) r) AS running,
    (SELECT json_agg(json_build_array(pipeline, step, mean_seconds)) FROM jobs.step_times WHERE mean_seconds < :short_seconds) AS short,
    (SELECT json_agg(json_build_array(kind, name, most)) FROM jobs.limits) AS limits,
    (SELECT json_object_agg(owner_id, weight) FROM jobs.weights) AS weights
""")  # noqa: S608  (a constant)
_LISTS = (
    bindparam("queues", type_=ARRAY(Text)),
    bindparam("counts", type_=ARRAY(Integer)),
    bindparam("full", type_=ARRAY(Text)),
)
# Owner by owner and priority by priority through the index: one with a hundred thousand steps, or with as many for tomorrow, costs no
# more than one with a few.
_READY = text(f"""
WITH RECURSIVE owners(queue, owner_id) AS (
    SELECT q.queue, (SELECT s.owner_id FROM jobs.job_steps s
        WHERE s.status IN ('queued', 'retrying') AND s.queue = q.queue ORDER BY s.owner_id LIMIT 1)
    FROM unnest(:queues) q(queue)
    UNION ALL
    SELECT o.queue, (SELECT s.owner_id FROM jobs.job_steps s
        WHERE s.status IN ('queued', 'retrying') AND s.queue = o.queue AND s.owner_id > o.owner_id ORDER BY s.owner_id LIMIT 1)
    FROM owners o WHERE o.owner_id IS NOT NULL),
share AS (
    SELECT o.queue, o.owner_id, c.most / count(*) OVER (PARTITION BY o.queue) + :ahead AS most, {SHUT} AS shut
    FROM owners o JOIN unnest(:queues, :counts) c(queue, most) ON c.queue = o.queue
    WHERE o.owner_id IS NOT NULL AND NOT {ALL_PAUSED})
SELECT x.id, o.queue, x.pipeline, x.name, o.owner_id, CAST(extract(epoch FROM x.available_at) AS float8), x.deaths > 0, x.provider
FROM share o CROSS JOIN LATERAL (
    SELECT y.* FROM unnest(CAST('{{0,1,2,3}}' AS smallint[])) p(priority) CROSS JOIN LATERAL (
        SELECT s.id, s.pipeline, s.name, s.priority, s.available_at, s.deaths, s.provider FROM jobs.job_steps s
        WHERE s.status IN ('queued', 'retrying') AND s.queue = o.queue AND s.owner_id = o.owner_id AND s.priority = p.priority
          AND s.available_at <= now() AND {NOT_PAUSED} AND {HAS_ROOM}
          AND (s.provider IS NULL OR s.provider <> ALL(o.shut || :full))
        ORDER BY s.available_at, s.id LIMIT o.most) y
    ORDER BY y.priority, y.available_at, y.id LIMIT o.most) x
""").bindparams(*_LISTS)  # noqa: S608  (a constant)
_LOOK_AHEAD = 16  # steps of an owner beyond what fits, so that one held back by a limit does not hide the others


class Ready(NamedTuple):
    """A step that may start now. It is another one, to the relay, when it became ready at another time."""

    id: UUID
    queue: str
    pipeline: str
    name: str
    owner_id: str
    since: float
    alone: bool = False  # it lost its worker: nothing is to run beside it
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """Steps of one kind and owner that hold leases; short ones several to a thread."""

    queue: str
    pipeline: str
    name: str
    owner_id: str
    count: int
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Who works, and under which rules."""

    threads: Mapping[str, int]  # of live workers, by queue
    running: Sequence[Running]
    short: Mapping[tuple[str, str], float]  # by pipeline and step: the seconds that one takes
    limits: Sequence[Limit]
    weights: Mapping[str, float]

    def has_free(self, queue: str) -> bool:
        """Tell whether fewer steps of the queue run than it has threads."""
        return sum(steps.count for steps in self.running if steps.queue == queue) < self.threads[queue]

    def shortest_seconds(self) -> float:
        """What the shortest of the steps that may share a hint takes."""
        return min(self.short.values(), default=SHORT_SECONDS)

    def seconds_of(self, step: Ready | Running) -> float | None:
        """How long such a step takes, where that is short enough to share a hint; else None."""
        return self.short.get((step.pipeline, step.name))


def find_situation(session: Session) -> Situation | None:
    """How things stand; None when another relay is looking. What this one decides holds while its transaction is open."""
    [row] = run(session, _SITUATION, {"lock": _LOCK, "short_seconds": SHORT_SECONDS})
    if not row.leads:
        return None
    return Situation(
        row.threads or {},
        [Running(*each) for each in row.running or ()],
        {(pipeline, step): seconds for pipeline, step, seconds in row.short or ()},
        [Limit(Scope(kind), name, most) for kind, name, most in row.limits or ()],
        row.weights or {},
    )


def list_ready(session: Session, counts: Mapping[str, int], *, full: Sequence[str] = ()) -> list[Ready]:
    """Steps that may start on each queue, about as many as asked for, spread over the owners; each owner's in the order it wants.

    What calls a provider that is `full` is left out, so that a backlog for it does not hide the others.
    """
    asked = {"queues": list(counts), "counts": list(counts.values()), "full": list(full), "ahead": _LOOK_AHEAD}
    return [Ready(*row) for row in run(session, _READY, asked)]
