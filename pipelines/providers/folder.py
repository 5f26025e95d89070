"""The offline provider: a folder of this machine, watched for new videos. Its files are read, never changed."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import NotFound, Refused
from core.settings import settings
from pipelines.providers.base import Delivery, Fetched, Wanted, check_file_name, copy_hashed, is_video_name

_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A video that lies in the folder."""

    path: str  # below the folder, with /
    size_bytes: int
    version: str  # changes whenever the file does

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def list_videos(folder: Path) -> Iterator[FolderFile]:
    """Every video in the folder and below; no links, no hidden or unfinished files. An unreadable part is passed over."""
    yield from _list(folder, "", _DEEPEST)


def _list(folder: Path, prefix: str, depth: int) -> Iterator[FolderFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith((".", "~")):
            continue
        if entry.is_dir(follow_symlinks=False) and depth:
            yield from _list(Path(entry.path), f"{prefix}{entry.name}/", depth - 1)
        elif entry.is_file(follow_symlinks=False) and is_video_name(entry.name):
            try:
                facts = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone since
            yield FolderFile(prefix + entry.name, facts.st_size, _version(facts))


def _version(facts: os.stat_result) -> str:
    return f"{facts.st_size}-{facts.st_mtime_ns}"


class Folder:
    """The watched folder as a place that videos come from."""

    is_outside = False

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder

    def fetch(self, wanted: Wanted, delivery: Delivery) -> Fetched:
        """Copy the file, which must stay as it is meanwhile."""
        check_file_name(wanted.file_name)
        with os.fdopen(self._open(wanted.path), "rb", buffering=0) as source:
            facts = os.fstat(source.fileno())
            if wanted.version is not None and _version(facts) != wanted.version:
                raise Refused(_CHANGED)
            with delivery.storage.writer(delivery.key) as target:
                size, sha256 = copy_hashed(source, target, facts.st_size, progress=delivery.progress)
                if (size, _version(os.fstat(source.fileno()))) != (facts.st_size, _version(facts)):
                    raise Refused(_CHANGED)
        return Fetched(delivery.key, size, sha256)

    def _open(self, path: str) -> int:
        """Open a plain file below the folder, through no link."""
        *folders, name = path.split("/")
        if not name or any(part in {"", ".", ".."} for part in (*folders, name)):
            raise Refused("This request names no file below the watched folder.")
        try:
            at = os.open(self._folder(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for part in folders:
                at = _step_into(at, part, os.O_DIRECTORY)
            file = _step_into(at, name, os.O_NONBLOCK)
        except OSError as error:
            raise NotFound(f"{name!r} is no longer in the watched folder, or may not be read ({error.strerror})") from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise Refused(f"{name!r} in the watched folder is not a plain file.")
        return file


def _step_into(at: int, name: str, flags: int) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=at)
    finally:
        os.close(at)


_CHANGED = "This file changed while it was read. Once it stands still, its new version is taken in by itself."
PROVIDER = Folder(lambda: settings().watched)
