"""Looks whether something lies before a free thread that nobody takes: a step that nothing holds back, or a hint of none."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import redis
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from core.hints import hints_key, read_hint, write_hint
from core.log import get_logger
from db import jobs
from db.engine import Database
from db.jobs import WORKER_LIVES, Invariant, Violation
from scheduler.audit import tell
from scheduler.ready import Ready, list_ready

LOOK_SECONDS = 5
LOOKS = 13  # a minute: longer than a worker that drains, or one whose connection to Redis hangs, takes no hints
_log = get_logger(__name__)

# A paused queue is not even looked through. Threads are shared by the queues of a worker: whatever runs on any of these may hold them. A suspect holds them all.
_IDLE = text(f"""
SELECT q.name FROM jobs.queues q
CROSS JOIN LATERAL (SELECT sum(w.threads) AS count FROM jobs.workers w WHERE q.name = ANY(w.queues) AND {WORKER_LIVES}
    AND w.started_at < now() - interval '1 minute') threads
CROSS JOIN LATERAL (SELECT count(*) AS count, coalesce(bool_or(s.deaths > 0), false) AS alone FROM jobs.job_steps s
    WHERE s.status = 'running' AND s.queue IN (
        SELECT unnest(w.queues) FROM jobs.workers w WHERE q.name = ANY(w.queues) AND {WORKER_LIVES})) running
WHERE threads.count > running.count AND NOT running.alone
  AND NOT EXISTS (SELECT 1 FROM jobs.pauses p WHERE p.kind = 'queue' AND p.name = q.name)
""")  # noqa: S608  (a constant)
_STANDS = text("""
SELECT job_id FROM jobs.job_steps
WHERE id = :id AND status IN ('queued', 'retrying') AND CAST(extract(epoch FROM available_at) AS float8) = :since
""")
_NAMED = text("""
SELECT job_id, queue = :queue AND status IN ('queued', 'retrying', 'running') AS is_live FROM jobs.job_steps WHERE id = ANY(:ids)
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_NO_JOB = UUID(int=0)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Wait(Generic[_T]):
    """What was first in its queue at each of so many looks."""

    first: frozenset[_T]
    looks: int = 1


class _Waits(Generic[_T]):
    """Compares one look at some queues with those before."""

    def __init__(self) -> None:
        self._waits: Mapping[str, _Wait[_T]] = {}

    def look(self, first: Mapping[str, frozenset[_T]]) -> dict[str, frozenset[_T]]:
        """What has been first for a minute, which then begins anew. So it does where one has gone: the queue moves."""
        waits = {queue: self._seen(self._waits.get(queue), there) for queue, there in first.items()}
        self._waits = {queue: wait for queue, wait in waits.items() if wait.looks < LOOKS}
        return {queue: wait.first for queue, wait in waits.items() if wait.looks >= LOOKS}

    def forget(self) -> None:
        """Begin anew."""
        self._waits = {}

    def _seen(self, before: _Wait[_T] | None, there: frozenset[_T]) -> _Wait[_T]:
        return _Wait(before.first, before.looks + 1) if before and before.first <= there else _Wait(there)


class Standstill:
    """Keeps what it saw in memory only: who starts anew watches for a minute first."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._steps: _Waits[Ready] = _Waits()
        self._hints: _Waits[bytes] = _Waits()

    def tick(self) -> None:
        """Look once. What has lain there at every look of a minute is a violation: a step is hinted, a hint of none removed."""
        try:
            with self._database.jobs() as session:
                idle = session.scalars(_IDLE).all()
                startable = find_startable(session, idle)
            hints_there = self._find_hints(idle)  # fails where Redis is away, before anything is held against anybody
            for steps in self._steps.look(startable).values():
                for step in steps:
                    self._start(step)
            for queue, hints in self._hints.look(hints_there).items():
                for hint in hints:
                    self._remove(queue, hint)
        except (redis.RedisError, SQLAlchemyError) as error:
            self._steps.forget()  # that nothing moves without them is no wonder
            self._hints.forget()
            _log.warning("standstill.interrupted", error=type(error).__name__)

    def _start(self, step: Ready) -> None:
        with self._database.jobs() as session:
            job_id = session.scalar(_STANDS, {"id": step.id, "since": step.since})
            if job_id is None:
                return
            violation = Violation(Invariant.DUE_ARE_STARTED, job_id, step.name)
            jobs.keep_violation(session, violation, healed=True)
        self._redis.rpush(hints_key(step.queue), write_hint([step.id], alone=step.alone))
        tell(violation, healed=True)

    def _find_hints(self, queues: Collection[str]) -> dict[str, frozenset[bytes]]:
        """The first hint of each of these queues that has one."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.ping()
        for queue in queues:
            pipe.lindex(hints_key(queue), 0)
        _, *hints = pipe.execute()
        return {queue: frozenset([hint]) for queue, hint in zip(queues, hints, strict=True) if hint}

    def _remove(self, queue: str, hint: bytes) -> None:
        """Unless it names a step that is live on this queue: then it is the step that is told."""
        try:
            ids = read_hint(hint.decode()).step_ids
        except ValueError:
            ids = []
        with self._database.jobs() as session:
            steps = session.execute(_NAMED, {"queue": queue, "ids": ids}).all()
            if any(step.is_live for step in steps):
                return
            violation = Violation(Invariant.HINTS_ARE_ROWS, steps[0].job_id if steps else _NO_JOB, f"{queue}: {hint!r}")
            jobs.keep_violation(session, violation, healed=True)
        self._redis.lrem(hints_key(queue), 0, hint.decode())
        tell(violation, healed=True)


def find_startable(session: Session, idle: Collection[str]) -> dict[str, frozenset[Ready]]:
    """By queue that has a thread free, the step that each owner would start next of those that no rule holds back.

    Suspects only where one of these is due: until it has started, workers may keep their threads free for it.
    """
    ready = list_ready(session, dict.fromkeys(idle, 1)) if idle else []
    if not ready:
        return {}
    limits = jobs.read_limits(session)
    free = [step for step in ready if not _is_limited(step, limits)]
    first: defaultdict[str, dict[str, Ready]] = defaultdict(dict)
    for step in [step for step in free if step.alone] or free:
        first[step.queue].setdefault(step.owner_id, step)
    return {queue: frozenset(steps.values()) for queue, steps in first.items()}


def _is_limited(step: Ready, limits: jobs.Limits) -> bool:
    full = limits.find_full(queue=step.queue, pipeline=step.pipeline, owner_id=step.owner_id, provider=step.provider)
    return full is not None
