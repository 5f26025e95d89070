"""One launched child as its parent sees it: three pipes, a line to hold it by, and its certain end."""

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import ChildDied
from core.sandbox.plan import Plan, Report
from core.sandbox.streams import Lines, Tail

_LAUNCHER = Path(__file__).with_name("launcher.py")
_CHUNK_BYTES = 64 * 1024
_PIPE_CHUNKS = 64  # more than a pipe can hold
_TICK_SECONDS = 0.1
_TERM_SECONDS = 2.0
_KILL_SECONDS = 8.0  # of a process that the kernel holds in a disk or network call


class Child:
    """Started when made; a context that ends it. Used by one thread: the kernel ends the child with the thread that made it."""

    def __init__(self, plan: Plan, environment: Mapping[str, str], on_line: Callable[[str], None] | None) -> None:
        self.lines = Lines(on_line)
        self.errors = Tail()
        self._said = bytearray()
        self._status, status = os.pipe()
        try:
            self._process = _launch(status, environment)
        except OSError:
            os.close(self._status)
            raise
        finally:
            os.close(status)
        self._open_pipes(plan)

    def _open_pipes(self, plan: Plan) -> None:
        assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: S101, PT018  (for mypy)
        self._lifeline = self._process.stdin
        self._readers: dict[int, Callable[[bytes], None]] = {
            self._process.stdout.fileno(): self.lines.feed,
            self._process.stderr.fileno(): self.errors.feed,
            self._status: self._said.extend,
        }
        self._poll = select.poll()
        for descriptor in self._readers:
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)
        text = json.dumps(plan).encode()
        self._say(struct.pack("!Q", len(text)) + text)

    def pump(self, seconds: float = _TICK_SECONDS) -> bool:
        """Take in what was said, waiting for it at most so long. False: the child and all it started are gone."""
        if self._status in self._readers:
            for descriptor, _ in self._poll.poll(max(0.0, seconds) * 1000):
                self._read(descriptor)
        return self._status in self._readers

    def end(self) -> None:
        """TERM, 2 s, KILL; returns when all are gone. Raises ChildDied when the kernel does not let go of one."""
        self.lines.silence()
        self._say(b"t")
        if not self._gone(_TERM_SECONDS):
            self._lifeline.close()
            if not self._gone(_KILL_SECONDS):
                self._process.kill()
                raise ChildDied(
                    "a child cannot be killed: the kernel holds it in a disk or network call; look at that disk, then restart",
                    evidence={"reason": "unkillable", "stderr": self.errors.text},
                )

    def finish(self) -> Report:
        """What the launcher told, once `pump` returned False; empty when it was killed before it could."""
        for descriptor in list(self._readers):
            for _ in range(_PIPE_CHUNKS):  # bounded: without namespaces, a process that got away could fill it for ever
                if not self._read(descriptor):
                    break
        self.lines.finish()
        report = Report()
        for line in self._said.splitlines():
            report.update(json.loads(line))
        return report

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Nothing outlives the block, whatever interrupted it: the closed line kills what is left."""
        self._lifeline.close()
        self._gone(_KILL_SECONDS)
        self._process.kill()  # the launcher itself; it has ended, or cannot
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_SECONDS)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        os.close(self._status)

    def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.pump(min(_TICK_SECONDS, deadline - time.monotonic())):
            if time.monotonic() >= deadline:
                return False
        return True

    def _read(self, descriptor: int) -> bool:
        """Tell whether there may be more to read."""
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if chunk:
            self._readers[descriptor](chunk)
        else:
            self._poll.unregister(descriptor)
            del self._readers[descriptor]
        return bool(chunk)

    def _say(self, words: bytes) -> None:
        """A launcher that has died is not told; its end is seen on the status pipe."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            while words:
                words = words[self._lifeline.write(words) or 0 :]


def _launch(status: int, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_LAUNCHER), str(status)],
        stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0,
        pass_fds=(status,), env=dict(environment), cwd="/", start_new_session=True,
    )  # fmt: skip
