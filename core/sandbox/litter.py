"""The attempt's folder before and after a child: handed over to it, then freed of what is a trap for whoever reads it.

Everything goes by open folders, never by paths: while one child of an attempt has ended, another may still be renaming.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

_DEEPEST = 32  # what walks a deeper tree by recursion, such as shutil.rmtree, can be brought down by it
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def hand_over(folder: Path, identity: tuple[int, int]) -> None:
    """Make what we put into `folder` the child's. A file with a second name stays ours: that one may be anywhere."""
    with _opened(folder) as top:
        os.fchown(top, *identity)
        os.fchmod(top, 0o700)
        for parent, entry, _ in _walk(top):
            status = entry.stat(follow_symlinks=False)
            ours = status.st_uid == os.geteuid()
            if ours and (stat.S_ISDIR(status.st_mode) or status.st_nlink == 1):
                os.chown(entry.name, *identity, dir_fd=parent, follow_symlinks=False)


def clear_traps(folder: Path) -> list[str]:
    """Leave only plain files and folders in `folder`, none nested deeper than 32, and return what else was there.

    A link would make its reader copy a file that the child could not read; a FIFO would make it wait for ever. A folder
    nested deeper is moved up. `folder` itself may be gone.
    """
    removed: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        _open_up(str(folder), None)
        with _opened(folder) as top:
            _clear(top, top, removed)
    return removed


def _clear(top: int, folder: int, removed: list[str]) -> None:
    moved: list[str] = []
    for parent, entry, depth in _walk(folder):
        if entry.is_dir(follow_symlinks=False):
            _open_up(entry.name, parent)
            if depth == _DEEPEST:
                moved.append(f"nested-too-deep-{uuid4().hex}")
                os.rename(entry.name, moved[-1], src_dir_fd=parent, dst_dir_fd=top)
        elif not entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.name, dir_fd=parent)
            removed.append(entry.name)
    while moved:
        removed.append(moved[-1])
        with _opened(Path(moved.pop()), parent=top) as below:
            _clear(top, below, removed)


def _open_up(name: str, parent: int | None) -> None:
    """A folder that its owner may not enter could not even be removed. Root may enter any."""
    if os.geteuid() != 0 and os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)


@contextlib.contextmanager
def _opened(name: Path, *, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, _FOLDER, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _walk(folder: int, depth: int = 1) -> Iterator[tuple[int, os.DirEntry[str], int]]:
    """Everything below an open folder, a folder before what is in it; no link is followed, what vanishes is passed over."""
    with os.scandir(folder) as found:
        for entry in found:
            yield folder, entry, depth
            if depth < _DEEPEST and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    below = os.open(entry.name, _FOLDER, dir_fd=folder)
                    try:
                        yield from _walk(below, depth + 1)
                    finally:
                        os.close(below)
