"""Jobs of which one may be unfinished at a time, held by a row of `unique_keys` from the job's insert to its last move."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Text

from core.errors import Conflict
from core.ids import new_id
from db.engine import Role, acting_as
from db.jobs.insert import insert_job
from db.jobs.machine import lock, take_key
from db.jobs.operate import request_cancel
from db.jobs.words import NewStep


class OnConflict(StrEnum):
    """What becomes of a job whose key is held by one that has not ended."""

    REJECT = "reject"  # it is refused
    EXISTING = "existing"  # the one that is there stands for it
    REPLACE = "replace"  # the one that is there is cancelled
    REPLAY = "replay"  # it runs once that one has ended; of several that wait so, the last


_HOLDER = text("SELECT job_id FROM jobs.unique_keys WHERE pipeline = :pipeline AND key = :key")
_HAND_OVER = text("UPDATE jobs.unique_keys SET job_id = :job_id, replay = NULL WHERE pipeline = :pipeline AND key = :key")
_REPLAY = text("UPDATE jobs.unique_keys SET replay = :replay WHERE pipeline = :pipeline AND key = :key").bindparams(
    bindparam("replay", type_=JSONB)
)


def insert_unique_job(
    session: Session,
    *,
    pipeline: str,
    owner_id: str,
    args: Mapping[str, Any],
    steps: Sequence[NewStep],
    subject: str | None,
    priority: int,
    key: str,
    on_conflict: OnConflict,
    start_seconds: float | None = None,
    finish_seconds: float | None = None,
) -> UUID:
    """The id of the job that stands for this request: a new one, or the unfinished one of the same owner and key.

    With REPLAY that is the one to be run after. Raises Conflict with REJECT. In the caller's transaction, as `insert_job`.
    """
    owned = f"{owner_id}\n{key}"  # so that nobody learns of, or waits for, another owner's job
    new: dict[str, Any] = {
        "pipeline": pipeline,
        "owner_id": owner_id,
        "args": dict(args),
        "subject": subject,
        "priority": priority,
        "start_seconds": start_seconds,
        "finish_seconds": finish_seconds,
    }
    while True:
        job_id = new_id()
        with acting_as(session, Role.JOBS):
            took = take_key(session, pipeline, owned, job_id)
            holder = None if took else _lock_holder(session, pipeline, owned)
        if took:
            return insert_job(session, **new, steps=steps, unique_key=owned, job_id=job_id)
        if holder is None:
            continue  # it ended meanwhile
        match on_conflict:
            case OnConflict.REJECT:
                raise Conflict(f"job {holder} for the same has not ended")
            case OnConflict.EXISTING:
                return holder
            case OnConflict.REPLACE:
                with acting_as(session, Role.JOBS):
                    session.execute(_HAND_OVER, {"pipeline": pipeline, "key": owned, "job_id": job_id})
                    request_cancel(session, holder)
                return insert_job(session, **new, steps=steps, unique_key=owned, job_id=job_id)
            case OnConflict.REPLAY:
                replay = {**new, "steps": [asdict(step) for step in steps]}
                with acting_as(session, Role.JOBS):
                    session.execute(_REPLAY, {"pipeline": pipeline, "key": owned, "replay": replay})
                return holder


_HOLDERS = text("SELECT job_id FROM jobs.unique_keys WHERE pipeline = :pipeline AND key = ANY(:keys)").bindparams(
    bindparam("keys", type_=ARRAY(Text))
)


def lock_holders(session: Session, pipeline: str, owner_id: str, keys: Sequence[str]) -> None:
    """Lock the jobs that hold these keys, in the order in which their ends do; before several `insert_unique_job`."""
    owned = [f"{owner_id}\n{key}" for key in keys]
    with acting_as(session, Role.JOBS):
        lock(session, *session.execute(_HOLDERS, {"pipeline": pipeline, "keys": owned}).scalars())


def _lock_holder(session: Session, pipeline: str, key: str) -> UUID | None:
    """Who holds the key, its row locked as its end would lock it: first the job, then the key. None when it is free now."""
    named = {"pipeline": pipeline, "key": key}
    holder: UUID | None = session.scalar(_HOLDER, named)
    if holder is None:
        return None
    lock(session, holder)
    return holder if session.scalar(_HOLDER, named) == holder else None
