"""What every system's job does: one Redis command. Runs in the environment of the system that is measured."""

import os
import time

import redis
import redis.asyncio

from benchmarks.queue_peers.names import COUNTED, STARTED, ran_key

_WORKER = os.environ.get("BENCH_WORKER", "0")
_URL = os.environ["REDIS_URL"]
_client = redis.Redis.from_url(_URL)


def effect(number: int) -> None:
    """Count, or note when job `number` started."""
    if number == COUNTED:
        _client.incr(ran_key(_WORKER))
    else:
        _client.hset(STARTED, str(number), str(time.monotonic()))


class Effect:
    """The same for systems whose jobs are coroutines; made inside the worker's event loop."""

    def __init__(self) -> None:
        self._client: redis.asyncio.Redis | None = None

    async def __call__(self, number: int) -> None:
        if self._client is None:
            self._client = redis.asyncio.Redis.from_url(_URL)
        if number == COUNTED:
            await self._client.incr(ran_key(_WORKER))
        else:
            await self._client.hset(STARTED, str(number), str(time.monotonic()))
