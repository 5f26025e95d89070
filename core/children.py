"""What the rest of the code sees of child processes: how one is asked for, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use. Enforced by the kernel (rlimits), but for the two clocks, which its parent watches."""

    cpu_seconds: int = 4 * 3600
    memory_bytes: int = 6 * 1024**3  # address space
    file_bytes: int = 64 * 1024**3  # each file
    open_files: int = 512
    deadline_seconds: float = 6 * 3600  # wall clock
    stall_seconds: float = 120  # wall clock without a line on standard output


@dataclass(frozen=True, slots=True)
class Output:
    """How a child ended."""

    returncode: int  # negative: the signal that killed it
    stdout: str = field(repr=False)  # the first 16 MiB
    stderr: str = field(repr=False)  # the last 64 KiB
    peak_memory_bytes: int = 0


class Run(Protocol):
    """Run a program in the sandbox, in the attempt's folder, and return when it and all it started are gone.

    The child sees the attempt's folder (read-write; its working folder), `inputs` (read-only), the installed programs, no
    network and no socket. `on_line` gets each line of standard output while it runs.
    Raises Cancelled, Released or Replaced when the attempt was told to stop (the child is gone by then), ChildDied when a
    signal, a crash, a deadline or a stall ended it. A plain non-zero exit is returned: its meaning is the caller's.
    """

    def __call__(
        self,
        argv: Sequence[str],
        *,
        inputs: Sequence[Path] = (),
        limits: Limits = Limits(),
        on_line: Callable[[str], None] | None = None,
    ) -> Output: ...
