"""Files by key. A folder today; the same calls fit an object store: a file appears whole, and is neither renamed nor changed."""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from core.errors import Conflict, DiskFull, Invalid, Misconfigured, NotFound
from core.settings import Settings

_LONGEST_KEY = 400
_MARKED_BYTES = 4 << 20
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

    def keeps(self, path: Path) -> bool:
        """Tell whether `path` is one that `local` gave."""
        ...

    def size(self, key: str) -> int:
        """Bytes of `key`. Raises NotFound."""
        ...

    def resumable(self, key: str) -> "Resumable":
        """A file that is written in several goes before it appears under `key`."""
        ...

    def free_bytes(self) -> int:
        """How much more fits in."""
        ...

    def remove(self, key: str) -> None:
        """Remove one file; absent is fine."""
        ...

    def remove_tree(self, prefix: str) -> None:
        """Remove every key under `prefix/`, and what was to become one; absent keys are fine."""
        ...

    def list_keys(self, prefix: str) -> Iterator[str]:
        """Every key under `prefix/`, in order."""
        ...

    def list_folders(self, prefix: str) -> list[str]:
        """The next part of every key under `prefix/` that has further ones."""
        ...


class Resumable(Protocol):
    """A file on its way to its key. Different processes may hold one at the same time."""

    def size(self) -> int:
        """Bytes that are there, whether it was finished or not; 0 where nothing is."""
        ...

    def open(self) -> BinaryIO:
        """Read what is there, finished or not. Raises NotFound where nothing is."""
        ...

    def discard(self) -> None:
        """Remove what was not finished; absent is fine."""
        ...

    def append(self) -> contextlib.AbstractContextManager["Tail"]:
        """Write on, alone: raises Conflict while another does, whose death ends its turn. Synced when the block ends well."""
        ...

    def finish(self, size_bytes: int) -> None:
        """Let it appear under its key; may be repeated. Raises Conflict unless it is of this size, with nobody writing."""
        ...


class Tail(Protocol):
    """The open end of a resumable file. Raises DiskFull."""

    def cut(self, size_bytes: int) -> None:
        """Keep this many bytes, and go on from there. Raises Conflict where there are fewer."""
        ...

    def write(self, data: bytes) -> None:
        """Add these bytes."""
        ...

    def sync(self) -> None:
        """Return once everything written outlives a loss of power."""
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
            _sync(target.parent)
        finally:
            partial.unlink(missing_ok=True)

    def open(self, key: str) -> BinaryIO:
        return self.local(key).open("rb")

    def local(self, key: str) -> Path:
        path = self.root / check_key(key)
        if not path.is_file():
            raise NotFound(f"storage has no {key}")
        return path

    def keeps(self, path: Path) -> bool:
        return path.is_relative_to(self.root)

    def size(self, key: str) -> int:
        return self.local(key).stat().st_size

    def resumable(self, key: str) -> Resumable:
        return _PartialFile(self.root / check_key(key))

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free

    def remove(self, key: str) -> None:
        (self.root / check_key(key)).unlink(missing_ok=True)

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


class _PartialFile:
    """A Resumable beside its target. Its lock is the kernel's, so that it goes with the process that holds it."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._partial = target.with_name(target.name + ".partial")

    def size(self) -> int:
        for path in (self._target, self._partial):
            with contextlib.suppress(FileNotFoundError):
                return path.stat().st_size
        return 0

    def open(self) -> BinaryIO:
        for path in (self._target, self._partial):
            with contextlib.suppress(FileNotFoundError):
                return path.open("rb")
        raise NotFound(f"storage has nothing of {self._target.name}")

    def discard(self) -> None:
        self._partial.unlink(missing_ok=True)

    @contextlib.contextmanager
    def append(self) -> Iterator["_PartialTail"]:
        if self._target.exists():
            raise Conflict(f"{self._target.name} is finished")
        with _disk_errors():
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            with self._locked() as file:
                tail = _PartialTail(file)
                yield tail
                tail.sync()
                _sync(self._partial.parent)

    def finish(self, size_bytes: int) -> None:
        if not self._target.exists() and self._partial.exists():
            with self._locked() as file:
                # Its size is looked at under the lock: another may have finished it since, and a third begun anew.
                if os.fstat(file.fileno()).st_size == size_bytes:
                    os.fsync(file.fileno())
                    self._partial.replace(self._target)
                    _sync(self._target.parent)
        if self.size() != size_bytes or not self._target.exists():
            raise Conflict(f"{self._target.name} is not {size_bytes} bytes long yet")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with self._partial.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(f"{self._target.name} is being written") from None
            try:
                yield file
            finally:
                try:
                    file.flush()  # while nobody else may write
                finally:
                    # Closing is not enough: a child that another thread starts has a copy of the descriptor until its exec.
                    fcntl.flock(file, fcntl.LOCK_UN)


class _PartialTail:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def cut(self, size_bytes: int) -> None:
        with _disk_errors():
            self._file.flush()
        there = os.fstat(self._file.fileno()).st_size
        if there < size_bytes:
            raise Conflict(f"fewer than {size_bytes} bytes are there")
        if there > size_bytes:
            self._file.truncate(size_bytes)

    def write(self, data: bytes) -> None:
        with _disk_errors():
            self._file.write(data)

    def sync(self) -> None:
        with _disk_errors():
            self._file.flush()
            os.fsync(self._file.fileno())


def mark_content(paths: Iterable[Path]) -> str:
    """What tells these contents from others at little cost: their sizes, first and last megabytes."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            digest.update(f"{size_bytes}:".encode())
            digest.update(file.read(_MARKED_BYTES))
            file.seek(max(0, size_bytes - _MARKED_BYTES))
            digest.update(file.read(_MARKED_BYTES))
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Of a file its bytes, of a folder its names."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


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
