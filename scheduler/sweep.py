"""Looks at every followed folder now and then: finds what no message told of, and keeps the channels that tell open."""

from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from core.errors import Conflict
from core.log import get_logger
from db import syncs
from db.engine import Database
from pipelines.base import enqueue

_log = get_logger(__name__)


class Sweep:
    """When the next look is due stands in the connection's row: two sweeps start it once."""

    def __init__(self, database: Database, *, every: timedelta) -> None:
        self._database = database
        self._every = every

    def tick(self) -> None:
        """Start the looks that are due. Called every few seconds."""
        try:
            with self._database.jobs() as session:
                due = syncs.list_due(session)
            started = sum(self._start(followed) for followed in due)
        except SQLAlchemyError as error:
            _log.warning("sweep.interrupted", error=type(error).__name__)
            return
        if started:
            _log.info("connections.swept", connections=started)

    def _start(self, followed: syncs.Followed) -> bool:
        try:
            with self._database.jobs() as session:
                args = {"connection_id": followed.connection_id}
                enqueue(session, "connection_sync", args, owner_id=followed.user_id)
                syncs.take_due(session, followed.connection_id, every=self._every)
        except Conflict:
            return False
        return True
