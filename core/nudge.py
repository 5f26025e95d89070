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


class Listener:
    """Waits for nudges, in one thread. While Redis is away, or none is named, a wait is a pause."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._nudges: redis.client.PubSub | None = None

    def wait(self, seconds: float) -> bool:
        """Return True once there were nudges, or False after this long."""
        deadline = time.monotonic() + seconds
        try:
            return self.receive(seconds)
        except redis.RedisError:
            time.sleep(max(0.0, deadline - time.monotonic()))
            return False

    def receive(self, seconds: float) -> bool:
        """The same for those who have to know that Redis is away. Raises RedisError; the next call subscribes anew."""
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                got = self._subscribed().get_message(timeout=left)
                if got:
                    while got:  # one look serves every nudge so far
                        got = self._subscribed().get_message(timeout=0)
                    return True
        except redis.RedisError:
            self._nudges = None
            raise
        return False

    def _subscribed(self) -> redis.client.PubSub:
        if self._nudges is None:
            if not self._url:
                raise redis.ConnectionError("no Redis is named")
            client = redis.Redis.from_url(self._url, socket_timeout=5, socket_connect_timeout=_TIMEOUT_SECONDS, retry=None)
            nudges = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            nudges.subscribe(CHANNEL)
            self._nudges = nudges
        return self._nudges

    def close(self) -> None:
        """Give the connection back."""
        if self._nudges is not None:
            self._nudges.close()
            self._nudges = None
