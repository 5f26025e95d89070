"""What pages and the API read of jobs; every query runs as the caller's session may see."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from core.errors import NotFound
from db.jobs.poison import ELSEWHERE
from db.jobs.words import WORKER_LIVES

_JOB = """
id, pipeline, owner_id, subject, args, status, error, version, cancel_requested_at, created_at, updated_at, finished_at, start_by,
finish_by
"""
# A job's rows are in one of two places (db/jobs/archive.py): one statement over both finds them, also while they are moved.
_HOT_JOB = text(f"SELECT {_JOB} FROM jobs.jobs WHERE id = :id")  # noqa: S608  (a constant)
_ANY_JOB = text(f"""
SELECT {_JOB} FROM (SELECT * FROM jobs.jobs WHERE id = :id UNION ALL SELECT j.*
    FROM jobs.archived_jobs a, jsonb_populate_record(CAST(NULL AS jobs.jobs), a.job) j WHERE a.id = :id) both_places
""")  # noqa: S608  (a constant)
_STEPS = """
(SELECT * FROM jobs.job_steps WHERE job_id = :id UNION ALL SELECT s.*
    FROM jobs.archived_jobs a, jsonb_populate_recordset(CAST(NULL AS jobs.job_steps), a.steps) s WHERE a.id = :id)
"""
_ATTEMPTS = """
(SELECT a.* FROM jobs.job_attempts a JOIN jobs.job_steps s ON s.id = a.step_id WHERE s.job_id = :id UNION ALL SELECT t.*
    FROM jobs.archived_jobs a, jsonb_populate_recordset(CAST(NULL AS jobs.job_attempts), a.attempts) t WHERE a.id = :id)
"""
_LOG = """
(SELECT * FROM jobs.job_logs WHERE job_id = :id UNION ALL SELECT l.*
    FROM jobs.archived_jobs a, jsonb_populate_recordset(CAST(NULL AS jobs.job_logs), a.logs) l WHERE a.id = :id)
"""


def list_jobs(
    session: Session,
    *,
    before: UUID | None = None,
    status: str | None = None,
    pipeline: str | None = None,
    subject: str | None = None,
    batch: UUID | None = None,
    limit: int = 50,
) -> list[RowMapping]:
    """Newest first, from `before` (exclusive) on; archived ones among the others."""
    wanted = """
        (CAST(:before AS uuid) IS NULL OR id < :before) AND (CAST(:status AS text) IS NULL OR status = :status)
          AND (CAST(:pipeline AS text) IS NULL OR pipeline = :pipeline) AND (CAST(:subject AS text) IS NULL OR subject = :subject)
          AND (CAST(:batch AS uuid) IS NULL OR id IN (SELECT job_id FROM jobs.batch_jobs WHERE batch_id = :batch))
    """
    statement = text(f"""
        SELECT {_JOB} FROM (
            (SELECT * FROM jobs.jobs WHERE {wanted} ORDER BY id DESC LIMIT :limit)
            UNION ALL
            (SELECT j.*
                FROM (SELECT job FROM jobs.archived_jobs
                    WHERE {wanted} AND coalesce(CAST(:status AS text), '') NOT IN ('queued', 'running', 'retrying')
                    ORDER BY id DESC LIMIT :limit) a,
                jsonb_populate_record(CAST(NULL AS jobs.jobs), a.job) j)) both_places
        ORDER BY id DESC LIMIT :limit
    """)  # noqa: S608  (constants)
    params = {"before": before, "status": status, "pipeline": pipeline, "subject": subject, "batch": batch, "limit": limit}
    return list(session.execute(statement, params).mappings())


def list_marks(session: Session, job_ids: Collection[UUID]) -> dict[UUID, str]:
    """For each of these jobs a text that changes whenever its status or the progress of a step does."""
    statement = text("""
        SELECT j.id, concat_ws(' ', j.version, j.cancel_requested_at,
            md5(string_agg(concat_ws(' ', s.id, s.progress, s.progress_message), ',' ORDER BY s.id))) AS mark
        FROM jobs.jobs j LEFT JOIN jobs.job_steps s ON s.job_id = j.id WHERE j.id = ANY(:ids) GROUP BY j.id
    """).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
    return {row.id: row.mark for row in session.execute(statement, {"ids": list(job_ids)})}


def get_owner_mark(session: Session, owner_id: str) -> str:
    """A text that changes whenever one of the owner's newest jobs moves, or the progress of a running step does."""
    statement = text("""
        WITH newest AS MATERIALIZED (
            SELECT id, version, cancel_requested_at, status FROM jobs.jobs WHERE owner_id = :owner_id ORDER BY id DESC LIMIT 100)
        SELECT concat_ws(' ',
            (SELECT md5(string_agg(concat_ws(' ', id, version, cancel_requested_at), ',' ORDER BY id)) FROM newest),
            (SELECT md5(string_agg(concat_ws(' ', s.id, s.progress, s.progress_message), ',' ORDER BY s.id))
             FROM newest n JOIN jobs.job_steps s ON s.job_id = n.id WHERE n.status = 'running' AND s.status = 'running'))
    """)
    return str(session.scalar(statement, {"owner_id": owner_id}))


