"""Worker processes as their beats tell of them, and what they are at. As the job core."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.jobs import WORKER_LIVES


@dataclass(frozen=True, slots=True)
class Worker:
    """One process. It is forgotten a minute after its last beat; from the fifth second on it gets no work."""

    id: UUID
    host: str
    process: int
    queues: list[str]
    threads: int
    version: str | None
    started_at: datetime
    seen_at: datetime
    lives: bool
    free_disk_bytes: int | None
    free_memory_bytes: int | None
    steps: list[dict[str, Any]]  # job_id, name, part, pipeline, seconds, progress, doing


_WORKERS = text(f"""
SELECT w.id, w.host, w.process, w.queues, w.threads, w.version, w.started_at, w.seen_at, {WORKER_LIVES} AS lives,
    w.free_disk_bytes, w.free_memory_bytes, coalesce(s.steps, '[]') AS steps
FROM jobs.workers w LEFT JOIN (
    SELECT worker_id, jsonb_agg(jsonb_build_object('job_id', job_id, 'name', name, 'part', part, 'pipeline', pipeline,
        'seconds', extract(epoch FROM now() - claimed_at), 'progress', progress, 'doing', progress_message) ORDER BY claimed_at) AS steps
    FROM jobs.job_steps WHERE status = 'running' GROUP BY worker_id) s ON s.worker_id = w.id
ORDER BY w.host, w.process
""")  # noqa: S608  (a constant)


def list_workers(session: Session) -> list[Worker]:
    """Every process that beat within the last minute."""
    return [Worker(**row) for row in session.execute(_WORKERS).mappings()]
