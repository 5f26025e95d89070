"""`up` on a home of its own, in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from api_stub.cli import ROOT
from core.errors import Transient
from core.local_stack.programs import SAME

_START_SECONDS, _STOP_SECONDS = 90, 45


@contextmanager
def platform(home: Path, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """`up` on this home; gives the link that signs in."""
    environment = {
        **os.environ,
        "SAMPLE": "false",
        "WATCH_FOLDER": str(home / "watched"),
        "PYTHONUNBUFFERED": "1",
        **(environment or {}),
    }
    argv = [sys.executable, "-m", "api_stub.cli", "up", "--port", "0", "--home", str(home)]
    said = home.with_name("up.log")
    with said.open("wb") as log:
        # The kernel tells it when we are killed, so that nothing is left behind.
        command = SAME.command(argv, death_signal=signal.SIGINT)
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield _wait_for_link(process, said)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_SECONDS)


def _wait_for_link(process: subprocess.Popen[bytes], said: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for line in said.read_text().splitlines():
            if line.startswith("Open "):
                return line.removeprefix("Open ")
        time.sleep(0.1)
    raise Transient(f"the platform did not start:\n{said.read_text()[-2000:]}")
