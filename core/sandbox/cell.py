"""What a child may see: an allow-list of paths, from which the launcher builds its file tree."""

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from core.errors import Misconfigured
from core.sandbox.plan import Cell

# Of each prefix only what programs are made of: a project (with its keys) may well lie in /usr/src or in the prefix itself.
_PARTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "share", "pyvenv.cfg")
_SYSTEM = (
    *("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime"),
    "/sys/devices/system/cpu",  # how many processors there are
)
EMPTY = Cell(mounts=[], links=[], within=[])


def environment(folder: str) -> dict[str, str]:
    """All the environment that a child gets. Big temporary files belong on the attempt's disk, not in the small /tmp."""
    folders = [f"{prefix}/bin" for prefix in (sys.prefix, sys.base_prefix, "/usr/local", "/usr", "")]
    return {"PATH": os.pathsep.join(dict.fromkeys(folders)), "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder}


def cell(program: str, folder: Path, inputs: Sequence[Path], programs: Sequence[Path]) -> Cell:
    """The allow-list for `program` (argv's first word), to work in `folder`. All paths are absolute; inputs were checked."""
    mounts: dict[str, str] = {}
    links: dict[str, str] = {}
    for installed in _installed():
        if os.path.islink(installed):  # noqa: PTH114  (pathlib costs more than all the rest here)
            links[installed] = os.readlink(installed)  # noqa: PTH115
        else:
            mounts[installed] = installed
    for path in map(str, programs):
        mounts[path] = mounts[os.path.realpath(path)] = os.path.realpath(path)
    if program.startswith("/") and not any(Path(program).is_relative_to(shown) for shown in (*mounts, *links, str(folder))):
        mounts[program] = os.path.realpath(program)  # such as a link in the local stack's own folder of programs
    inside = [str(path) for path in inputs if path.is_relative_to(folder)]
    mounts |= {str(path): os.path.realpath(path) for path in inputs if str(path) not in inside}
    mounts.pop(str(folder), None)
    ordered = sorted(mounts.items(), key=lambda pair: pair[0].count("/"))
    return Cell(mounts=[(place, target) for target, place in ordered], links=list(links.items()), within=inside)


def check_input(path: Path, reader: int | None) -> Path:
    """`path`, absolute, if it can be shown to user `reader` (None: whoever we are). Raises Misconfigured."""
    path = _absolute(path)
    if path.is_symlink():
        raise Misconfigured(f"input {str(path)!r} is a symbolic link: name the file itself, for a child may have made the link")
    if not path.exists():
        raise Misconfigured(f"input {str(path)!r} is not there: it must exist when the child starts")
    status = path.stat()
    if reader is not None and status.st_uid != reader and not status.st_mode & 0o004:
        raise Misconfigured(f"input {str(path)!r} cannot be read by the sandbox's user: make it readable for all (chmod o+r)")
    return path


def check_folder(path: Path) -> Path:
    """`path`, absolute, if it is a folder. Raises Misconfigured."""
    path = _absolute(path)
    if path.is_symlink() or not path.is_dir():
        raise Misconfigured(f"the attempt's folder {str(path)!r} is not a folder: make it before a child is run in it")
    return path


def check_program(path: Path) -> Path:
    """`path`, absolute, if there is something. Raises Misconfigured."""
    path = _absolute(path)
    if not path.exists():
        raise Misconfigured(f"the sandbox was told to show {str(path)!r}, which is not there")
    return path


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (absolute() keeps `..`, which a mount point must not have)


@cache
def _installed() -> tuple[str, ...]:
    """Every path of the system and of Python that programs need and that is there."""
    return tuple(path for path in dict.fromkeys(_candidates()) if os.path.lexists(path))


def _candidates() -> Iterator[str]:
    yield from _SYSTEM
    prefixes = ["/usr", "/usr/local", sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix)]
    for prefix in prefixes:
        yield from (f"{prefix}/{part}" for part in _PARTS)
