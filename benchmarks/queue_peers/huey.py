"""Huey on Redis with threads. It acknowledges nothing: a job that was taken is gone."""

import os

from huey import RedisHuey

from benchmarks.queue_peers.effect import effect

huey = RedisHuey("bench", url=os.environ["REDIS_URL"])
enqueue = huey.task(name="count")(effect)


def prepare() -> None:
    """Nothing: queues come with their first message."""


def left() -> int:
    return huey.pending_count()
