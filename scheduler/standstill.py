"""Looks whether a step stands still that nothing holds back: due, before a free thread, while nothing of its queue starts."""

from collections.abc import Mapping
from dataclasses import dataclass

import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.hints import hints_key, write_hint
from core.log import get_logger
from db import jobs
from db.engine import Database
from db.jobs import WORKER_LIVES, Invariant, Violation
from scheduler.audit import tell
from scheduler.ready import Ready, list_ready

LOOK_SECONDS = 5
LOOKS = 13  # a minute: longer than a worker that drains, or one whose connection to Redis hangs, takes no hints
_log = get_logger(__name__)

# Threads are shared by the queues of a worker: whatever runs on any of these may hold them. A suspect holds them all.
_IDLE = text(f"""
SELECT q.name FROM jobs.queues q
CROSS JOIN LATERAL (SELECT sum(w.threads) AS count FROM jobs.workers w WHERE q.name = ANY(w.queues) AND {WORKER_LIVES}
    AND w.started_at < now() - interval '1 minute') threads
CROSS JOIN LATERAL (SELECT count(*) AS count, coalesce(bool_or(s.deaths > 0), false) AS alone FROM jobs.job_steps s
    WHERE s.status = 'running' AND s.queue IN (
        SELECT unnest(w.queues) FROM jobs.workers w WHERE q.name = ANY(w.queues) AND {WORKER_LIVES})) running
WHERE threads.count > running.count AND NOT running.alone
""")  # noqa: S608  (a constant)
_STANDS = text("""
SELECT job_id FROM jobs.job_steps
WHERE id = :id AND status IN ('queued', 'retrying') AND CAST(extract(epoch FROM available_at) AS float8) = :since
""")


@dataclass(frozen=True, slots=True)
class _Wait:
    """What was first in its owner's order at each of so many looks."""

    steps: frozenset[Ready]
    looks: int = 1

    def seen_again(self, steps: frozenset[Ready]) -> "_Wait":
        """Begins anew where one of them has gone: the queue moves, and who is next on it is the relay's to say."""
        return _Wait(self.steps, self.looks + 1) if self.steps <= steps else _Wait(steps)


class Standstill:
    """Compares one look with those before. They are in memory only: who starts anew watches for a minute first."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._waits: Mapping[str, _Wait] = {}

    def tick(self) -> None:
        """Look once; what has stood still at every look of a minute is kept as a violation, and hinted."""
        try:
            self._redis.ping()
            with self._database.jobs() as session:
                startable = find_startable(session)
            waits = {queue: self._seen(queue, steps) for queue, steps in startable.items()}
            self._waits = {queue: wait for queue, wait in waits.items() if wait.looks < LOOKS}
            for queue in waits.keys() - self._waits.keys():
                for step in waits[queue].steps:
                    self._start(step)
        except (redis.RedisError, SQLAlchemyError) as error:
            self._waits = {}  # that nothing moves without them is no wonder
            _log.warning("standstill.interrupted", error=type(error).__name__)

    def _seen(self, queue: str, steps: frozenset[Ready]) -> _Wait:
        before = self._waits.get(queue)
        return before.seen_again(steps) if before else _Wait(steps)

    def _start(self, step: Ready) -> None:
        with self._database.jobs() as session:
            job_id = session.scalar(_STANDS, {"id": step.id, "since": step.since})
            if job_id is None:
                return
            violation = Violation(Invariant.DUE_ARE_STARTED, job_id, step.name)
            jobs.keep_violation(session, violation, healed=True)
        self._redis.rpush(hints_key(step.queue), write_hint([step.id]))
        tell(violation, healed=True)


def find_startable(session: Session) -> dict[str, frozenset[Ready]]:
    """By queue that has a thread free, the step that each owner would start next of those that no rule holds back.

    None where a suspect is to start: until it has, workers may keep their threads free for it.
    """
    idle = session.scalars(_IDLE).all()
    ready = list_ready(session, dict.fromkeys(idle, 1)) if idle else []
    if any(step.alone for step in ready):
        return {}
    limits = jobs.read_limits(session)
    first: dict[tuple[str, str], Ready] = {}
    for step in ready:
        full = limits.find_full(queue=step.queue, pipeline=step.pipeline, owner_id=step.owner_id, provider=step.provider)
        if full is None:
            first.setdefault((step.queue, step.owner_id), step)
    queues = {queue for queue, _ in first}
    return {queue: frozenset(step for step in first.values() if step.queue == queue) for queue in queues}
