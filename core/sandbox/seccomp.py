"""The system calls that no child gets: what namespaces do not cover, and what only helps to break out of them.

Namespaces do not cover vsock (a virtual machine's line to its host), kernel keyrings and io_uring. Where namespaces are
refused, denying every socket is what keeps a child from the network and from the sockets of this machine.
"""

import errno
import os
import struct

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little-endian
_ALLOW = 0x7FFF0000
_DENY = 0x00050000 | errno.EPERM
_ABSENT = 0x00050000 | errno.ENOSYS
_KILL = 0x80000000
_X32 = 0x40000000  # from here on: x86-64's second table of the same calls
_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW… that clone(2) takes
_UNIX_AND_INTERNET = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: the network and mount namespaces see to these

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_CLONE3 = 435  # its flags lie in memory, where a filter cannot look: absent, so that the C library takes clone
_DENIED_EVERYWHERE = (
    *(425, 426, 427),  # io_uring: setup, enter, register
    *(428, 429, 430, 431, 432, 433, 442),  # open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr
    438,  # pidfd_getfd
)
_DENIED = {
    "x86_64": (
        *(101, 310, 311),  # ptrace, process_vm_readv, process_vm_writev
        *(248, 249, 250),  # add_key, request_key, keyctl
        *(321, 298, 323),  # bpf, perf_event_open, userfaultfd
        *(272, 308, 155, 161, 165, 166),  # unshare, setns, pivot_root, chroot, mount, umount2
        *(303, 304, 175, 313, 246, 320),  # name_to_handle_at, open_by_handle_at, (f)init_module, kexec_(file_)load
    ),
    "aarch64": (
        *(117, 270, 271),
        *(217, 218, 219),
        *(280, 241, 282),
        *(97, 268, 41, 51, 40, 39),
        *(264, 265, 105, 273, 104, 294),
    ),
}


def call_filter(*, sockets: bool) -> bytes | None:
    """The BPF program for this machine, or None where its call numbers are not known here.

    `sockets`: let the child make unix and internet sockets, for it has a network and a file tree of its own.
    """
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        return None
    families = _UNIX_AND_INTERNET if sockets else ()
    return b"".join(
        (
            _instruction(_LOAD, _ARCHITECTURE),
            _instruction(_IF_EQUAL, _ARCHITECTURES[machine], when_true=1),
            _instruction(_RETURN, _KILL),
            _instruction(_LOAD, _NUMBER),
            _instruction(_IF_AT_LEAST, _X32, when_false=1),
            _instruction(_RETURN, _DENY),
            *(_answer(number, _DENY) for number in (*_DENIED_EVERYWHERE, *_DENIED[machine])),
            _answer(_CLONE3, _ABSENT),
            _clone(_CLONE[machine]),
            _socket(_SOCKET[machine], families),
            _instruction(_RETURN, _ALLOW),
        )
    )


def _instruction(code: int, value: int, *, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)


def _answer(number: int, verdict: int) -> bytes:
    return _instruction(_IF_EQUAL, number, when_false=1) + _instruction(_RETURN, verdict)


def _clone(number: int) -> bytes:
    """Threads and processes, but no namespaces."""
    return b"".join(
        (
            _instruction(_IF_EQUAL, number, when_false=4),
            _instruction(_LOAD, _FIRST_ARGUMENT),
            _instruction(_IF_ANY_BIT, _NEW_NAMESPACES, when_false=1),
            _instruction(_RETURN, _DENY),
            _instruction(_RETURN, _ALLOW),
        )
    )


def _socket(number: int, families: tuple[int, ...]) -> bytes:
    allowed = [_answer(family, _ALLOW) for family in families]
    return b"".join(
        (
            _instruction(_IF_EQUAL, number, when_false=2 + 2 * len(allowed)),
            _instruction(_LOAD, _FIRST_ARGUMENT),
            *allowed,
            _instruction(_RETURN, _DENY),
        )
    )
