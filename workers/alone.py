"""`python -m workers.alone PARENT LINE`: runs steps that lost their worker, one after the other, with nothing beside them.

Whatever kills that process was doing it alone: a second loss is the step's own, and not that of a neighbour. Each step is claimed when it
is its turn, so that those behind it are not lost with it. Hints come as lines over the socket LINE; each is answered with a byte.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.hints import HintText, read_hint, write_hint
from core.log import configure_log, get_logger
from core.sandbox.kernel import die_with_parent
from core.settings import settings
from workers.process import Process
from workers.runner import StepRunner

_log = get_logger(__name__)
_IDLE_SECONDS = 20.0


class _Child:
    """One such process. It ends by itself when it has had nothing to do for a while."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "workers.alone", str(os.getpid()), str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])

    def run(self, hint: str) -> bool:
        """Returns True when its steps have ended, False when the process is gone."""
        try:
            self._line.sendall(f"{hint}\n".encode())
            return bool(self._line.recv(1))
        except ConnectionError:
            return False

    def end(self) -> int:
        """Wait for its end. Returns its status."""
        self._line.close()
        return self.process.wait()


class Alone:
    """The processes that one worker started for such steps; each occupies the thread that waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, _Child | None] = {}  # by their hints; None while it starts
        self._idle: list[_Child] = []
        self._stopping = False

    def run(self, step_ids: Sequence[UUID]) -> None:
        """Returns when the steps have ended, or their process is gone: the rest is hinted again."""
        hint = write_hint(step_ids)
        with self._lock:
            if self._stopping or hint in self._running:  # it starts so slowly on a loaded host that it was hinted again
                return
            self._running[hint] = None
        try:
            status = self._run(hint)
        finally:
            with self._lock:
                del self._running[hint]
        if status:
            _log.warning("alone.lost", status=status, steps=[str(step_id) for step_id in step_ids])

    def _run(self, hint: str) -> int:
        """Run it in a process that is idle, else in a new one. Returns the status of one that was lost, else 0."""
        while True:
            with self._lock:
                if self._stopping:
                    return 0
                used = bool(self._idle)
                child = self._running[hint] = self._idle.pop() if used else _Child()
            if child.run(hint):
                with self._lock:
                    self._idle.append(child)
                return 0
            status = child.end()
            if status or not used:  # else it had ended for want of work just then
                return status

    def stop(self) -> None:
        """Start nothing new, and tell what runs to give its step back."""
        with self._lock:
            self._stopping = True
            for child in (*self._running.values(), *self._idle):
                if child:
                    child.process.terminate()

    def running(self) -> bool:
        """Tell whether a step is left."""
        return bool(self._running)


def main(parent: int, line: socket.socket) -> None:
    """Run what comes until TERM, until nothing comes any more, or until the worker that started this is gone."""
    die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # gone before this could ask to be told
        return
    config = settings()
    configure_log(form=config.log_format, level=config.log_level)
    process = Process(config, queues=(), threads=0, alone=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.stop.set())
    process.keeper.start()

    def run() -> None:
        line.settimeout(_IDLE_SECONDS)
        try:
            with contextlib.suppress(TimeoutError, ConnectionError), line.makefile() as hints:
                for hint in hints:
                    _run_steps(process.runner, read_hint(hint.strip()))
                    line.sendall(b".")
        finally:
            process.stop.set()

    threading.Thread(target=run, name="alone", daemon=True).start()
    process.stop.wait()
    process.shut_down()


def _run_steps(runner: StepRunner, hint: HintText) -> None:
    try:
        for step_id in hint.step_ids:
            runner.run(step_id)
    except SQLAlchemyError as error:  # the rows are as they were: the relay hints them again
        _log.warning("steps.not_claimed", error=type(error).__name__)


if __name__ == "__main__":
    main(int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
