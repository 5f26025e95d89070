"""A relay that ticks when it is told to, what it wrote to Redis, and work for it."""

from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import text

from core.hints import hints_key, read_hint
from db import jobs
from db.engine import Database
from db.jobs import NewStep
from scheduler.relay import Relay


@pytest.fixture
def relay(database: Database, redis_url: str, wire: redis.Redis) -> Relay:
    work(database, threads=4)
    return Relay(database, redis_url)


def work(database: Database, *, threads: int) -> None:
    with database.jobs() as session:
        session.execute(
            text("INSERT INTO jobs.workers (id, queues, threads, host, process) VALUES (:id, '{io}', :threads, 'here', 1)"),
            {"id": uuid4(), "threads": threads},
        )


def insert(database: Database, owner: str, count: int, *, priority: int = 2, provider: str = "tube") -> list[UUID]:
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": owner})
        job_ids = [
            jobs.insert_job(
                session,
                pipeline="p",
                owner_id=owner,
                args={},
                steps=[NewStep("first", "io", provider=provider)],
                subject=None,
                priority=priority,
            )
            for _ in range(count)
        ]
        steps = session.execute(text("SELECT job_id, id FROM jobs.job_steps")).all()
    by_job = {row.job_id: row.id for row in steps}
    return [by_job[job_id] for job_id in job_ids]


def hinted(wire: redis.Redis) -> list[UUID]:
    return [step_id for hint in wire.lrange(hints_key("io"), 0, -1) for step_id in read_hint(hint.decode()).step_ids]
