"""Decides what may run now, and hints it to live workers. Which steps are hinted is remembered here only: the claim decides."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.log import get_logger
from core.nudge import Listener
from db import jobs
from db.engine import Database
from db.jobs import NOT_PAUSED
from scheduler.share import Ready, Running, Slots, Usage, choose
from workers.broker import hints_key

_log = get_logger(__name__)
_LOCK = 7_310_102  # one relay decides at a time, tick by tick
_HINT_AGAIN_SECONDS = 2.0
_LOOK_SECONDS = 1.0

# A worker unseen for three beats takes nothing.
_THREADS = text("""
SELECT q.name, coalesce((SELECT sum(w.threads) FROM jobs.workers w
    WHERE q.name = ANY(w.queues) AND w.seen_at > now() - interval '5 seconds'), 0)::int AS threads
FROM jobs.queues q
""")
_RUNNING = text("SELECT queue, pipeline, owner_id FROM jobs.job_steps WHERE status = 'running'")
# Owner by owner through the index: one with a hundred thousand steps costs no more than one with a few.
_READY = text(f"""
WITH RECURSIVE owners(owner_id) AS (
    (SELECT owner_id FROM jobs.job_steps WHERE status IN ('queued', 'retrying') AND queue = :queue ORDER BY owner_id LIMIT 1)
    UNION ALL
    SELECT (SELECT s.owner_id FROM jobs.job_steps s
            WHERE s.status IN ('queued', 'retrying') AND s.queue = :queue AND s.owner_id > o.owner_id
            ORDER BY s.owner_id LIMIT 1)
    FROM owners o WHERE o.owner_id IS NOT NULL)
SELECT x.id, :queue AS queue, x.pipeline, o.owner_id FROM owners o CROSS JOIN LATERAL (
    SELECT s.id, s.pipeline, s.priority, s.available_at FROM jobs.job_steps s
    WHERE s.status IN ('queued', 'retrying') AND s.queue = :queue AND s.owner_id = o.owner_id AND s.available_at <= now()
      AND {NOT_PAUSED}
    ORDER BY s.priority, s.available_at, s.id LIMIT :count) x
ORDER BY o.owner_id, x.priority, x.available_at, x.id
""")  # noqa: S608  (a constant)
_LOOK_AHEAD = 16  # steps of an owner beyond what fits, so that one held back by a limit does not hide the others


class Relay:
    """Runs until the process ends."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=2)
        self._nudges = Listener(redis_url)
        self._hinted: dict[UUID, float] = {}
        self._usage = Usage()

    def run(self) -> None:
        """Tick at every nudge, and every second."""
        while True:
            try:
                self._nudges.receive(_LOOK_SECONDS)
                self.tick()
            except (redis.RedisError, SQLAlchemyError) as error:
                _log.warning("relay.interrupted", error=type(error).__name__)
                self._hinted.clear()
                time.sleep(0.5)

    def tick(self) -> None:
        """Hint what may run now."""
        with self._database.jobs() as session:
            session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '3s'"))
            if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
                return
            chosen = self._choose(session)
        for queue, step_ids in chosen.items():
            self._send(queue, step_ids)

    def _choose(self, session: Session) -> dict[str, list[UUID]]:
        """What to hint on each queue: no more than what its live workers have room for."""
        now = time.monotonic()
        self._hinted = {step_id: at for step_id, at in self._hinted.items() if now - at < _HINT_AGAIN_SECONDS}
        running = [Running(*row) for row in session.execute(_RUNNING)]
        self._usage.sample(running, now)
        slots = Slots(jobs.list_limits(session), running)
        weights = jobs.list_weights(session)
        busy = Counter(step.queue for step in running)
        chosen = {}
        for queue, threads in session.execute(_THREADS).all():
            room = threads - busy[queue]
            if room > 0:
                chosen[queue] = self._choose_of(session, queue, room, slots, weights)
        return chosen

    def _choose_of(self, session: Session, queue: str, room: int, slots: Slots, weights: Mapping[str, float]) -> list[UUID]:
        rows = session.execute(_READY, {"queue": queue, "count": room + _LOOK_AHEAD})
        ready = [Ready(*row) for row in rows]
        under_way = [step for step in ready if step.id in self._hinted]  # hinted, and not claimed yet
        for step in under_way:
            slots.take(step)
        new = [step for step in ready if step.id not in self._hinted]
        served = {owner: seconds for (name, owner), seconds in self._usage.held.items() if name == queue}
        return [step.id for step in choose(new, room=room - len(under_way), slots=slots, served=served, weights=weights)]

    def _send(self, queue: str, step_ids: Iterable[UUID]) -> None:
        now = time.monotonic()
        for step_id in step_ids:
            self._redis.rpush(hints_key(queue), str(step_id))
            self._hinted[step_id] = now
