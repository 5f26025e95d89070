"""arq, ten jobs at a time as by default. Its default is to poll twice a second; 20 times a second does it more justice."""

import os
from typing import Any, ClassVar

from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import default_queue_name

from benchmarks.queue_peers.effect import Effect
from benchmarks.queue_peers.per_thread import PerThread

_SETTINGS = RedisSettings(unix_socket_path=os.environ["REDIS_URL"].removeprefix("unix://").partition("?")[0])
_effect = Effect()


async def _connect() -> ArqRedis:
    return await create_pool(_SETTINGS)


_pool = PerThread(_connect)


async def count(_ctx: dict[str, Any], number: int) -> None:
    await _effect(number)


class WorkerSettings:
    """What `arq` reads."""

    functions: ClassVar = [count]
    redis_settings = _SETTINGS
    poll_delay = 0.05


def enqueue(number: int) -> None:
    _pool(lambda pool: pool.enqueue_job("count", number))


def prepare() -> None:
    """Nothing: queues come with their first message."""


def left() -> int:
    return _pool(lambda pool: pool.zcard(default_queue_name))
