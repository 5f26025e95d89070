"""The few Linux calls that Python 3.11 has no name for. Loads nothing before it is asked to, so that it imports anywhere."""

import contextlib
import ctypes
import os
import struct
import sys
from typing import Any

LINUX = sys.platform.startswith("linux")

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
_MNT_DETACH = 2

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63


def _call(name: str, *arguments: Any) -> None:  # noqa: ANN401  (what C takes)
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _prctl(option: int, argument: Any = 0, pointer: Any = None) -> None:  # noqa: ANN401
    _call("prctl", option, ctypes.c_ulong(argument), pointer, None, None)


def unshare(flags: int) -> None:
    """Move this process (for CLONE_NEWPID: its next children) into new namespaces. Raises OSError, as all here do."""
    _call("unshare", flags)


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Mount, bind or remount, as the flags say; an error names the target."""
    words = [word if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    try:
        _call("mount", words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} at {target}") from None


def pivot_root(new_root: str, put_old: str) -> None:
    """Make the mount at `new_root` the root of this mount namespace. Not in every C library, so by its number."""
    number = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine)
    if number is None:
        raise OSError(f"pivot_root: its number on {os.uname().machine} is not known here")
    _call("syscall", ctypes.c_long(number), os.fsencode(new_root), os.fsencode(put_old))


def detach(target: str) -> None:
    """Take a mount and all below it out of sight."""
    _call("umount2", os.fsencode(target), _MNT_DETACH)


def set_host_name(name: str) -> None:
    """The host name of this UTS namespace."""
    _call("sethostname", name.encode(), ctypes.c_size_t(len(name)))


def raise_loopback() -> None:
    """Let programs of this network namespace reach each other, and nobody else, by 127.0.0.1."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name, flags = struct.unpack("16sh", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0))[:18])
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", name, flags | _IFF_UP))


def die_with_parent(signal_number: int) -> None:
    """Get this signal when the thread that made this process ends. Any change of identity undoes it: call it afterwards."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, also of one that made a session of its own."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Let no process of the same user trace this one or open its files in /proc."""
    _prctl(_PR_SET_DUMPABLE, 0)


def forget_capabilities() -> None:
    """Drop every capability that this process has. `forget_bounding_set` comes first: it needs one."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _call("capset", ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))


def forget_bounding_set() -> None:
    """Let no program that is run later gain a capability, as far as this process may say so."""
    with contextlib.suppress(OSError):  # EINVAL ends the list of known ones; EPERM: there is nothing to drop
        for capability in range(_LAST_CAPABILITY + 1):
            _prctl(_PR_CAPBSET_DROP, capability)


def forbid_new_privileges() -> None:
    """No program run from here on gains anything by setuid bits or file capabilities."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def filter_calls(code: bytes) -> None:
    """Judge every later system call by this BPF program (instructions of 8 bytes). Comes after forbid_new_privileges."""
    program = _Filter(len(code) // 8, code)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program))
