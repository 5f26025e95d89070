"""Tell the relay and the pages that rows moved. Best effort: whoever waits for a nudge also looks by itself."""

import contextlib
import queue
import threading
import time

import redis

CHANNEL = "nudge"
_TIMEOUT_SECONDS, _TOO_OLD_SECONDS, _BACK_OFF_SECONDS = 0.2, 1.0, 1.0


class Nudge:
    """Callable from any thread, never blocks: one thread publishes what a bounded queue holds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: queue.Queue[float] = queue.Queue(maxsize=16)
        self._thread: threading.Thread | None = None
        self._start = threading.Lock()

    def __call__(self) -> None:
        with contextlib.suppress(queue.Full):  # as many are on their way: one more tells nothing new
            self._queue.put_nowait(time.monotonic())
        if self._thread is None:
            with self._start:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._publish, name="nudge", daemon=True)
                    self._thread.start()

    def _publish(self) -> None:
        client = redis.Redis.from_url(
            self._url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=None
        )
        while True:
            since = self._queue.get()
            if time.monotonic() - since > _TOO_OLD_SECONDS:
                continue
            try:
                client.publish(CHANNEL, b"1")
            except redis.RedisError:
                time.sleep(_BACK_OFF_SECONDS)
