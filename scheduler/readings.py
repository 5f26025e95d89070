"""Forgets readings of competitors that showed no change, and the bytes that no reading names."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice

from sqlalchemy.exc import SQLAlchemyError

from core.log import get_logger
from core.storage import Storage
from db import competitors
from db.engine import Database

_log = get_logger(__name__)
_TOGETHER = 500


class Readings:
    """May be killed at any point, and repeated: bytes go after the last row that names them, and are found by that."""

    def __init__(self, database: Database, storage: Storage, *, age: timedelta) -> None:
        self._database = database
        self._storage = storage
        self._age = age

    def tick(self) -> None:
        """Remove all there is to remove. Called now and then; safe beside anything."""
        try:
            rows = self._prune_rows()
            bodies = sum(self._prune_bodies(keys) for keys in self._list_bodies())
        except (SQLAlchemyError, OSError) as error:
            _log.warning("readings.interrupted", error=type(error).__name__)
            return
        if rows or bodies:
            _log.info("readings.pruned", rows=rows, bodies=bodies)

    def _prune_rows(self) -> int:
        removed = 0
        while True:
            with self._database.jobs() as session:
                together = competitors.prune_snapshots(session, self._age)
            if not together:
                return removed
            removed += together

    def _list_bodies(self) -> Iterator[Sequence[str]]:
        for folder in self._storage.list_folders("readings"):
            keys = self._storage.list_keys(f"readings/{folder}")
            while together := list(islice(keys, _TOGETHER)):
                yield together

    def _prune_bodies(self, keys: Sequence[str]) -> int:
        with self._database.jobs() as session:
            unnamed = competitors.list_unnamed_bodies(session, keys)
        return sum(self._remove(key) for key in unnamed)

    def _remove(self, key: str) -> bool:
        """Under the lock that a look takes before it names them: it finds them gone, and reads the page again."""
        with self._database.jobs() as session:
            competitors.lock_body(session, key)
            if not competitors.list_unnamed_bodies(session, [key]):
                return False
            self._storage.remove(key)
        return True
