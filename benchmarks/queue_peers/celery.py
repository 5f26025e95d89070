"""Celery on Redis, with acks_late and without results, which nobody reads."""

import os

import redis
from celery import Celery

from benchmarks.queue_peers.effect import effect

_path, _, _ = os.environ["REDIS_URL"].removeprefix("unix://").partition("?")
_client = redis.Redis.from_url(os.environ["REDIS_URL"])
app = Celery("bench", broker=f"redis+socket://{_path}")
app.conf.update(task_acks_late=True, task_ignore_result=True, broker_connection_retry_on_startup=True)
count = app.task(effect, name="count")
enqueue = count.delay


def prepare() -> None:
    """Nothing: queues come with their first message."""


def left() -> int:
    """Waiting, and taken but not acknowledged."""
    return _client.llen("celery") + _client.hlen("unacked")
