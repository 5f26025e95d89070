"""Tells the database of a process that died: what it ran is given back at once, instead of when its lease expires."""

import socket
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from core.reaping import Reaped
from db import jobs
from db.engine import Database

_PATIENCE_SECONDS = 30.0  # by then the leases have expired
_AGAIN_SECONDS = 0.5


def tell_death(url: str, reaped: Reaped) -> None:
    """Returns at once. A database that is away is waited for."""
    threading.Thread(target=_tell, args=(url, reaped), name="death", daemon=True).start()


def _tell(url: str, reaped: Reaped) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    with Database(url, connections=1) as database:
        while time.monotonic() < until:
            try:
                with database.jobs() as session:
                    jobs.record_death(session, host=socket.gethostname(), reaped=reaped)
            except SQLAlchemyError:
                time.sleep(_AGAIN_SECONDS)
            else:
                return
