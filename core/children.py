"""What the rest of the code sees of child processes: how one is asked for, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use. Enforced by the kernel (rlimits), but for the two clocks, which its parent watches."""

    cpu_seconds: int = 4 * 3600  # of each process
    memory_bytes: int = 6 * 1024**3  # address space of each process
    file_bytes: int = 64 * 1024**3  # each file
    open_files: int = 512
    deadline_seconds: float = 6 * 3600  # wall clock
    stall_seconds: float = 120  # wall clock without a line on standard output
    loopback: bool = False  # 127.0.0.1, on which it alone listens; it has no other network even so


@dataclass(frozen=True, slots=True)
class Output:
    """How a child ended. What is not UTF-8 is replaced."""

    returncode: int  # zero or the program's own; a signal is a ChildDied
    stdout: str = field(repr=False)  # the first 16 MiB
    stderr: str = field(repr=False)  # the last 64 KiB
    peak_memory_bytes: int = 0  # resident, of its biggest process


class Run(Protocol):
    """Run a program in the sandbox, in the attempt's folder, and return when it and all it started are gone.

    The child sees the attempt's folder (read-write; its working folder), `inputs` (read-only files or folders, at the same
    paths), the installed programs and Python packages, a small /tmp, no network and no socket of this machine. An input
    may not be a symbolic link. Afterwards the folder holds plain files and folders only: links, FIFOs and sockets are gone.
    `on_line` gets each line of standard output, without its end, while it runs (the first MiB of one that is longer).

    Raises Cancelled, Released or Replaced when the attempt was told to stop (the child is gone by then); whatever `on_line`
    raises; Misconfigured when the program cannot be started; ChildDied when a signal, a crash, a deadline, a stall or a
    lack of memory ended it. Its evidence: `reason` (signal | deadline | stall | memory | launch | launcher | unkillable),
    `returncode`, `signal`, `peak_memory_bytes`, `stderr`. A plain non-zero exit is returned: its meaning is the caller's.
    """

    def __call__(
        self,
        argv: Sequence[str],
        *,
        inputs: Sequence[Path] = (),
        limits: Limits = Limits(),
        on_line: Callable[[str], None] | None = None,
    ) -> Output: ...
