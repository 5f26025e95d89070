"""Group commit: what threads of one process want written at the same time is written in one transaction."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Entry(Generic[Item, Result]):
    __slots__ = ("error", "items", "leads", "result", "turn")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.turn = threading.Event()  # set when the result is there, or when this caller is to lead
        self.leads = False
        self.result: Result | None = None
        self.error: Exception | None = None


class GroupCommit(Generic[Item, Result]):
    """One caller at a time, the leader, writes; who comes meanwhile rides with the next write. Nobody waits for company."""

    def __init__(self, write: Callable[[list[Item]], Result], *, most: int) -> None:
        self._write = write
        self._most = most
        self._lock = threading.Lock()
        self._pending: deque[_Entry[Item, Result]] = deque()
        self._led = False

    def submit(self, items: Sequence[Item]) -> Result:
        """Return, or raise, what the write of the group that holds these items did. The result is shared by the group."""
        entry: _Entry[Item, Result] = _Entry(items)
        with self._lock:
            self._pending.append(entry)
            if not self._led:
                self._led = entry.leads = True
        if not entry.leads:
            entry.turn.wait()
        if entry.leads:
            self._lead()
        if entry.error is not None:
            raise entry.error
        return cast("Result", entry.result)  # there is one where there is no error

    def _lead(self) -> None:
        group = self._take()
        result: Result | None = None
        error: Exception | None = None
        try:
            result = self._write([item for entry in group for item in entry.items])
        except Exception as raised:  # noqa: BLE001  (each caller raises it)
            error = raised
        for entry in group:
            entry.result, entry.error, entry.leads = result, error, False
            entry.turn.set()
        with self._lock:
            if self._pending:  # who has waited longest leads the next write
                self._pending[0].leads = True
                self._pending[0].turn.set()
            else:
                self._led = False

    def _take(self) -> list[_Entry[Item, Result]]:
        with self._lock:
            group = [self._pending.popleft()]
            count = len(group[0].items)
            while self._pending and count + len(self._pending[0].items) <= self._most:
                group.append(self._pending.popleft())
                count += len(group[-1].items)
        return group
