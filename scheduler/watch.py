"""Takes in what appears in the watched folder: each version of a file once, as soon as it stands still."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from core.log import get_logger
from db import users, videos
from db.engine import Database
from pipelines import ingest
from pipelines.providers.folder import FolderFile, list_videos

_log = get_logger(__name__)
_PROVIDER = "folder"


@dataclass(frozen=True, slots=True)
class _Sight:
    version: str
    since: float
    taken: bool


class Watch:
    """What was seen is remembered here to save looking; what was taken is known by the database."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        owner_id: str,
        settle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._folder = folder
        self._owner_id = owner_id
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._sights: dict[str, _Sight] = {}

    def tick(self) -> None:
        """Look once. Called every second or so."""
        sights: dict[str, _Sight] = {}
        try:
            for file in list_videos(self._folder):
                sights[file.path] = self._see(file)
        except SQLAlchemyError as error:
            _log.warning("watch.interrupted", error=type(error).__name__)  # looks again at the next tick
            return
        self._sights = sights

    def _see(self, file: FolderFile) -> _Sight:
        now = self._clock()
        last = self._sights.get(file.path)
        if last is None or last.version != file.version:
            return _Sight(file.version, now, taken=False)
        if last.taken or now - last.since < self._settle_seconds:
            return last
        self._take(file)
        return _Sight(file.version, last.since, taken=True)

    def _take(self, file: FolderFile) -> None:
        # A name that is no text is shown, and refused, with replacement characters: `fetch` says so to its owner.
        path, name = _text(file.path), _text(file.name)
        source = videos.Source(_PROVIDER, path, name, size_bytes=file.size_bytes, version=file.version)
        with self._database.tenant(self._owner_id) as session:
            started = ingest.start(session, source, user_id=self._owner_id)
        if started is not None:
            _log.info("file.taken", video_id=started.video_id, job_id=str(started.job_id), size_bytes=file.size_bytes)


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def open_watch(database: Database, folder: Path, *, owner_id: str, settle_seconds: float) -> Watch:
    """The watch of this installation, its folder made if need be; without `owner_id` the local owner's."""
    folder.mkdir(parents=True, exist_ok=True)
    if not owner_id:
        with database.jobs() as session:
            owner_id = users.ensure_local_owner(session)
    return Watch(database, folder, owner_id=owner_id, settle_seconds=settle_seconds)
