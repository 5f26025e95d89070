"""Batches as pipelines ask for them: many jobs of one pipeline, and one that follows when all have ended."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from core.errors import Invalid
from core.ids import new_id
from db import jobs
from pipelines.base import enqueue_many, get_pipeline, validated

MOST_JOBS = 10_000
Then = tuple[str, Mapping[str, object]]  # a pipeline and its arguments
_BATCH_ID = "batch_id"


def enqueue_batch(
    session: Session,
    name: str,
    args: Sequence[Mapping[str, object]],
    *,
    owner_id: str,
    then: Then | None = None,
    priority: int = jobs.DEFAULT_PRIORITY,
    start_within: timedelta | None = None,
    finish_within: timedelta | None = None,
) -> UUID:
    """Write one job for each of `args` in the caller's transaction, and return the id of their batch.

    `then` is enqueued once, in the transaction that ends the last of them, however they end; where its pipeline has an argument
    `batch_id`, that is filled in. A job that is run again opens its batch again, but `then` is not enqueued a second time.
    The limits of time are each job's, as in `enqueue`.
    A job of a unique pipeline that stands for one of `args` is one of the batch. Raises NotFound, Invalid, Conflict.
    """
    if not 1 <= len(args) <= MOST_JOBS:
        raise Invalid(f"a batch has 1 to {MOST_JOBS} jobs, not {len(args)}")
    batch_id = new_id()
    hook = _hook(batch_id, then) if then else None
    job_ids = enqueue_many(
        session, name, args, owner_id=owner_id, priority=priority, start_within=start_within, finish_within=finish_within
    )
    jobs.insert_batch(session, batch_id, owner_id=owner_id, pipeline=name, priority=priority, job_ids=job_ids, hook=hook)
    return batch_id


def _hook(batch_id: UUID, then: Then) -> jobs.Hook:
    """Validated now: nobody reads an error when the last job ends."""
    name, args = then
    pipeline = get_pipeline(name)
    if _BATCH_ID in pipeline.arguments:
        args = {**args, _BATCH_ID: str(batch_id)}
    return jobs.Hook(name, validated(pipeline, args))