def get_mark(session: Session) -> str:
    """A text that changes whenever a step begins or ends anywhere, progresses, or an operator changes what may run."""
    statement = text("""
        SELECT md5(concat_ws(' ',
            (SELECT string_agg(concat_ws(' ', id, version), ',') FROM (SELECT id, version FROM jobs.jobs ORDER BY id DESC LIMIT 100) n),
            (SELECT string_agg(concat_ws(' ', id, progress, progress_message), ',' ORDER BY id)
             FROM jobs.job_steps WHERE status = 'running'),
            (SELECT string_agg(concat_ws(' ', kind, name, drain, reason), ',' ORDER BY kind, name) FROM jobs.pauses),
            (SELECT string_agg(concat_ws(' ', kind, name, most), ',' ORDER BY kind, name) FROM jobs.limits),
            (SELECT string_agg(concat_ws(' ', provider, owner_id, failures, open_until), ',' ORDER BY provider, owner_id)
             FROM jobs.breakers),
            (SELECT string_agg(CAST(id AS text), ',' ORDER BY id) FROM jobs.workers)))
    """)
    return str(session.scalar(statement))


def find_job(session: Session, job_id: UUID) -> RowMapping | None:
    """One job, archived or not, or None when there is none."""
    for statement in (_HOT_JOB, _ANY_JOB):
        row = session.execute(statement, {"id": job_id}).mappings().one_or_none()
        if row is not None:
            return row
    return None


def get_job(session: Session, job_id: UUID) -> RowMapping:
    """One job, archived or not. Raises NotFound."""
    row = find_job(session, job_id)
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return row


def list_steps(session: Session, job_id: UUID) -> list[RowMapping]:
    """The job's steps in the order in which they began, waiting ones last."""
    statement = text(f"""
        SELECT id, name, part, after, queue, provider, status, optional, attempt, max_attempts, deaths, available_at, claimed_at, finished_at,
            progress, progress_message, result, error, needs_disk_bytes, needs_memory_bytes FROM {_STEPS} s
        ORDER BY claimed_at NULLS LAST, id
    """)  # noqa: S608  (constants)
    return list(session.execute(statement, {"id": job_id}).mappings())


def list_evidence(session: Session, job_id: UUID) -> list[RowMapping]:
    """All that is known of attempts that ended so, for operators: the end of a child's standard error may name files."""
    statement = text(f"""
        SELECT s.name AS step, s.part, a.attempt, a.worker_id, a.finished_at, a.outcome, a.error,
            a.evidence || jsonb_strip_nulls(jsonb_build_object('elsewhere', {ELSEWHERE})) AS evidence
        FROM {_ATTEMPTS} a JOIN {_STEPS} s ON s.id = a.step_id ORDER BY a.finished_at
    """)  # noqa: S608  (constants)
    return list(session.execute(statement, {"id": job_id}).mappings())


def list_attempts(session: Session, job_id: UUID) -> list[RowMapping]:
    """Attempts that ended otherwise than well at the first try, oldest first."""
    statement = text(f"""
        SELECT s.name AS step, s.part, a.attempt, a.started_at, a.finished_at, a.outcome, a.error,
            a.evidence - '{{stderr,content}}'::text[] AS evidence
        FROM {_ATTEMPTS} a JOIN {_STEPS} s ON s.id = a.step_id ORDER BY a.finished_at
    """)  # noqa: S608  (constants)
    return list(session.execute(statement, {"id": job_id}).mappings())


