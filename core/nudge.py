"""Tell the relay and the pages that rows moved. Best effort: whoever waits for a nudge also looks by itself.

Where all that there is to tell is one step that may start, and the relay left a turn for its queue, the nudge hints the step itself.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import redis

from core.hints import hints_key, read_hint, turn_key, write_hint

CHANNEL = "nudge"
_TIMEOUT_SECONDS, _TOO_OLD_SECONDS, _BACK_OFF_SECONDS = 0.2, 1.0, 1.0
_LOOK, _HINTED = b"look", b"hinted "
# Whoever listens hears of the hint after it is there.
_START = """
local hinted = redis.call('DEL', KEYS[1]) == 1
if hinted then redis.call('RPUSH', KEYS[2], ARGV[1]) end
redis.call('PUBLISH', ARGV[2], hinted and ARGV[3] .. ARGV[1] or ARGV[4])
"""


@dataclass(frozen=True, slots=True)
class Start:
    """A step that became ready, where nothing else moved."""

    queue: str
    step_id: UUID


@dataclass(frozen=True, slots=True)
class _News:
    start: Start | None
    since: float = field(default_factory=time.monotonic)


class Nudge:
    """Callable from any thread, never blocks: one thread publishes what a bounded queue holds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: queue.Queue[_News] = queue.Queue(maxsize=16)
        self._thread: threading.Thread | None = None
        self._start = threading.Lock()

    def __call__(self, start: Start | None = None) -> None:
        with contextlib.suppress(queue.Full):  # as many are on their way: one more tells nothing new
            self._queue.put_nowait(_News(start))
        if self._thread is None:
            with self._start:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._publish, name="nudge", daemon=True)
                    self._thread.start()

    def _publish(self) -> None:
        client = redis.Redis.from_url(
            self._url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=None
        )
        begin = client.register_script(_START)
        while True:
            news = self._take()
            if time.monotonic() - news[-1].since > _TOO_OLD_SECONDS:
                continue
            start = news[0].start if len(news) == 1 else None  # many at once are for the relay: it shares out and groups
            try:
                if start is None:
                    client.publish(CHANNEL, _LOOK)
                else:
                    keys = [turn_key(start.queue), hints_key(start.queue)]
                    begin(keys=keys, args=[write_hint([start.step_id]), CHANNEL, _HINTED, _LOOK])
            except redis.RedisError:
                time.sleep(_BACK_OFF_SECONDS)

    def _take(self) -> list[_News]:
        """Wait for news, and take all that there are: one look serves them all, and those that found the queue full."""
        news = [self._queue.get()]
        with contextlib.suppress(queue.Empty):
            while True:
                news.append(self._queue.get_nowait())
        return news


@dataclass(frozen=True, slots=True)
class Heard:
    """The nudges of one wait: steps that were hinted already, and whether anything else moved."""

    hinted: Sequence[UUID]
    look: bool


class Listener:
    """Waits for nudges, in one thread. While Redis is away, or none is named, a wait is a pause."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._nudges: redis.client.PubSub | None = None

    def wait(self, seconds: float) -> bool:
        """Return True once there were nudges, or False after this long."""
        deadline = time.monotonic() + seconds
        try:
            return self.receive(seconds) is not None
        except redis.RedisError:
            time.sleep(max(0.0, deadline - time.monotonic()))
            return False

    def receive(self, seconds: float) -> Heard | None:
        """The same, with what was said, for those who have to know that Redis is away.

        Raises RedisError; the next call subscribes anew.
        """
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                got = self._subscribed().get_message(timeout=left)
                if got:
                    said = []
                    while got:  # one look serves every nudge so far
                        said.append(got["data"])
                        got = self._subscribed().get_message(timeout=0)
                    return _heard(said)
        except redis.RedisError:
            self._nudges = None
            raise
        return None

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


def _heard(said: Sequence[bytes]) -> Heard:
    hinted: list[UUID] = []
    for each in said:
        with contextlib.suppress(ValueError):  # what nobody of us said is a reason to look
            if each.startswith(_HINTED):
                hinted += read_hint(each.removeprefix(_HINTED).decode()).step_ids
    return Heard(hinted, look=len(hinted) < len(said))
