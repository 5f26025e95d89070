"""Our own core: the job is committed before `enqueue` returns, and counts as over once it is committed as succeeded."""

import os

import psycopg

from benchmarks.queue_peers.names import COUNTED
from core.nudge import Nudge
from db.engine import Database
from db.jobs import Scope, set_limit
from db.migrations import upgrade
from db.users import LOCAL_OWNER, ensure_local_owner
from pipelines import base

PIPELINE = os.environ["BENCH_PIPELINE"]
_URL = os.environ["DATABASE_URL"]
_database = Database(_URL, connections=10, nudge=Nudge(os.environ["REDIS_URL"]), settle=base.settle)

_NEVER_REACHED = 30_000
_OTHER = "other-owner"
# Ids in the order of their making, as ours are, and older than any that is made now.
_ID = "'0190' || lpad(to_hex(n), 8, '0') || '{kind}' || '7000' || '8000' || substr(md5(n::text), 1, 8)"
# Copies of one job and its step that differ in what is named here: other columns may come and go.
_COPY = f"""
SET session_replication_role = replica;
INSERT INTO jobs.jobs SELECT r.* FROM generate_series(1, {{rows}}) n, jobs.jobs t, LATERAL jsonb_populate_record(t, jsonb_build_object(
    'id', {_ID.format(kind="0001")}) || CASE WHEN n <= {{finished}} THEN jsonb_build_object('status', 'succeeded', 'finished_at', now())
    ELSE '{{{{}}}}' END) r WHERE t.id = '{{job_id}}';
INSERT INTO jobs.job_steps SELECT r.* FROM generate_series(1, {{rows}}) n, jobs.job_steps t, LATERAL jsonb_populate_record(t,
    jsonb_build_object('id', {_ID.format(kind="0002")}, 'job_id', {_ID.format(kind="0001")})
    || CASE WHEN n <= {{finished}} THEN jsonb_build_object('status', 'succeeded', 'attempt', 1, 'claim_id', gen_random_uuid(),
            'worker_id', gen_random_uuid(), 'claimed_at', now(), 'finished_at', now(), 'progress', 1)
        WHEN n % 2 = 0 THEN jsonb_build_object('status', 'waiting')
        ELSE '{{{{}}}}' END) r WHERE t.job_id = '{{job_id}}';
RESET session_replication_role;
VACUUM ANALYZE;
CHECKPOINT
"""


_ROWS = """
CREATE TABLE IF NOT EXISTS public.bench_rows (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text NOT NULL REFERENCES public.users, job_id uuid NOT NULL, words text);
ALTER TABLE public.bench_rows ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS own ON public.bench_rows;
CREATE POLICY own ON public.bench_rows TO askstephen_tenant USING (user_id = (SELECT current_setting('app.user_id')));
GRANT SELECT, INSERT ON public.bench_rows TO askstephen_tenant
"""


def prepare() -> None:
    """The tables, and in them as many jobs of another owner as BENCH_FINISHED and BENCH_WAITING say.

    Of the waiting ones' steps, half wait for another step and half for tomorrow.
    """
    upgrade(_URL)
    with _database.jobs() as session:
        ensure_local_owner(session)
        for kind, name in ((Scope.QUEUE, "io"), (Scope.PIPELINE, PIPELINE), (Scope.OWNER, "*")):
            set_limit(session, kind, name, _NEVER_REACHED)
    finished, waiting = int(os.environ["BENCH_FINISHED"]), int(os.environ["BENCH_WAITING"])
    with psycopg.connect(_URL, autocommit=True) as connection:
        connection.execute(_ROWS)
        user = "INSERT INTO public.users (id, first_name) VALUES (%s, 'Other') ON CONFLICT DO NOTHING"
        if finished + waiting and connection.execute(user, (_OTHER,)).rowcount:
            with _database.tenant(_OTHER) as session:
                job_id = base.enqueue(session, PIPELINE, {"number": COUNTED}, owner_id=_OTHER)
            tomorrow = "UPDATE jobs.job_steps SET available_at = now() + interval '1 day' WHERE job_id = %s"
            connection.execute(tomorrow, (job_id,))
            for statement in _COPY.format(rows=finished + waiting, finished=finished, job_id=job_id).split(";"):
                connection.execute(statement.encode())


def enqueue(number: int) -> None:
    with _database.tenant(LOCAL_OWNER) as session:
        base.enqueue(session, PIPELINE, {"number": number}, owner_id=LOCAL_OWNER)


def enqueue_many(numbers: list[int]) -> None:
    with _database.tenant(LOCAL_OWNER) as session:
        base.enqueue_many(session, PIPELINE, [{"number": number} for number in numbers], owner_id=LOCAL_OWNER)


def left() -> int:
    """Jobs that have not succeeded; where each writes a product row, those without it."""
    unfinished = "SELECT count(*) FROM jobs.jobs WHERE owner_id = %s AND status <> 'succeeded'"
    unwritten = (
        "SELECT count(*) FROM jobs.jobs j WHERE owner_id = %s AND NOT EXISTS (SELECT FROM bench_rows WHERE job_id = j.id)"
    )
    with psycopg.connect(_URL) as connection:
        row = connection.execute(unfinished, (LOCAL_OWNER,)).fetchone()
        if row == (0,) and PIPELINE == "count_row":
            row = connection.execute(unwritten, (LOCAL_OWNER,)).fetchone()
    return row[0] if row else 0