def list_log(session: Session, job_id: UUID, *, limit: int = 500) -> list[RowMapping]:
    """The job's last log lines, oldest first."""
    statement = text(f"""
        SELECT * FROM (SELECT id, step, at, level, message FROM {_LOG} both_places ORDER BY id DESC LIMIT :limit) l
        ORDER BY id
    """)  # noqa: S608  (constants)
    return list(session.execute(statement, {"id": job_id, "limit": limit}).mappings())


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """How one queue stands."""

    name: str
    paused_at: datetime | None  # draining counts
    queued: int
    running: int
    retrying: int
    workers: int
    threads: int
    oldest_seconds: float | None  # since the first of what could run now could
    promise_seconds: int  # how old that may get
    drain: bool | None
    paused_by: str | None
    reason: str | None
    most: int | None  # at once

    @property
    def is_late(self) -> bool:
        """Whether it breaks its promise."""
        return self.oldest_seconds is not None and self.oldest_seconds > self.promise_seconds

    @property
    def is_unserved(self) -> bool:
        """Whether work waits that no worker takes."""
        return not self.threads and bool(self.queued + self.retrying)

    @property
    def needs_person(self) -> bool:
        """Whether `db.attention` tells of it."""
        return self.paused_at is not None or self.is_unserved or self.is_late


# What waits and what runs is counted by two partial indexes, which one condition on both statuses would not use.
_QUEUES = text(f"""
SELECT q.name, p.paused_at, p.drain, p.paused_by, p.reason, q.promise_seconds, w.workers, w.threads, r.running, s.queued, s.retrying,
    extract(epoch FROM now() - s.oldest_at) AS oldest_seconds,
    (SELECT l.most FROM jobs.limits l WHERE l.kind = 'queue' AND l.name IN (q.name, '*') ORDER BY l.name = '*' LIMIT 1) AS most
FROM jobs.queues q LEFT JOIN jobs.pauses p ON p.kind = 'queue' AND p.name = q.name
CROSS JOIN LATERAL (SELECT count(*) AS workers, coalesce(sum(threads), 0) AS threads
    FROM jobs.workers w WHERE q.name = ANY(w.queues) AND {WORKER_LIVES}) w
CROSS JOIN LATERAL (SELECT count(*) AS running FROM jobs.job_steps WHERE queue = q.name AND status = 'running') r
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE status = 'queued') AS queued,
    count(*) FILTER (WHERE status = 'retrying') AS retrying, min(available_at) FILTER (WHERE available_at <= now()) AS oldest_at
    FROM jobs.job_steps WHERE queue = q.name AND status IN ('queued', 'retrying')) s
ORDER BY q.name
""")  # noqa: S608  (a constant)


def list_queues(session: Session) -> list[QueueStatus]:
    """Every queue with its waiting and running steps; for operators (the role of the job core)."""
    rows = session.execute(_QUEUES).mappings()
    return [
        QueueStatus(**{**row, "oldest_seconds": None if row["oldest_seconds"] is None else float(row["oldest_seconds"])})
        for row in rows
    ]


def set_promise(session: Session, name: str, seconds: int) -> None:
    """How old the oldest step of this queue that could run may get. Raises NotFound."""
    statement = text("UPDATE jobs.queues SET promise_seconds = :seconds WHERE name = :name RETURNING 1")
    if session.execute(statement, {"name": name, "seconds": seconds}).first() is None:
        raise NotFound(f"there is no queue {name!r}")


def snapshot(session: Session, job_id: UUID) -> dict[str, Any]:
    """A job with its steps and ended attempts, as the API shows it. Raises NotFound."""
    job = get_job(session, job_id)
    steps = [dict(row) for row in list_steps(session, job_id)]
    if not steps:  # it was removed between the two statements
        raise NotFound(f"there is no job {job_id}")
    return {
        **job,
        "steps": steps,
        "attempts": [dict(row) for row in list_attempts(session, job_id)],
    }
