"""Batches: many jobs of one owner with one status, and a job that is enqueued once when the last of them has ended.

What a batch counts is read from its jobs. Its row is locked after the rows of jobs, at the end of the transaction that ends
them (`pipelines.base.settle`), several in the order of their ids: of two last jobs exactly one sees that none is left.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from core.errors import Conflict, NotFound
from db.engine import run
from db.jobs.machine import advance
from db.jobs.words import Status


@dataclass(frozen=True, slots=True)
class Hook:
    """The job that follows a batch: a pipeline and its arguments."""

    pipeline: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DueHook:
    """The hook of a batch that has just ended for the first time."""

    batch_id: UUID
    owner_id: str
    priority: int
    hook: Hook


REMOVED = "removed"  # of a job of which no row is left
_INSERT = text("""
INSERT INTO jobs.batches (id, owner_id, pipeline, priority, hook_pipeline, hook_args)
VALUES (:id, :owner_id, :pipeline, :priority, :hook_pipeline, :hook_args)
""").bindparams(bindparam("hook_args", type_=JSONB(none_as_null=True)))
_ADD = text("""
INSERT INTO jobs.batch_jobs (batch_id, job_id) SELECT DISTINCT CAST(:batch_id AS uuid), job_id FROM unnest(:job_ids) m(job_id)
""").bindparams(bindparam("job_ids", type_=ARRAY(Uuid)))


def insert_batch(
    session: Session,
    batch_id: UUID,
    *,
    owner_id: str,
    pipeline: str,
    priority: int,
    job_ids: Collection[UUID],
    hook: Hook | None,
) -> None:
    """Make these jobs of `owner_id`, of which one at least has not ended, one batch."""
    session.execute(
        _INSERT,
        {
            "id": batch_id,
            "owner_id": owner_id,
            "pipeline": pipeline,
            "priority": priority,
            "hook_pipeline": hook.pipeline if hook else None,
            "hook_args": dict(hook.args) if hook else None,
        },
    )
    session.execute(_ADD, {"batch_id": batch_id, "job_ids": list(job_ids)})


_LOCK = text("""
SELECT id FROM jobs.batches WHERE id IN (SELECT m.batch_id FROM jobs.batch_jobs m WHERE m.job_id = ANY(:job_ids))
ORDER BY id FOR NO KEY UPDATE
""").bindparams(bindparam("job_ids", type_=ARRAY(Uuid)))
# The newest first: jobs mostly end in the order in which they were made, so the first one looked at is mostly one that is live.
_END = text("""
UPDATE jobs.batches b SET finished_at = CASE WHEN l.live THEN NULL ELSE now() END,
    cancel_requested_at = CASE WHEN l.live AND b.finished_at IS NOT NULL THEN NULL ELSE b.cancel_requested_at END,
    hook_at = CASE WHEN l.live OR b.hook_pipeline IS NULL THEN b.hook_at ELSE coalesce(b.hook_at, now()) END
FROM (
    SELECT o.id, o.hook_at AS hooked_at, (SELECT true FROM jobs.batch_jobs m WHERE m.batch_id = o.id
        AND EXISTS (SELECT 1 FROM jobs.jobs j WHERE j.id = m.job_id AND j.finished_at IS NULL)
        ORDER BY m.job_id DESC LIMIT 1) IS TRUE AS live
    FROM jobs.batches o WHERE o.id = ANY(:ids)) l
WHERE b.id = l.id AND l.live = (b.finished_at IS NOT NULL)
RETURNING b.id, b.owner_id, b.priority, b.hook_pipeline, b.hook_args, b.hook_at IS NOT NULL AND l.hooked_at IS NULL AS due
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def settle_batches(session: Session, job_ids: Collection[UUID]) -> list[DueHook]:
    """End the batches of which these jobs were the last live ones, and open again those that one of them opened.

    Returns the hooks to be enqueued now, each batch's once in its life. After it the transaction must lock no other job.
    """
    ids = [row.id for row in run(session, _LOCK, {"job_ids": list(job_ids)})]
    if not ids:
        return []
    rows = session.execute(_END, {"ids": ids}).all()
    due = sorted((row for row in rows if row.due), key=lambda row: row.id)
    return [DueHook(row.id, row.owner_id, row.priority, Hook(row.hook_pipeline, row.hook_args)) for row in due]


def keep_hook(session: Session, batch_id: UUID, *, job_id: UUID | None, error: str | None = None) -> None:
    """Note which job the batch's hook became, or why it could not be enqueued."""
    session.execute(
        text("UPDATE jobs.batches SET hook_job_id = :job_id, hook_error = :error WHERE id = :id"),
        {"id": batch_id, "job_id": job_id, "error": error},
    )


_LOCK_LIVE = text("""
SELECT j.id FROM jobs.jobs j WHERE j.finished_at IS NULL AND j.id IN (SELECT job_id FROM jobs.batch_jobs WHERE batch_id = :id)
ORDER BY j.id FOR NO KEY UPDATE
""")
_ASK = text("UPDATE jobs.jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = ANY(:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_MARK = text("UPDATE jobs.batches SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = :id")


def cancel_batch(session: Session, batch_id: UUID) -> None:
    """Ask every job of the batch that has not ended to stop. Its hook follows all the same. Raises NotFound, Conflict."""
    get_batch(session, batch_id)
    ids = session.execute(_LOCK_LIVE, {"id": batch_id}).scalars().all()
    if not ids:
        raise Conflict(f"batch {batch_id} has ended already")
    session.execute(_ASK, {"ids": ids})
    advance(session, *ids)
    session.execute(_MARK, {"id": batch_id})


_BATCH = """
id, owner_id, pipeline, priority, created_at, cancel_requested_at, finished_at, hook_pipeline, hook_args, hook_at, hook_job_id,
hook_error
"""


def get_batch(session: Session, batch_id: UUID) -> RowMapping:
    """One batch, as the session may see it. Raises NotFound."""
    row = session.execute(text(f"SELECT {_BATCH} FROM jobs.batches WHERE id = :id"), {"id": batch_id}).mappings().one_or_none()  # noqa: S608
    if row is None:
        raise NotFound(f"there is no batch {batch_id}")
    return row


def count_jobs(session: Session, batch_id: UUID) -> dict[str, int]:
    """How many of the batch's jobs have each status; `removed` are those of which no row is left."""
    statement = text("""
        SELECT coalesce(j.status, a.status, :removed) AS status, count(*) AS found FROM jobs.batch_jobs m
        LEFT JOIN jobs.jobs j ON j.id = m.job_id LEFT JOIN jobs.archived_jobs a ON a.id = m.job_id
        WHERE m.batch_id = :id GROUP BY 1 ORDER BY 1
    """)
    return {row.status: row.found for row in session.execute(statement, {"id": batch_id, "removed": REMOVED})}


def status_of(counts: Mapping[str, int]) -> Status:
    """One status for all: `running` while one has not ended, else the worst that one ended with."""
    ended = (Status.QUARANTINED, Status.FAILED, Status.CANCELLED)
    if any(status not in {*ended, Status.SUCCEEDED, REMOVED} for status in counts):
        return Status.RUNNING
    return next((status for status in ended if status in counts), Status.SUCCEEDED)
