import time

import pytest
import redis

from core.nudge import CHANNEL, Listener, Nudge
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


def test_a_redis_that_stands_still_costs_the_caller_nothing(redis_url: str):
    """Of a peer, sending waited for five seconds and then raised, though the message had arrived."""
    nudge = Nudge(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.client_pause(1500)
        began = time.monotonic()
        for _ in range(5000):
            nudge()
        took = time.monotonic() - began
        client.client_unpause()
    assert took < 0.5


def test_a_listener_wakes_at_a_nudge(redis_url: str):
    listener, nudge = Listener(redis_url), Nudge(redis_url)
    wait_until(lambda: nudge() or listener.wait(0.2), seconds=10)
    listener.close()


@pytest.mark.parametrize("url", ["", "unix:///nowhere/at/all"])
def test_a_listener_without_redis_pauses(url: str):
    began = time.monotonic()
    assert not Listener(url).wait(0.1)
    assert time.monotonic() - began >= 0.1
