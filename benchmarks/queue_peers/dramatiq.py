"""Bare dramatiq: its Redis broker with the default middleware."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.queue_peers.effect import effect

broker = RedisBroker(url=os.environ["REDIS_URL"])
dramatiq.set_broker(broker)
count = dramatiq.actor(effect, actor_name="count")
enqueue = count.send


def prepare() -> None:
    """Nothing: queues come with their first message."""


def left() -> int:
    """A message is there until it is acknowledged."""
    return broker.client.hlen(f"{broker.namespace}:default.msgs")
