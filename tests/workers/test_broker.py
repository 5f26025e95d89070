from uuid import uuid4

import redis

from core.hints import hints_key, write_hint
from workers.broker import HintBroker


def send(wire: redis.Redis, count: int) -> None:
    for _ in range(count):
        wire.rpush(hints_key("io"), write_hint([uuid4()]))


def test_a_process_that_is_to_stop_leaves_hints_to_the_others(wire: redis.Redis, redis_url: str):
    """Of a peer, a worker that was draining went on fetching, and held what it could not begin until its old work had ended."""
    broker = HintBroker(redis_url, room=8)
    consumer = broker.consume("io")
    broker.taking.clear()
    send(wire, 1)
    assert next(consumer) is None
    assert wire.llen(hints_key("io")) == 1


def test_no_more_is_taken_than_there_is_room_for(wire: redis.Redis, redis_url: str):
    """Peers fetch ahead: what one busy process holds, an idle one cannot run."""
    consumer = HintBroker(redis_url, room=2).consume("io")
    send(wire, 4)
    first, second = next(consumer), next(consumer)
    assert first
    assert second
    assert next(consumer) is None
    consumer.ack(first)
    assert next(consumer) is not None
    assert wire.llen(hints_key("io")) == 1
