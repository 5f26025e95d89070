"""The claimed steps of one hint: one runs, the rest wait for its thread, some have ended and are not written yet."""

import time
from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from db import jobs
from pipelines.base import Step
from pipelines.context import Context

Attempt = tuple[Context, Step]
Item = TypeVar("Item")
_WRITE_AFTER_SECONDS = 0.05
_WRITE_SECONDS = 1.0  # a write may take longer than a step before its neighbours are given to other threads


class Hint:
    """Belongs to one thread; the keeper's takes from both ends when a step turns out to be slow."""

    def __init__(self) -> None:
        self.waiting: deque[Attempt] = deque()
        self.ended: deque[tuple[Context, jobs.Success]] = deque()
        self.since = time.monotonic()  # the running step's start
        self._write_at = 0.0

    def fill(self, attempts: Iterable[Attempt]) -> None:
        """Let these wait for their turn."""
        self.since = time.monotonic()  # first: that claims took long makes no step a slow one
        self.waiting.extend(attempts)

    def next(self) -> Attempt | None:
        """The step whose turn it is; None when none waits."""
        self.since = time.monotonic()
        try:
            return self.waiting.popleft()
        except IndexError:  # or all were given back
            return None

    def end(self, ctx: Context, success: jobs.Success) -> None:
        """Note a step that is to be written as succeeded."""
        if not self.ended:
            self._write_at = time.monotonic() + _WRITE_AFTER_SECONDS
        self.ended.append((ctx, success))

    def wants_writing(self) -> bool:
        """Tell whether what ended has waited long enough for its neighbours."""
        return bool(self.ended) and time.monotonic() >= self._write_at

    def take_ended(self) -> list[tuple[Context, jobs.Success]]:
        """What is to be written now by the hint's own thread. A slow write is no slow step: others would only ask for one more."""
        self.since = time.monotonic() + _WRITE_SECONDS
        return take_all(self.ended)


def take_all(items: deque[Item]) -> list[Item]:
    """Empty `items`, though another thread may take from it too."""
    taken = []
    try:
        while True:
            taken.append(items.popleft())
    except IndexError:
        return taken
