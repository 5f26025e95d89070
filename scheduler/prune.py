"""Removes from storage what attempts and uploads wrote and nothing names."""

from collections.abc import Iterator
from itertools import islice
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.ids import read_id
from core.log import get_logger
from core.storage import Storage
from db import jobs, videos
from db.engine import Database
from db.uploads import prune_uploads

_log = get_logger(__name__)
_TOGETHER = 500


class Prune:
    """What an attempt wrote counts once a row names it; its job may still need it until an hour after its end."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage

    def tick(self) -> None:
        """Remove what is left over. Called now and then; safe beside anything."""
        try:
            claims = self._claims()
            removed = 0
            while together := set(islice(claims, _TOGETHER)):
                removed += self._prune(together)
            uploads = prune_uploads(self._database, self._storage)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("prune.interrupted", error=type(error).__name__)
            return
        if removed or uploads:
            _log.info("storage.pruned", attempts=removed, uploads=uploads)

    def _claims(self) -> Iterator[UUID]:
        for name in self._storage.list_folders("attempts"):
            if claim_id := read_id(name):
                yield claim_id

    def _prune(self, candidates: set[UUID]) -> int:
        """Listed before the rows are read: what is being written meanwhile belongs to a claim that is live then."""
        with self._database.jobs() as session:
            needed = jobs.list_needed_claims(session, candidates)
            named = videos.list_named_claims(session, candidates)
        left = candidates - needed - named
        for claim_id in left:
            self._storage.remove_tree(f"attempts/{claim_id.hex}")
        return len(left)
