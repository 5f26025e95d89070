"""The pipeline `connection_sync`: what is new in the chosen folder of a connected account is taken in."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from db import jobs, syncs
from pipelines.base import Pipeline, Unique
from pipelines.steps.sync import drain, watch

_AFTER_A_FAILURE = timedelta(hours=1)  # most likely its owner has to do something first


@dataclass(frozen=True, slots=True)
class ConnectionSync:
    """A row of `cloud_connections`."""

    connection_id: int


def follow(session: Session, job: RowMapping) -> None:
    """Show what stands in the way, and come again later."""
    if job["status"] in {jobs.Status.FAILED, jobs.Status.QUARANTINED}:
        syncs.note_end(session, job["args"]["connection_id"], problem=job["error"], look_again=_AFTER_A_FAILURE)


# However many messages come meanwhile, one look follows the one that is under way.
UNIQUE = Unique(("connection_id",), jobs.OnConflict.REPLAY)
PIPELINE = Pipeline("connection_sync", ConnectionSync, (drain, watch.after(drain)), follow, UNIQUE)
