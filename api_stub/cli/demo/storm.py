"""Kills one process of each kind of a running platform, one after the other."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api_stub.cli.demo.saying import say

_KINDS = {
    "web": "-m\0api_stub\0",
    "scheduler": "-m\0scheduler\0",
    "worker": "-m\0workers\0--queues\0io,web\0",
    "media": "-m\0workers\0--queues\0media\0",
    "ai": "-m\0workers\0--queues\0ai\0",
    "postgres": "/postgres\0",
    "redis": "valkey-server",
}
_FIRST_SECONDS, _BETWEEN_SECONDS = 8.0, 12.0


@contextmanager
def kill_each(home: Path) -> Iterator[list[str]]:
    """While the block runs, each kind of process of the platform on `home` is killed once with -9; gives those that were."""
    killed: list[str] = []
    over = threading.Event()
    thread = threading.Thread(target=_kill_in_turn, args=(home, killed, over), daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def _kill_in_turn(home: Path, killed: list[str], over: threading.Event) -> None:
    pause = _FIRST_SECONDS
    for kind, command in _KINDS.items():
        if over.wait(pause):
            return
        process = _find(command, home)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                killed.append(kind)
                say(f"kill -9 {kind}")
        pause = _BETWEEN_SECONDS


def _find(command: str, home: Path) -> int | None:
    """The process with this in its command line that belongs to the home, the oldest where there are several."""
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):
            said = (folder / "cmdline").read_text(errors="replace")
            around = said + (folder / "environ").read_text(errors="replace")
            if command in said and str(home) in around:
                return int(folder.name)
    return None
