"""The child's own file tree: an empty one, in which only what the plan names is hung up."""

import contextlib
import os
import re

from core.sandbox import kernel
from core.sandbox.plan import Plan

_OLD = "/.old"
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_HARDENED = kernel.MS_NOSUID | kernel.MS_NODEV
_TMP_OPTIONS = "mode=1777,size=64m"


def build_root(plan: Plan) -> None:
    """Leave the machine's file tree for the planned one. Needs a mount and a pid namespace of its own. Raises OSError.

    The order is the point: everything is hung up while the old tree is still at hand, what lies in the attempt's folder
    (where an earlier child may have left links to anywhere) is only followed once the old tree is gone.
    """
    source, folder = plan["folder"]
    os.umask(0o022)  # the folders that lead to a mount are for all to enter
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    _swap(source)
    os.mkdir("/tmp")  # noqa: PTH102, S108  (pathlib is slow to import; it is the child's own)
    kernel.mount("tmpfs", "/tmp", "tmpfs", _HARDENED, _TMP_OPTIONS)  # noqa: S108
    for place, target in plan["cell"]["mounts"]:
        _bind(_OLD + place, target)
    _bind(_OLD + source, folder)
    _make_devices()
    for link, text in plan["cell"]["links"]:
        os.makedirs(os.path.dirname(link), exist_ok=True)  # noqa: PTH103, PTH120
        os.symlink(text, link)  # noqa: PTH211
    for path in _mounted():
        _harden(path, writable=path == folder or path.startswith(folder + "/"))
    _mount_proc()
    kernel.detach(_OLD)
    os.rmdir(_OLD)  # noqa: PTH106
    for path in plan["cell"]["within"]:
        kernel.mount(path, path, None, kernel.MS_BIND)
        _harden(path, writable=False)
    _harden("/", writable=False)


def _swap(anywhere: str) -> None:
    """An empty root; the old one below it. `anywhere` is any folder: it is covered for a moment only."""
    kernel.mount("tmpfs", anywhere, "tmpfs", _HARDENED, "mode=755,size=1m")
    os.chdir(anywhere)
    os.mkdir(_OLD[1:])  # noqa: PTH102
    kernel.pivot_root(".", _OLD[1:])
    os.chdir("/")


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):  # noqa: PTH112
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    elif not os.path.exists(target):  # noqa: PTH110
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)


def _make_devices() -> None:
    for path in _DEVICES:
        _bind(_OLD + path, path)
    with contextlib.suppress(FileExistsError):  # an attempt's folder may lie on the machine's /dev/shm
        os.symlink("/tmp", "/dev/shm")  # noqa: PTH211, S108  (named semaphores; shares the bound of /tmp)


def _harden(path: str, *, writable: bool) -> None:
    """Restrict one mount; what its source already forbids stays forbidden (the kernel refuses to lift it)."""
    flags = os.statvfs(path).f_flag & (kernel.MS_RDONLY | kernel.MS_NOEXEC)
    flags |= kernel.MS_NOSUID if path in _DEVICES else _HARDENED
    flags |= 0 if writable else kernel.MS_RDONLY
    kernel.mount(None, path, None, kernel.MS_REMOUNT | kernel.MS_BIND | flags)


def _mounted() -> list[str]:
    """Every mount of the new tree but its root and /tmp, also those that came along below a folder of the machine."""
    with open(f"{_OLD}/proc/self/mountinfo", "rb") as file:  # noqa: PTH123
        paths = {_unescape(line.split()[4]) for line in file}
    return sorted(path for path in paths if path not in {"/", "/tmp"} and not f"{path}/".startswith(f"{_OLD}/"))  # noqa: S108


def _unescape(word: bytes) -> str:
    """The kernel writes white space and backslashes of a path as three octal digits."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes((int(match[1], 8),)), word))


def _mount_proc() -> None:
    os.mkdir("/proc")  # noqa: PTH102
    with contextlib.suppress(OSError):  # refused in a container whose own /proc is partly covered: the child has none then
        kernel.mount("proc", "/proc", "proc", _HARDENED | kernel.MS_NOEXEC | kernel.MS_RDONLY)
