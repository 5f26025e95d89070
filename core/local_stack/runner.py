"""Runs the Procfile on the servers of a home: restarts what dies, stops all in order."""

import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from core.local_stack.servers import Program, Servers, kill_session
from core.reaping import Reaped, reap

MAX_DEATHS, DEATHS_WINDOW_SECONDS = 5, 60.0
_LONGEST_BACKOFF_SECONDS = 5.0
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def read_procfile(text: str, *, folder: Path, logs: Path, environment: dict[str, str]) -> list[Program]:
    """The processes that a Procfile names; `python` is the one that runs this."""
    programs = []
    for line in text.splitlines():
        name, colon, command = line.partition(":")
        if colon and not name.startswith("#"):
            argv = [sys.executable if word == "python" else word for word in shlex.split(command)]
            programs.append(Program(name.strip(), tuple(argv), folder, logs / f"{name.strip()}.log", environment))
    return programs


@dataclass(slots=True)
class _Kept:
    """One program that is kept running."""

    program: Program
    process: subprocess.Popen[bytes] | None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_DEATHS))
    start_at: float = 0.0

    def restarts_too_often(self) -> bool:
        return len(self.deaths) == MAX_DEATHS and self.deaths[-1] - self.deaths[0] < DEATHS_WINDOW_SECONDS


class Runner:
    """Keeps servers and processes running until a signal, or until one of them dies too often."""

    def __init__(
        self,
        servers: Servers,
        processes: Iterable[Program],
        *,
        grace_seconds: float,
        say: Callable[[str], None],
        on_death: Callable[[Reaped], object] = lambda _: None,  # of a process, not of a server; what it does must not take long
    ) -> None:
        self._on_death = on_death
        self._servers = [_Kept(program, servers.running[program.name]) for program in servers.programs]
        self._running = servers.running
        self._processes = [_Kept(program, None) for program in processes]
        self._grace_seconds = grace_seconds
        self._say = say

    def run(self) -> int:
        """Returns 0 after a signal, 1 when a program died too often."""
        # Blocked and waited for: nothing is done in a handler, and an idle runner costs nothing. child.py unblocks again.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            return self._keep_running()
        finally:
            self._stop()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _keep_running(self) -> int:
        while True:
            now = time.monotonic()
            for kept in (*self._servers, *self._processes):
                if kept.process is not None and (reaped := reap(kept.process)) and self._buried(kept, reaped, now):
                    return 1
                if kept.process is None and now >= kept.start_at:
                    self._begin(kept)
            due = [kept.start_at for kept in (*self._servers, *self._processes) if kept.process is None]
            got = signal.sigtimedwait(_SIGNALS, max(0.0, min(due) - now) if due else 3600)
            if got is not None and got.si_signo != signal.SIGCHLD:
                return 0

    def _begin(self, kept: _Kept) -> None:
        kept.process = kept.program.start()
        if any(kept is server for server in self._servers):
            self._running[kept.program.name] = kept.process

    def _buried(self, kept: _Kept, reaped: Reaped, now: float) -> bool:
        """Note a death; True when there were too many."""
        name, code = kept.program.name, reaped.code
        if any(kept is process for process in self._processes):
            self._on_death(reaped)
        kept.process = None
        kept.deaths.append(now)
        if kept.restarts_too_often():
            tail = kept.program.log.read_text(errors="replace")[-1500:]
            self._say(
                f"{name} died {MAX_DEATHS} times within a minute (last: {_ended(code)}): stopping. Its last words:\n{tail}"
            )
            return True
        wait = min(_LONGEST_BACKOFF_SECONDS, 0.1 * 2 ** len(kept.deaths))
        kept.start_at = now + wait
        self._say(f"{name} {_ended(code)}: starting it again in {wait:.1f} s (log: {kept.program.log})")
        return False

    def _stop(self) -> None:
        """TERM to each process once, not to its group: a step in the middle of work decides what its children do."""
        alive = [kept.process for kept in self._processes if kept.process and kept.process.poll() is None]
        for process in alive:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace_seconds
        while any(process.poll() is None for process in alive):
            left = deadline - time.monotonic()
            got = signal.sigtimedwait(_SIGNALS, left) if left > 0 else None
            if left <= 0 or (got is not None and got.si_signo != signal.SIGCHLD):
                self._say("not waiting any longer")
                break
        for kept in self._processes:
            if kept.process:
                kill_session(kept.process)


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
