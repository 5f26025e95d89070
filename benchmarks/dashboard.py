"""How long the server takes for each page of operators, with a million finished jobs and a hundred thousand that wait.

    ./askstephen bench dashboard [--quick]

On servers with the settings of production: a third of the finished jobs lies in the hot tables, the rest in the archive; one in
fifty failed, in forty ways; thirty steps run. Each page is asked for through the application itself, eleven times after a first
one. The last line is JSON: the median and the worst of each page in milliseconds, and the worst median of all.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import text

from api_stub.app import create_app
from core.local_stack.servers import Servers
from core.log import configure_log
from core.settings import Settings
from core.storage import FolderStorage
from db import api_keys, migrations, users
from db.engine import Database

ID = "CAST(lpad(to_hex(CAST(extract(epoch FROM at) * 1000 AS bigint)), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid)"
# One a second, the newest first: the first ones are still hot, those after them archived.
FINISHED = f"""
SELECT {ID} AS id, n, at, n % 50 = 0 AS broke, 'owner' || (1 + n % 200) AS owner_id,
    (ARRAY['ingest', 'publish', 'lead_search', 'coach'])[1 + n % 4] AS pipeline
FROM (SELECT n, now() - n * interval '1 second' AS at FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) n) made
"""
FILL = (
    "INSERT INTO public.users (id, email) SELECT 'owner' || n, n || '@example.com' FROM generate_series(1, 200) n",
    f"""
    INSERT INTO jobs.jobs (id, pipeline, owner_id, args, status, error, created_at, finished_at, subject)
    SELECT id, pipeline, owner_id, jsonb_build_object('video_id', n, 'name', 'film ' || n), CASE WHEN broke THEN 'failed' ELSE 'succeeded' END,
        CASE WHEN broke THEN 'file ''' || n || ''' cannot be read: reason ' || chr(65 + (n / 50) % 40) END, at, at + interval '5 s', 'video:' || n
    FROM ({FINISHED}) f
    """,
    """
    INSERT INTO jobs.job_steps (id, job_id, name, queue, status, max_attempts, owner_id, pipeline, attempt, claimed_at, finished_at,
        error, error_class, error_group)
    SELECT gen_random_uuid(), id, 'fetch', 'io', status, 5, owner_id, pipeline, 1, created_at, finished_at, error,
        CASE WHEN error IS NOT NULL THEN 'Refused' END, jobs.error_group(error)
    FROM jobs.jobs
    """,
)
# Documents as `db/jobs/archive.py` writes them: whole rows, those of the newest hot job with each job's own values put in.
ARCHIVE = f"""
INSERT INTO jobs.archived_jobs (id, owner_id, pipeline, subject, status, finished_at, job, steps, attempts, logs)
SELECT f.id, f.owner_id, f.pipeline, 'video:' || n, said.status, at + interval '5 s',
    like_this.job || jsonb_build_object('id', f.id, 'args', jsonb_build_object('video_id', n, 'name', 'film ' || n), 'owner_id', f.owner_id,
        'pipeline', f.pipeline, 'subject', 'video:' || n, 'created_at', at, 'finished_at', at + interval '5 s', 'status', said.status,
        'error', said.error),
    jsonb_build_array(like_this.step || jsonb_build_object('id', gen_random_uuid(), 'job_id', f.id, 'owner_id', f.owner_id,
        'pipeline', f.pipeline, 'status', said.status, 'error', said.error, 'claimed_at', at, 'finished_at', at + interval '5 s',
        'result', jsonb_build_object('key', md5(CAST(n AS text)), 'bytes', n))), '[]', '[]'
FROM ({FINISHED}) f,
    LATERAL (SELECT CASE WHEN broke THEN 'failed' ELSE 'succeeded' END AS status,
        CASE WHEN broke THEN 'file ' || n || ' cannot be read' END AS error) said,
    (SELECT to_jsonb(j) AS job, to_jsonb(s) AS step FROM jobs.jobs j JOIN jobs.job_steps s ON s.job_id = j.id ORDER BY j.id DESC LIMIT 1) like_this
"""
WAITING = f"""
WITH new AS (INSERT INTO jobs.jobs (id, pipeline, owner_id, args, subject, created_at)
    SELECT {ID}, 'ingest', 'owner' || (1 + n % 200), jsonb_build_object('video_id', n), 'video:' || n, at
    FROM (SELECT n, now() - interval '1 hour' + n * interval '1 ms' AS at FROM generate_series(1, :number) n) made
    RETURNING id, owner_id)
INSERT INTO jobs.job_steps (id, job_id, name, queue, status, max_attempts, owner_id, pipeline)
SELECT gen_random_uuid(), id, 'fetch', (ARRAY['io', 'media', 'ai'])[1 + abs(hashtext(CAST(id AS text))) % 3], 'queued', 5, owner_id, 'ingest'
FROM new
"""
RUN = """
UPDATE jobs.job_steps SET status = 'running', claim_id = gen_random_uuid(), claimed_at = now(), attempt = 1, progress = 0.5,
    lease_until = now() + interval '1 day'
WHERE id IN (SELECT id FROM jobs.job_steps WHERE status = 'queued' LIMIT 30)
"""
TIMES = 11


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the jobs")
    parser.add_argument("--data", help="not used")
    configure_log(level="warning")
    part = 20 if parser.parse_args(arguments).quick else 1
    with tempfile.TemporaryDirectory(prefix="askstephen-dashboard-") as folder:
        Path(folder).chmod(0o711)
        with Servers(Path(folder)) as servers, Database(servers.environment["DATABASE_URL"], connections=6) as database:
            migrations.upgrade(servers.environment["DATABASE_URL"])
            fill(database, 1_000_000 // part, 100_000 // part)
            print(json.dumps(measure(database, Path(folder))))
    return 0


def fill(database: Database, finished: int, waiting: int) -> None:
    hot = finished // 3
    with database.engine.begin() as connection:
        for statement in FILL:
            connection.execute(text(statement), {"first": 1, "last": hot} if ":last" in statement else {})
        connection.execute(text("SELECT jobs.make_archive_month(now() - n * interval '1 month') FROM generate_series(0, 1) n"))
        connection.execute(text(ARCHIVE), {"first": hot + 1, "last": finished})
        connection.execute(text(WAITING), {"number": waiting})
        connection.execute(text(RUN))
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))


def pages(database: Database) -> dict[str, str]:
    with database.jobs() as session:
        failed = session.scalar(text("SELECT id FROM jobs.jobs WHERE error IS NOT NULL ORDER BY id LIMIT 1"))
        archived = session.scalar(text("SELECT id FROM jobs.archived_jobs ORDER BY id LIMIT 1"))
        waits = session.scalar(text("SELECT job_id FROM jobs.job_steps WHERE status = 'queued' ORDER BY id LIMIT 1"))
        group = session.scalar(
            text(
                "SELECT left(md5(concat_ws(chr(10), pipeline, name, error_class, error_group)), 16) FROM jobs.job_steps WHERE status = 'failed' LIMIT 1"
            )
        )
    return {
        "now": "/",
        "jobs": "/jobs",
        "jobs live": "/jobs?status=live",
        "jobs failed": "/jobs?status=failed",
        "jobs of an owner": "/jobs?owner=7@example.com",
        "jobs about a subject": "/jobs?subject=video:12345",
        "jobs of a pipeline": "/jobs?pipeline=coach",
        "jobs with an error": "/jobs?error=reason Q",
        "jobs with an error that is nowhere": "/jobs?error=nowhere",
        "jobs with an argument": "/jobs?argument=video_id=777",
        "jobs with a text that is nowhere": "/jobs?argument=nowhere",
        "failures": "/failures",
        "failure": f"/failures/{group}",
        "retry preview": f"/jobs/bulk?deed=retry&failure={group}",
        "retry preview of all": "/jobs/bulk?deed=retry",
        "cancel preview of all": "/jobs/bulk?deed=cancel",
        "queues": "/queues",
        "workers": "/workers",
        "schedules": "/schedules",
        "providers": "/providers",
        "actions": "/actions",
        "job failed": f"/jobs/{failed}",
        "job archived": f"/jobs/{archived}",
        "job waits": f"/jobs/{waits}",
    }


def measure(database: Database, folder: Path) -> dict[str, object]:
    with database.jobs() as session:
        owner = users.ensure_local_owner(session)
        key = api_keys.insert_api_key(session, user_id=owner, name="bench")
        count = session.scalar(text("SELECT count(*) FROM jobs.jobs"))
        archived = session.scalar(text("SELECT count(*) FROM jobs.archived_jobs"))
    config = Settings(local_mode=True, redis_url="", watch_owner="", _env_file=None)
    app = create_app(database, FolderStorage(folder / "storage"), config)
    shown: dict[str, dict[str, float]] = {}
    with TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {key}"}) as client:
        for name, address in pages(database).items():
            took = []
            for _ in range(TIMES + 1):
                began = time.perf_counter()
                answer = client.get(address)
                took.append(1000 * (time.perf_counter() - began))
                assert answer.is_success, (name, answer.text[:300])
            shown[name] = {"median_ms": round(statistics.median(took[1:]), 1), "worst_ms": round(max(took[1:]), 1)}
            print(f"{name:36} {shown[name]['median_ms']:8} {shown[name]['worst_ms']:8}", flush=True)
    worst = max(one["median_ms"] for one in shown.values())
    return {"hot_jobs": count, "archived_jobs": archived, "worst_median_ms": worst, "pages": shown}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
