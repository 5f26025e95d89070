"""RQ with its ordinary worker, which forks for every job."""

import os

from redis import Redis
from rq import Queue
from rq.registry import StartedJobRegistry

from benchmarks.queue_peers.effect import effect

queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))


def enqueue(number: int) -> None:
    queue.enqueue(effect, number)


def enqueue_many(numbers: list[int]) -> None:
    queue.enqueue_many([Queue.prepare_data(effect, (number,)) for number in numbers])


def prepare() -> None:
    """Nothing: queues come with their first message."""


def left() -> int:
    return queue.count + StartedJobRegistry(queue=queue).count
