"""Waits for the program, keeps watch on the line to the parent, and leaves nothing behind.

Runs as process 1 of the child's pid namespace (whose end the kernel makes the end of all in it), or without namespaces as
the adopting parent of everything that the program starts.
"""

import contextlib
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable

from core.sandbox.plan import Report

_OUTLIVED_SECONDS = 5.0


class Reaper:
    """Made before the program is started, so that no end goes unnoticed."""

    def __init__(self) -> None:
        self._wake, write = os.pipe()
        for end in (self._wake, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def wait(self, program: int, lifeline: int, send: Callable[[int], None]) -> Report:
        """Return how `program` ended. A byte on `lifeline` means: ask all to end; its end means: kill all."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(lifeline, select.POLLIN)
        while (status := _reap(program)) is None:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake:
                    os.read(self._wake, 4096)
                elif os.read(lifeline, 1):
                    send(signal.SIGTERM)
                else:
                    poll.unregister(lifeline)
                    send(signal.SIGKILL)
        return Report(returncode=os.waitstatus_to_exitcode(status), peak_memory_bytes=_peak_memory())


def _reap(program: int) -> int | None:
    """Bury whoever has ended; the status of `program` if it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == program:
                found = ended[1]
    return found


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def send_to_namespace(signal_number: int) -> None:
    """To every process of this pid namespace but this one."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal_number)


def send_to_family(program: int) -> Callable[[int], None]:
    """What sends to the program's group and to every child of this process, adopted ones too."""

    def send(signal_number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program, signal_number)
        for child in _children():
            os.kill(child, signal_number)

    return send


def kill_leftovers(send: Callable[[int], None]) -> bool:
    """Tell whether everything that the program left running is gone. One generation a turn: the next is adopted then."""
    deadline = time.monotonic() + _OUTLIVED_SECONDS
    while time.monotonic() < deadline:
        send(signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        time.sleep(0.005)
    return False


def _children() -> list[int]:
    """The children of this process, from /proc; none where there is no /proc."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112, PTH208  (pathlib is slow to import)
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == os.getpid():
                found.append(int(name))
    return found
