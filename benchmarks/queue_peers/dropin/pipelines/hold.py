"""Holds a thread for a while, as a transcode does, and notes in Redis when it began and how many ran beside it."""

import os
import time
from dataclasses import dataclass

import redis

from benchmarks.queue_peers.names import BESIDE, MOST_BESIDE, STARTED
from pipelines.base import Pipeline, step
from pipelines.context import Context

_client = redis.Redis.from_url(os.environ["REDIS_URL"])
_ENTER = _client.register_script("""
local beside = redis.call('INCR', KEYS[1])
if beside > tonumber(redis.call('GET', KEYS[2]) or '0') then redis.call('SET', KEYS[2], beside) end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
""")


@dataclass(frozen=True, slots=True)
class Hold:
    """Its name in the notes, and for how long."""

    name: str
    seconds: float


@step(queue="media")
def hold(ctx: Context) -> None:
    """Begin, stay, leave."""
    _ENTER(keys=[BESIDE, MOST_BESIDE, STARTED], args=[ctx.args["name"], time.monotonic()])
    time.sleep(ctx.args["seconds"])
    _client.decr(BESIDE)


PIPELINE = Pipeline("hold", Hold, (hold,))
