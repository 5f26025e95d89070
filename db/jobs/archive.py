"""Where finished jobs go: each is moved as one row, with all its steps, attempts and log lines, to the month of its end.

A job is in `jobs.jobs` or in `jobs.archived_jobs`, never in both: one statement that looks at both sees it once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from core.ids import first_id_of
from db.jobs.words import LIVE_STATUSES


@dataclass(frozen=True, slots=True)
class Rest:
    """How long jobs stay where they can be acted on at once, and how long anything is known of them."""

    ended: timedelta  # after they succeeded or were cancelled
    failed: timedelta  # after they failed or were quarantined: an operator may still want to look
    kept: timedelta

    def young(self) -> UUID:
        """The id from which on every job is too young to be moved: it did not end before it was made."""
        return first_id_of(datetime.now(UTC) - min(self.ended, self.failed))


# What its steps or a unique key contradict has not truly ended; the audit mends it.
_RESTED = text(f"""
SELECT id FROM jobs.jobs j
WHERE id > :after AND id < :young
  AND finished_at < now() - CASE WHEN status IN ('failed', 'quarantined') THEN :failed ELSE :ended END
  AND NOT EXISTS (SELECT 1 FROM jobs.unique_keys u WHERE u.job_id = j.id)
  AND NOT EXISTS (SELECT 1 FROM jobs.job_steps s WHERE s.job_id = j.id AND s.status IN {LIVE_STATUSES})
ORDER BY id LIMIT :most FOR UPDATE OF j SKIP LOCKED
""")  # noqa: S608  (a constant)
_COPY = text("""
INSERT INTO jobs.archived_jobs (id, owner_id, pipeline, subject, status, finished_at, job, steps, attempts, logs)
SELECT j.id, j.owner_id, j.pipeline, j.subject, j.status, j.finished_at, to_jsonb(j),
    coalesce((SELECT jsonb_agg(to_jsonb(s) ORDER BY s.id) FROM jobs.job_steps s WHERE s.job_id = j.id), '[]'),
    coalesce((SELECT jsonb_agg(to_jsonb(a) ORDER BY a.finished_at) FROM jobs.job_attempts a
        JOIN jobs.job_steps s ON s.id = a.step_id WHERE s.job_id = j.id), '[]'),
    coalesce((SELECT jsonb_agg(to_jsonb(l) ORDER BY l.id) FROM jobs.job_logs l WHERE l.job_id = j.id), '[]')
FROM jobs.jobs j WHERE j.id = ANY(:ids)
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_REMOVE = text("DELETE FROM jobs.jobs WHERE id = ANY(:ids)").bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def archive_jobs(session: Session, rest: Rest, *, after: UUID, most: int = 500) -> Sequence[UUID]:
    """Move the next jobs whose rest is over, in the order of their ids, from `after` on; returns theirs.

    One that somebody holds at this moment is passed over. The months must be there (`make_months`).
    """
    params = {"after": after, "young": rest.young(), "ended": rest.ended, "failed": rest.failed, "most": most}
    ids = session.execute(_RESTED, params).scalars().all()
    if ids:
        session.execute(_COPY, {"ids": ids})
        session.execute(_REMOVE, {"ids": ids})
    return ids


def make_months(session: Session, rest: Rest) -> None:
    """Make the month that now is, the next one, and those in which jobs ended that may be moved now."""
    session.execute(
        text("""
        SELECT jobs.make_archive_month(month) FROM (
            SELECT date_trunc('month', finished_at) AS month FROM jobs.jobs WHERE id < :young AND finished_at IS NOT NULL
            UNION SELECT date_trunc('month', now())
            UNION SELECT date_trunc('month', now()) + interval '1 month') m
        """),
        {"young": rest.young()},
    )


def drop_months(session: Session, rest: Rest) -> int:
    """Forget the months of which every job has been kept long enough. Returns how many."""
    return int(session.scalar(text("SELECT jobs.drop_archive_months(now() - :kept)"), {"kept": rest.kept}) or 0)


def is_archived(session: Session, job_id: UUID) -> bool:
    """Whether this job was moved."""
    return session.execute(text("SELECT 1 FROM jobs.archived_jobs WHERE id = :id"), {"id": job_id}).first() is not None


# What an archived row and the table of today both have: a column that came later gets its default.
_COLUMNS = text("""
SELECT t.name, string_agg(quote_ident(c.attname), ', ') AS columns FROM jobs.archived_jobs a
CROSS JOIN LATERAL (VALUES ('jobs', a.job), ('job_steps', a.steps->0), ('job_attempts', a.attempts->0), ('job_logs', a.logs->0))
    t(name, row)
JOIN pg_attribute c ON c.attrelid = CAST('jobs.' || t.name AS regclass) AND c.attnum > 0 AND NOT c.attisdropped AND t.row ? c.attname
WHERE a.id = :id GROUP BY t.name
""")
_DOCUMENTS = {
    "jobs": "jsonb_build_array(taken.job)",
    "job_steps": "taken.steps",
    "job_attempts": "taken.attempts",
    "job_logs": "taken.logs",
}


def bring_back(session: Session, job_id: UUID) -> None:
    """Make an archived job one like any other again, under the same ids; any other job is left alone."""
    columns = {row.name: row.columns for row in session.execute(_COLUMNS, {"id": job_id})}
    if not columns:
        return
    # References are looked at when the statement ends.
    inserts = [
        f"{name} AS (INSERT INTO jobs.{name} ({columns[name]}) OVERRIDING SYSTEM VALUE SELECT {columns[name]}"  # noqa: S608  (our columns)
        f" FROM taken, jsonb_populate_recordset(CAST(NULL AS jobs.{name}), {document}))"
        for name, document in _DOCUMENTS.items()
        if name in columns
    ]
    taken = "WITH taken AS (DELETE FROM jobs.archived_jobs WHERE id = :id RETURNING job, steps, attempts, logs)"
    session.execute(text(f"{', '.join([taken, *inserts])} SELECT 1"), {"id": job_id})


def list_ended(session: Session) -> list[RowMapping]:
    """How many jobs that ended are not archived, by status, and when the first of them did."""
    statement = text("""
        SELECT status, count(*) AS jobs, min(finished_at) AS since FROM jobs.jobs WHERE finished_at IS NOT NULL
        GROUP BY status ORDER BY status
    """)
    return list(session.execute(statement).mappings())


def list_months(session: Session) -> list[RowMapping]:
    """The months that are there (`2026-11`) with their bytes, the oldest first; for the role of the job core."""
    statement = text("""
        SELECT replace(right(c.relname, 7), '_', '-') AS month, pg_total_relation_size(c.oid) AS bytes
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = CAST('jobs.archived_jobs' AS regclass) ORDER BY 1
    """)
    return list(session.execute(statement).mappings())
