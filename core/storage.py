"""Files by key. A folder today; the same calls fit an object store, so nothing is renamed and nothing is appended."""

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from core.errors import DiskFull, Invalid, Misconfigured, NotFound
from core.settings import Settings

_LONGEST_KEY = 400
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*", re.ASCII)


class Storage(Protocol):
    """Write-once files, named by keys such as `attempts/<claim id>/ladder/master.m3u8`."""

    def put(self, key: str, source: Path) -> int:
        """Move `source` to `key` and return its size. Raises Invalid for anything but a plain file."""
        ...

    def writer(self, key: str) -> contextlib.AbstractContextManager[BinaryIO]:
        """A file that appears under `key` when the block ends without an error."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Read `key`. Raises NotFound."""
        ...

    def local(self, key: str) -> Path:
        """A path of this machine with the content of `key`, for reading only. Raises NotFound."""
        ...

    def size(self, key: str) -> int:
        """Bytes of `key`. Raises NotFound."""
        ...

    def remove_tree(self, prefix: str) -> None:
        """Remove every key under `prefix/`; absent keys are fine."""
        ...

    def list_keys(self, prefix: str) -> Iterator[str]:
        """Every key under `prefix/`, in order."""
        ...

    def list_folders(self, prefix: str) -> list[str]:
        """The next part of every key under `prefix/` that has further ones."""
        ...


def check_key(key: str) -> str:
    """The key, if it is one. Raises Invalid: a key is never made from a user's name."""
    if not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
        raise Invalid(f"not a storage key: {key!r}")
    return key


class FolderStorage:
    """Storage in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, source: Path) -> int:
        facts = source.lstat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
            raise Invalid(f"{source.name!r} is not a plain file of its own; it cannot be stored")
        target = self._new(key)
        with _disk_errors():
            partial = target.with_name(target.name + ".partial")
            try:
                # Moved, not linked: a child that still sees the attempt's folder must not reach the stored file.
                shutil.move(source, partial)
                if os.geteuid() == 0:
                    os.chown(partial, 0, 0)
                partial.chmod(0o644)
                _sync(partial)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
        return facts.st_size

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        target = self._new(key)
        partial = target.with_name(target.name + ".partial")
        try:
            with _disk_errors(), partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def open(self, key: str) -> BinaryIO:
        return self.local(key).open("rb")

    def local(self, key: str) -> Path:
        path = self.root / check_key(key)
        if not path.is_file():
            raise NotFound(f"storage has no {key}")
        return path

    def size(self, key: str) -> int:
        return self.local(key).stat().st_size

    def remove_tree(self, prefix: str) -> None:
        shutil.rmtree(self.root / check_key(prefix), ignore_errors=True)

    def list_keys(self, prefix: str) -> Iterator[str]:
        top = self.root / check_key(prefix)
        for path in sorted(top.rglob("*")):
            if path.is_file() and not path.name.endswith(".partial"):
                yield path.relative_to(self.root).as_posix()

    def list_folders(self, prefix: str) -> list[str]:
        top = self.root / check_key(prefix)
        return sorted(path.name for path in top.iterdir() if path.is_dir()) if top.is_dir() else []

    def _new(self, key: str) -> Path:
        target = self.root / check_key(key)
        with _disk_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
        return target


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"the disk of the storage folder is full ({error.strerror}): free some space") from error
        raise


def open_storage(settings: Settings) -> Storage:
    """The storage that STORAGE_URL names. Raises Misconfigured."""
    if not settings.storage_url:
        return FolderStorage(settings.home / "storage")
    parts = urlsplit(settings.storage_url)
    if parts.scheme != "file" or not parts.path.startswith("/"):
        raise Misconfigured(f"STORAGE_URL must be file:///absolute/folder, not {settings.storage_url!r}")
    return FolderStorage(Path(unquote(parts.path)))
