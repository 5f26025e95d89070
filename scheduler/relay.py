"""Decides what may run now, and hints it to live workers. Which steps are hinted is remembered here only: the claim decides."""

import time
from collections.abc import Iterable
from uuid import UUID

import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.log import get_logger
from core.nudge import CHANNEL
from db.engine import Database
from db.jobs import NOT_PAUSED
from workers.broker import hints_key

_log = get_logger(__name__)
_LOCK = 7_310_102  # one relay decides at a time, tick by tick
_HINT_AGAIN_SECONDS = 2.0
_LOOK_SECONDS = 1.0

# A worker unseen for three beats takes nothing; what runs leaves that much less room.
_ROOM = text("""
SELECT q.name, coalesce((SELECT sum(w.threads) FROM jobs.workers w
    WHERE q.name = ANY(w.queues) AND w.seen_at > now() - interval '5 seconds'), 0)::int
    - (SELECT count(*) FROM jobs.job_steps s WHERE s.status = 'running' AND s.queue = q.name)::int AS room
FROM jobs.queues q
""")
_PICK = text(f"""
SELECT s.id FROM jobs.job_steps s
WHERE s.status IN ('queued', 'retrying') AND s.queue = :queue AND s.available_at <= now() AND {NOT_PAUSED}
ORDER BY s.priority, s.available_at, s.id LIMIT :count
""")  # noqa: S608  (a constant)


class Relay:
    """Runs until the process ends."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=2)
        self._nudges = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._hinted: dict[UUID, float] = {}

    def run(self) -> None:
        """Tick at every nudge, and every second."""
        while True:
            try:
                self._wait()
                self.tick()
            except (redis.RedisError, SQLAlchemyError) as error:
                _log.warning("relay.interrupted", error=type(error).__name__)
                self._hinted.clear()
                time.sleep(0.5)

    def _wait(self) -> None:
        if not self._nudges.subscribed:
            self._nudges.subscribe(CHANNEL)
        got = self._nudges.get_message(timeout=_LOOK_SECONDS)
        while got:  # one look serves every nudge so far
            got = self._nudges.get_message(timeout=0)

    def tick(self) -> None:
        """Hint what may run now."""
        with self._database.jobs() as session:
            session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '3s'"))
            if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
                return
            chosen = {row.name: self._choose(session, row.name, row.room) for row in session.execute(_ROOM).all()}
        for queue, step_ids in chosen.items():
            self._send(queue, step_ids)

    def _choose(self, session: Session, queue: str, room: int) -> list[UUID]:
        if room <= 0:
            return []
        now = time.monotonic()
        waiting = session.execute(_PICK, {"queue": queue, "count": room}).scalars().all()
        return [step_id for step_id in waiting if now - self._hinted.get(step_id, -60.0) > _HINT_AGAIN_SECONDS]

    def _send(self, queue: str, step_ids: Iterable[UUID]) -> None:
        now = time.monotonic()
        self._hinted = {known: at for known, at in self._hinted.items() if now - at < _HINT_AGAIN_SECONDS}
        for step_id in step_ids:
            self._redis.rpush(hints_key(queue), str(step_id))
            self._hinted[step_id] = now
