"""How fast finished jobs are archived, whether starting steps feels it, and what reading costs with a full archive.

    ./askstephen bench retention [--quick]

On servers with the settings of production: jobs of three steps, one attempt and five log lines each that ended over the
last 390 days (so that there are 14 months), and others that are queued. One thread starts queued steps (the relay's query and
a claim, rolled back) as fast as it can, first alone, then beside the move; then jobs are read. The last line is JSON.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import text

from core.local_stack.servers import Servers
from db import jobs, migrations, status, users
from db.engine import Database
from scheduler.ready import list_ready
from scheduler.retention import Retention

REST = jobs.Rest(ended=timedelta(days=7), failed=timedelta(days=30), kept=timedelta(days=400))
DAY_SECONDS = 86_400
OWNERS = 20
# Made evenly over 390 days, an id as such a job would have had.
FILL = (
    "INSERT INTO public.users (id) SELECT 'owner' || n FROM generate_series(1, :owners) n ON CONFLICT DO NOTHING",
    """
    INSERT INTO jobs.jobs (id, pipeline, owner_id, args, status, created_at, finished_at, subject)
    SELECT CAST(lpad(to_hex(CAST(extract(epoch FROM ended) * 1000 AS bigint)), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0')
        AS uuid), 'p', 'owner' || (1 + n % :owners), '{"video_id": 7, "version": "0123456789abcdef"}', 'succeeded', ended, ended,
        'video:' || n
    FROM (SELECT n, now() - interval '8 days' - n * (interval '382 days' / :number) AS ended FROM generate_series(1, :number) n) e
    """,
    """
    INSERT INTO jobs.job_steps (id, job_id, name, queue, status, max_attempts, owner_id, pipeline, attempt, claim_id, worker_id,
        claimed_at, finished_at, progress, result)
    SELECT gen_random_uuid(), j.id, s, 'io', 'succeeded', 5, j.owner_id, 'p', 2, gen_random_uuid(), gen_random_uuid(),
        j.finished_at - interval '1 minute', j.finished_at, 1, '{"key": "attempts/0123456789abcdef/source", "bytes": 123456}'
    FROM jobs.jobs j, unnest(ARRAY['fetch', 'probe', 'finish']) s
    """,
    """
    INSERT INTO jobs.job_attempts (step_id, claim_id, attempt, started_at, finished_at, outcome, error)
    SELECT id, gen_random_uuid(), 1, claimed_at, claimed_at, 'retrying', 'the provider did not answer' FROM jobs.job_steps
    WHERE name = 'fetch'
    """,
    """
    INSERT INTO jobs.job_logs (job_id, step, message) SELECT j.id, 'fetch', 'this is what a line of a log is like, more or less'
    FROM jobs.jobs j, generate_series(1, 5)
    """,
)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 000 jobs instead of 100 000")
    parser.add_argument("--data", help="not used")
    number = 10_000 if parser.parse_args(arguments).quick else 100_000
    with tempfile.TemporaryDirectory(prefix="askstephen-retention-") as folder:
        Path(folder).chmod(0o711)
        with Servers(Path(folder)) as servers, Database(servers.environment["DATABASE_URL"], connections=6) as database:
            migrations.upgrade(servers.environment["DATABASE_URL"])
            print(json.dumps(measure(database, number)))
    return 0


def measure(database: Database, number: int) -> dict[str, float]:
    steps = fill(database, number)
    hot = sample_ids(database, "jobs.jobs")
    read_hot = milliseconds(lambda job_id: snapshot(database, job_id), hot)
    alone = starts(database, steps, threading.Event(), seconds=3)
    moving = threading.Event()
    beside: list[float] = []
    starter = threading.Thread(target=lambda: beside.extend(starts(database, steps, moving, seconds=3600)))
    starter.start()
    began = time.monotonic()
    Retention(database, REST).tick()
    seconds = time.monotonic() - began
    moving.set()
    starter.join()
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
        archived = int(connection.scalar(text("SELECT count(*) FROM jobs.archived_jobs")) or 0)
        size = connection.scalar(text("SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"))
        months = connection.scalar(text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'jobs.archived_jobs'::regclass"))
    after = starts(database, steps, threading.Event(), seconds=3)
    cold = sample_ids(database, "jobs.archived_jobs")
    queued = sample_ids(database, "jobs.jobs")
    return {
        "archived": archived,
        "months": months,
        "archived_per_second": round(archived / seconds),
        "archived_bytes_per_job": round(float(size) / archived),
        **{f"start_ms_alone_{name}": value for name, value in quantiles(alone).items()},
        **{f"start_ms_beside_{name}": value for name, value in quantiles(beside).items()},
        **{f"start_ms_after_{name}": value for name, value in quantiles(after).items()},
        "read_hot_ms_before": read_hot,
        "read_hot_ms_after": milliseconds(lambda job_id: snapshot(database, job_id), queued),
        "read_archived_ms": milliseconds(lambda job_id: snapshot(database, job_id), cold),
        "list_ms": milliseconds(lambda job_id: list_page(database, job_id), cold),
    }


def fill(database: Database, number: int) -> list[UUID]:
    """Returns steps that are queued."""
    with database.jobs() as session:
        users.ensure_local_owner(session)
        session.execute(text("SET LOCAL synchronous_commit = off"))
        for statement in FILL:
            session.execute(text(statement), {"number": number, "owners": OWNERS} if ":owners" in statement else {})
    with database.tenant("owner1") as session:
        for _ in range(2000):
            step = jobs.NewStep("fetch", "io")
            jobs.insert_job(session, pipeline="p", owner_id="owner1", args={}, steps=[step], subject=None)
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
    with database.jobs() as session:
        return list(session.scalars(text("SELECT id FROM jobs.job_steps WHERE status = 'queued'")))


def starts(database: Database, steps: list[UUID], stop: threading.Event, *, seconds: float) -> list[float]:
    """How long each of as many starts as there is time for took, milliseconds."""
    took: list[float] = []
    until, worker = time.monotonic() + seconds, uuid4()
    for turn in count():
        if stop.is_set() or time.monotonic() > until:
            return took
        began = time.perf_counter()
        with database.jobs() as session:
            list_ready(session, {"io": 16})
            jobs.claim(session, steps[turn % len(steps)], worker_id=worker, lease=timedelta(seconds=12))
            took.append((time.perf_counter() - began) * 1000)
            session.rollback()
    return took


def sample_ids(database: Database, table: str) -> list[UUID]:
    with database.jobs() as session:
        return list(session.scalars(text(f"SELECT id FROM {table} ORDER BY md5(id::text) LIMIT 500")))


def snapshot(database: Database, job_id: UUID) -> None:
    with database.jobs() as session:
        status.snapshot(session, job_id)


def list_page(database: Database, job_id: UUID) -> None:
    with database.tenant("owner1") as session:
        status.list_jobs(session, before=job_id)


def milliseconds(do: Callable[[UUID], None], ids: list[UUID]) -> float:
    took = []
    for job_id in ids:
        began = time.perf_counter()
        do(job_id)
        took.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(took), 2)


def quantiles(took: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=100)
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
