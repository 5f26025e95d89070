"""How a child process of ours ended, and what it had used."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass

_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


@dataclass(frozen=True, slots=True)
class Reaped:
    """`code` as subprocess has it: a signal is negative."""

    process: int
    code: int
    peak_memory_bytes: int  # resident, of its biggest process; 0 where that is not known

    def evidence(self) -> dict[str, object]:
        """The signal or the status, and the memory, for people to read."""
        ended: dict[str, object] = {"signal": signal.Signals(-self.code).name} if self.code < 0 else {"returncode": self.code}
        return ended | ({"peak_memory_bytes": self.peak_memory_bytes} if self.peak_memory_bytes else {})


def reap(process: subprocess.Popen[bytes]) -> Reaped | None:
    """As `process.poll()`, with what only who reaps it is told. None while it runs."""
    return _reap(process, os.WNOHANG)


def wait_for(process: subprocess.Popen[bytes]) -> Reaped:
    """As `process.wait()`, likewise."""
    return _reap(process, 0) or Reaped(process.pid, process.wait(), 0)


def _reap(process: subprocess.Popen[bytes], options: int) -> Reaped | None:
    try:
        number, status, usage = os.wait4(process.pid, options)
    except ChildProcessError:  # who sends it a signal asks first, and may have been told
        return None if process.poll() is None else Reaped(process.pid, process.returncode, 0)
    if not number:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return Reaped(process.pid, process.returncode, usage.ru_maxrss * _UNIT_BYTES)
