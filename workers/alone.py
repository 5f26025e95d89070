"""`python -m workers.alone HINT PARENT`: runs steps that lost their worker in a process of their own, one after the other.

Whatever kills that process was doing it alone: a second loss is the step's own, and not that of a neighbour. Each step is claimed when it
is its turn, so that those behind it are not lost with it.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.hints import read_hint, write_hint
from core.log import configure_log, get_logger
from core.sandbox.kernel import die_with_parent
from core.settings import settings
from workers.process import Process

_log = get_logger(__name__)


class Alone:
    """The processes that one worker started for such steps; each occupies the thread that waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}  # by their hints
        self._stopping = False

    def run(self, step_ids: Sequence[UUID]) -> None:
        """Returns when the steps have ended, or their process is gone: the rest is hinted again."""
        hint = write_hint(step_ids)
        with self._lock:
            if self._stopping or hint in self._children:  # it starts so slowly on a loaded host that it was hinted again
                return
            child = subprocess.Popen([sys.executable, "-m", "workers.alone", hint, str(os.getpid())])
            self._children[hint] = child
        status = child.wait()
        with self._lock:
            del self._children[hint]
        if status:
            _log.warning("alone.lost", status=status, steps=[str(step_id) for step_id in step_ids])

    def stop(self) -> None:
        """Start nothing new, and tell what runs to give its step back."""
        with self._lock:
            self._stopping = True
            for child in self._children.values():
                child.terminate()

    def running(self) -> bool:
        """Tell whether one is left."""
        return bool(self._children)


def main(hint: str, parent: int) -> None:
    """Run them until TERM, or until the worker that started this is gone."""
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
        try:
            for step_id in read_hint(hint).step_ids:
                process.runner.run(step_id)
        except SQLAlchemyError as error:  # the rows are as they were: the relay hints them again
            _log.warning("steps.not_claimed", error=type(error).__name__)
        finally:
            process.stop.set()

    threading.Thread(target=run, name="alone", daemon=True).start()
    process.stop.wait()
    process.shut_down()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
