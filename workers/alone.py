"""`python -m workers.alone PARENT LINE`: runs steps that lost their worker, one after the other, with nothing beside them.

Whatever kills that process was doing it alone: a second loss is the step's own, and not that of a neighbour. Each step is claimed when it
is its turn, so that those behind it are not lost with it. Hints come as lines over the socket LINE; each is answered with a byte, and so
is the start.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.hints import HintText, read_hint, write_hint
from core.log import configure_log, get_logger
from core.reaping import Reaped, wait_for
from core.sandbox.kernel import die_with_parent
from core.settings import settings
from workers.hang import end_when_hung
from workers.process import Process
from workers.runner import StepRunner

_log = get_logger(__name__)
_IDLE_SECONDS = 20.0
_START_SECONDS = 60.0  # the others wait for a start: one that hangs must not hold them for ever


class _Child:
    """One such process. It ends by itself when it has had nothing to do for a while. Raises OSError where none can be made."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "workers.alone", str(os.getpid()), str(theirs.fileno())]
            try:
                self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
            except OSError:
                self._line.close()
                raise

    def begins(self) -> bool:
        """Returns True when it is ready, False when it is gone, or is sent away because it does not get ready."""
        self._line.settimeout(_START_SECONDS)
        try:
            return self._answers()
        except TimeoutError:
            self.process.kill()
            return False
        finally:
            self._line.settimeout(None)

    def run(self, hint: str) -> bool:
        """Returns True when its steps have ended, False when the process is gone."""
        try:
            self._line.sendall(f"{hint}\n".encode())
        except ConnectionError:
            return False
        return self._answers()

    def _answers(self) -> bool:
        try:
            return bool(self._line.recv(1))
        except ConnectionError:
            return False

    def end(self) -> Reaped:
        """Wait for its end."""
        self._line.close()
        return wait_for(self.process)


class Alone:
    """The processes that one worker started for such steps; each occupies the thread that waits for it.

    One starts at a time: after a kill as many suspects come at once as there are threads, most of them are short, and eight processes
    that start together take as long as the last of eight in a row.
    """

    def __init__(self, *, on_loss: Callable[[Reaped], object] = lambda _: None) -> None:
        self._on_loss = on_loss
        self._changed = threading.Condition()
        self._taken: set[UUID] = set()
        self._children: set[_Child] = set()
        self._idle: list[_Child] = []
        self._starting = self._stopping = False

    def run(self, step_ids: Sequence[UUID]) -> None:
        """Returns when the steps have ended, or their process is gone: the rest is hinted again."""
        with self._changed:
            new = [step_id for step_id in step_ids if step_id not in self._taken]  # what waits here may be hinted again
            self._taken.update(new)
        try:
            if new:
                self._run(new)
        finally:
            with self._changed:
                self._taken.difference_update(new)

    def _run(self, step_ids: Sequence[UUID]) -> None:
        while (child := self._take()) is not None:
            if child.run(write_hint(step_ids)):
                self._put_back(child)
                return
            if self._bury(child, step_ids).code:  # else it had ended for want of work just then
                return

    def _take(self) -> _Child | None:
        """One that is idle, as soon as there is one; None when nothing is to begin any more."""
        with self._changed:
            while not self._idle and self._starting and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return None
            if self._idle:
                return self._idle.pop()
            child = _Child()
            self._children.add(child)
            self._starting = True  # only now: where no process can be made, nobody is to wait for it
        ready = child.begins()
        with self._changed:
            self._starting = False
            self._changed.notify_all()
        if not ready:
            self._bury(child, ())
        return child if ready else None

    def _put_back(self, child: _Child) -> None:
        with self._changed:
            self._idle.append(child)
            self._changed.notify()

    def _bury(self, child: _Child, step_ids: Sequence[UUID]) -> Reaped:
        reaped = child.end()
        with self._changed:
            self._children.discard(child)
        if reaped.code:
            _log.warning("alone.lost", status=reaped.code, steps=[str(step_id) for step_id in step_ids])
            self._on_loss(reaped)
        return reaped

    def stop(self) -> None:
        """Start nothing new, and tell what runs to give its step back."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            for child in self._children:
                child.process.terminate()

    def running(self) -> bool:
        """Tell whether a step is left."""
        return bool(self._taken)


def main(parent: int, line: socket.socket) -> None:
    """Run what comes until TERM, until nothing comes any more, or until the worker that started this is gone."""
    die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # gone before this could ask to be told
        return
    end_when_hung()
    config = settings()
    configure_log(form=config.log_format, level=config.log_level)
    process = Process(config, queues=(), threads=0, alone=True)
    process.stop.at_signals()
    process.keeper.start()

    def run() -> None:
        line.settimeout(_IDLE_SECONDS)
        try:
            with contextlib.suppress(TimeoutError, ConnectionError), line.makefile() as hints:
                line.sendall(b".")
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
