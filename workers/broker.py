"""Hints over Redis. Losing one loses time only: no acks, no message bodies, no delay queue, no middleware."""

import itertools
import threading
from typing import Any

import dramatiq
import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed

from core.hints import hints_key

ACTOR = "run_steps"


class HintConsumer(Consumer):
    """Blocks in Redis, and only while this process has room for one more."""

    def __init__(self, client: redis.Redis, queue_name: str, *, room: int, taking: threading.Event) -> None:
        self._taking = taking
        self._client = client
        self._queue_name = queue_name
        self._room = threading.Semaphore(room)
        self._numbers = itertools.count()

    def __next__(self) -> MessageProxy | None:
        if not self._taking.wait(1) or not self._room.acquire(timeout=1):
            return None
        try:
            got: Any = self._client.blmpop(1, 1, hints_key(self._queue_name), direction="LEFT", count=1)
        except redis.RedisError as error:  # its TimeoutError too, which dramatiq itself does not know
            self._room.release()
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        if not got:
            self._room.release()
            return None
        return MessageProxy(
            dramatiq.Message(
                queue_name=self._queue_name,
                actor_name=ACTOR,
                args=(got[1][0].decode(),),
                kwargs={},
                options={},
                message_id=str(next(self._numbers)),
                message_timestamp=0,
            )
        )

    def ack(self, message: MessageProxy) -> None:  # noqa: ARG002
        self._room.release()

    def nack(self, message: MessageProxy) -> None:
        self.ack(message)

    def requeue(self, messages: Any) -> None:  # noqa: ANN401  (dramatiq's signature)
        """Nothing to do: the relay hints again what nobody claimed."""

    def close(self) -> None:
        """The client is the broker's."""


class HintBroker(RedisBroker):
    """A Redis broker that only carries hints."""

    def __init__(self, url: str, *, room: int) -> None:
        super().__init__(url=url, middleware=[])  # type: ignore[no-untyped-call]
        self._room = room
        self.taking = threading.Event()  # cleared when this process is to take no more hints
        self.taking.set()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> HintConsumer:  # noqa: ARG002
        return HintConsumer(self.client, queue_name, room=self._room, taking=self.taking)

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:  # without its delay queue
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)
