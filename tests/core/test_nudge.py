import time

import redis

from core.nudge import CHANNEL, Nudge
from tests.conftest import wait_until


def test_a_nudge_reaches_who_listens(redis_url: str):
    with redis.Redis.from_url(redis_url) as client, client.pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(CHANNEL)
        nudge = Nudge(redis_url)
        wait_until(lambda: nudge() or listening.get_message(timeout=0.05), seconds=10)


def test_an_absent_redis_costs_the_caller_nothing():
    nudge = Nudge("unix:///nowhere/at/all")
    began = time.monotonic()
    for _ in range(5000):
        nudge()
    assert time.monotonic() - began < 0.5
