"""Runs a program in the cell and tells how it ended."""

import errno
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from core.children import Limits, Output
from core.errors import ChildDied, Misconfigured
from core.log import get_logger
from core.sandbox.cell import EMPTY, cell, check_folder, check_input, check_program, environment
from core.sandbox.child import Child
from core.sandbox.isolation import isolation
from core.sandbox.litter import clear_traps, hand_over
from core.sandbox.plan import Plan, Report
from core.settings import SandboxMode

_log = get_logger(__name__)
_PROCESSES = 1024  # threads count; where user namespaces are older than Linux 5.14, so do the user's other ones
_WATCHED_SECONDS = 0.25  # more between two looks is the machine that stood still, not the child
_PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.ENOSPC, errno.EMFILE, errno.ENFILE})


class Sandbox:
    """Made once per worker process and shared by its threads. Raises Misconfigured when less is to be had than `mode` asks.

    `programs` are files and folders that every child may read beside the installed ones, such as a package of ours.
    """

    def __init__(self, *, mode: SandboxMode, programs: Sequence[Path] = ()) -> None:
        self._isolation = isolation()
        if mode is SandboxMode.REQUIRED and not self._isolation.complete:
            raise Misconfigured(
                f"SANDBOX=required, but {self._isolation.sentence}. Allow user namespaces on this machine (in a container: "
                "a seccomp profile that permits unshare and mount), or set SANDBOX=auto to run with less."
            )
        if not self._isolation.possible:
            raise Misconfigured(f"{self._isolation.sentence}: run the workers as an ordinary user, or allow CAP_SETUID")
        self._programs = [check_program(path) for path in programs]
        _say_once()

    def run(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        inputs: Sequence[Path] = (),
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        on_line: Callable[[str], None] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Output:
        """Run `argv` in `folder` and return when it and all it started are gone. See core.children.Run.

        `check` is called several times a second; what it or `on_line` raises ends the child and goes on to the caller.
        Raises Misconfigured when the program cannot be started at all. Afterwards `folder` holds plain files and folders only.
        """
        check()
        plan = self._plan(argv, check_folder(folder), inputs, limits)
        try:
            with _launched(plan, on_line) as child:
                reason = _watch(child, limits, check)
                if reason is None:
                    return _outcome(argv[0], child.finish(), child)
                child.end()
                raise _died(argv[0], reason, child.finish(), child)
        finally:
            traps = clear_traps(Path(plan["folder"][0]))
            if traps:
                _log.info("sandbox.traps_removed", names=traps[:10], count=len(traps))

    def _plan(self, argv: Sequence[str], folder: Path, inputs: Sequence[Path], limits: Limits) -> Plan:
        identity = self._isolation.identity
        checked = [check_input(path, identity[0] if identity else None) for path in inputs]
        if identity:
            hand_over(folder, identity)
        return Plan(
            argv=list(argv),
            folder=(os.path.realpath(folder), str(folder)),
            identity=identity,
            namespaces=self._isolation.mount,
            user_namespace=self._isolation.user,
            loopback=limits.loopback,
            cell=cell(argv[0], folder, checked, self._programs) if self._isolation.mount else EMPTY,
            limits=_rlimits(limits),
        )


@cache
def _say_once() -> None:
    found = isolation()
    if found.complete:
        _log.info("sandbox.found", isolation=found.sentence)
    else:
        _log.warning("sandbox.weakened", isolation=found.sentence)


def _rlimits(limits: Limits) -> dict[str, int]:
    values = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_NPROC": _PROCESSES,
        "RLIMIT_AS": limits.memory_bytes,  # last: the launcher itself must still fit
    }
    return {name: value for name, value in values.items() if hasattr(resource, name)}


def _launched(plan: Plan, on_line: Callable[[str], None] | None) -> Child:
    try:
        return Child(plan, environment(plan["folder"][1]), on_line)
    except OSError as error:
        raise ChildDied(f"no child could be started now: {error.strerror}", evidence={"reason": "launch"}) from error


def _watch(child: Child, limits: Limits, check: Callable[[], None]) -> str | None:
    """Return when the child is gone, or with the reason why it has to be ended. An error ends it before it goes on."""
    looked_at = time.monotonic()
    deadline, silent_seconds = looked_at + limits.deadline_seconds, 0.0
    try:
        while child.pump():
            check()
            now = time.monotonic()
            if now >= deadline:
                return "deadline"
            silent_seconds = min(now - child.lines.last_line_at, silent_seconds + min(now - looked_at, _WATCHED_SECONDS))
            if silent_seconds >= limits.stall_seconds:
                return "stall"
            looked_at = now
    except BaseException:
        child.end()
        raise
    return None


def _outcome(name: str, report: Report, child: Child) -> Output:
    if "failed" in report:
        raise _not_started(name, report)
    if "returncode" not in report:
        raise _died(name, "launcher", report, child)
    if report["returncode"] < 0:
        raise _died(name, "signal", report, child)
    if report["returncode"] > 0 and _ran_out_of_memory(child.errors.text):
        raise _died(name, "memory", report, child)
    return Output(report["returncode"], child.lines.text, child.errors.text, report["peak_memory_bytes"])


def _not_started(name: str, report: Report) -> Misconfigured | ChildDied:
    said = report["failed"]
    if report["errno"] in _PASSING:
        return ChildDied(f"{name} could not be started now: {said}", evidence={"reason": "launch"})
    hint = (
        "is it installed under /usr, the Python environment or one of the sandbox's `programs`, and may its user enter there?"
    )
    return Misconfigured(f"{name} could not be started in the sandbox: {said}; {hint}")


def _ran_out_of_memory(stderr: str) -> bool:
    """Python's way to meet RLIMIT_AS is an exception, not a signal."""
    last = stderr.rstrip().rpartition("\n")[2]
    return last == "MemoryError" or last.startswith("MemoryError:")


_SENTENCES = {
    "deadline": "took longer than its deadline and was ended",
    "stall": "said nothing for too long and was ended",
    "memory": "needed more memory than it may have",
    "launcher": "was lost: its launcher was killed",
}


def _died(name: str, reason: str, report: Report, child: Child) -> ChildDied:
    returncode = report.get("returncode")
    number = -returncode if returncode is not None and returncode < 0 else None
    sentence = _SENTENCES.get(reason) or f"was ended by {_signal_name(number or 0)}"
    evidence: dict[str, object] = {
        "reason": reason,
        "returncode": returncode,
        "signal": number,
        "peak_memory_bytes": report.get("peak_memory_bytes", 0),
        "stderr": child.errors.text,
    }
    return ChildDied(f"{name} {sentence}", evidence=evidence)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
