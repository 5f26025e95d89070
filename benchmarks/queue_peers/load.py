"""`python -m benchmarks.queue_peers.load SYSTEM`: enqueues as it is told on standard input, one JSON object a line, and answers so.

A system is a module beside this one with `prepare()`, `enqueue(number)`, `left()` (jobs not yet over) and, where the system
has a way to write many at once, `enqueue_many(numbers)`. Times are seconds of the machine's monotonic clock.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.queue_peers.names import COUNTED

CHUNK = 1000  # jobs of one bulk call


class Load:
    """Each method is a command; its arguments and its answer travel as JSON."""

    def __init__(self, system: Any) -> None:  # noqa: ANN401  (a module)
        self._system = system

    def prepare(self) -> None:
        self._system.prepare()

    def left(self) -> int:
        return int(self._system.left())

    def one_by_one(self, count: int, threads: int) -> float:
        """Jobs per second. Each thread's first job, which connects, is not timed."""
        each = count // threads

        def work() -> tuple[float, float]:
            self._system.enqueue(COUNTED)
            began = time.monotonic()
            for _ in range(each - 1):
                self._system.enqueue(COUNTED)
            return began, time.monotonic()

        with ThreadPoolExecutor(threads) as pool:
            working = [pool.submit(work) for _ in range(threads)]
            times = [future.result() for future in working]
        return threads * (each - 1) / (max(ended for _, ended in times) - min(began for began, _ in times))

    def many(self, count: int) -> float | None:
        """Jobs per second, or None where the system knows no such thing; then they are written one by one."""
        enqueue_many: Callable[[list[int]], object] | None = getattr(self._system, "enqueue_many", None)
        if enqueue_many is None:
            self.one_by_one(count, 1)
            return None
        began = time.monotonic()
        for start in range(0, count, CHUNK):
            enqueue_many([COUNTED] * min(CHUNK, count - start))
        return count / (time.monotonic() - began)

    def pace(self, gaps: list[float], threads: int) -> list[float]:
        """Enqueue job 0, 1, … with these gaps in seconds between them; returns when each call began."""
        at = [time.monotonic() + 0.1]
        for gap in gaps[1:]:
            at.append(at[-1] + gap)
        began = [0.0] * len(gaps)

        def work(first: int) -> None:
            for number in range(first, len(gaps), threads):
                time.sleep(max(0.0, at[number] - time.monotonic()))
                began[number] = time.monotonic()
                self._system.enqueue(number)

        with ThreadPoolExecutor(threads) as pool:
            for future in [pool.submit(work, first) for first in range(threads)]:
                future.result()
        return began


def main(name: str) -> None:
    """Obey until the input ends."""
    load = Load(importlib.import_module(f"benchmarks.queue_peers.{name}"))
    answers, sys.stdout = sys.stdout, sys.stderr  # what a system prints is no answer
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(load, order.pop("do"))(**order)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
