"""SAQ on Redis with its defaults: ten jobs at a time."""

import os
from typing import Any

import redis.asyncio
from saq.queue.redis import RedisQueue

from benchmarks.queue_peers.effect import Effect
from benchmarks.queue_peers.per_thread import PerThread

_effect = Effect()


async def _connect() -> RedisQueue:
    queue = RedisQueue(redis.asyncio.from_url(os.environ["REDIS_URL"]))
    await queue.connect()
    return queue


async def count(_ctx: dict[str, Any], *, number: int) -> None:
    await _effect(number)


def settings() -> dict[str, Any]:
    """What `saq` reads."""
    return {"queue": RedisQueue(redis.asyncio.from_url(os.environ["REDIS_URL"])), "functions": [count]}


_queue = PerThread(_connect)


def enqueue(number: int) -> None:
    _queue(lambda queue: queue.enqueue("count", number=number))


def prepare() -> None:
    """Nothing: queues come with their first message."""


def left() -> int:
    return _queue(lambda queue: queue.count("incomplete"))
