"""A step that is alone is hinted by who enqueued it; whatever that one does not know is seen by the claim and by the relay."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import text

from core.hints import turn_key
from core.nudge import CHANNEL, Nudge
from db import jobs
from db.engine import Database
from db.jobs import Scope
from scheduler.relay import Relay
from tests.conftest import wait_until
from tests.scheduler.conftest import hinted, insert, work


@pytest.fixture
def enqueuer(database: Database, database_url: str, redis_url: str) -> Iterator[Database]:
    with Database(database_url, connections=8, nudge=Nudge(redis_url)) as made:
        insert(database, "anna", 0)
        yield made


@pytest.fixture
def listening(relay: Relay) -> Relay:
    """It has subscribed, and has left a turn."""
    relay.hear(0.05)
    relay.tick()
    return relay


def claim(database: Database, step_id: UUID) -> list[jobs.Claim]:
    with database.hot() as session:
        return jobs.claim_many(session, [step_id], worker_id=uuid4(), lease=timedelta(seconds=10), alone=False)


def test_a_step_for_an_idle_queue_is_hinted_by_who_enqueued_it(enqueuer: Database, listening: Relay, wire: redis.Redis):
    [step] = insert(enqueuer, "anna", 1)
    wait_until(lambda: hinted(wire) == [step], seconds=5)
    assert not listening.hear(0.2)  # there is nothing to look for
    assert claim(enqueuer, step)


def test_what_was_hinted_so_is_not_hinted_twice_but_again_when_nobody_claims_it(
    enqueuer: Database, listening: Relay, wire: redis.Redis
):
    [step] = insert(enqueuer, "anna", 1)
    listening.hear(0.2)
    listening.tick()
    assert hinted(wire) == [step]
    wire.delete("hints:io")  # taken, by a worker that died
    wait_until(lambda: listening.tick() and hinted(wire) == [step], seconds=5)


def test_of_enqueuers_at_once_one_has_the_turn_and_the_relay_sees_to_the_others(
    enqueuer: Database, listening: Relay, wire: redis.Redis, database_url: str, redis_url: str
):
    together = threading.Barrier(8)

    def enqueue(number: int) -> list[UUID]:
        with Database(database_url, connections=1, nudge=Nudge(redis_url)) as one:
            together.wait()
            return insert(one, f"owner {number}", 1)

    with ThreadPoolExecutor(8) as pool:
        steps = {step for found in pool.map(enqueue, range(8)) for step in found}
    wait_until(lambda: listening.hear(0.5), seconds=5)
    assert len(hinted(wire)) <= 1
    work(enqueuer, threads=8)
    wait_until(lambda: listening.tick() and len(hinted(wire)) == 8, seconds=5)
    assert set(hinted(wire)) == steps  # each once


@pytest.mark.parametrize("kind", ["queue", "pipeline", "owner", "provider"])
@pytest.mark.parametrize("drain", [False, True])
def test_what_is_paused_does_not_start_though_its_enqueuer_hinted_it(
    enqueuer: Database, listening: Relay, wire: redis.Redis, kind: str, drain: bool
):
    name = {"queue": "io", "pipeline": "p", "owner": "anna", "provider": "tube"}[kind]
    with enqueuer.jobs() as session:
        jobs.pause(session, Scope(kind), name, paused_by="test", drain=drain)
    [step] = insert(enqueuer, "anna", 1)
    wait_until(lambda: hinted(wire) == [step], seconds=5)
    assert claim(enqueuer, step) == []
    with enqueuer.jobs() as session:
        jobs.resume(session, Scope(kind), name)
    assert claim(enqueuer, step)


def test_a_limit_holds_though_each_of_eight_enqueuers_finds_a_turn(enqueuer: Database, wire: redis.Redis):
    """As if a relay left turns that knows nothing of the limit."""
    with enqueuer.jobs() as session:
        jobs.set_limit(session, Scope.OWNER, "*", 2)
    steps = []
    for number in range(1, 9):
        wire.set(turn_key("io"), 1)
        steps += insert(enqueuer, "anna", 1)
        wait_until(lambda expected=number: len(hinted(wire)) == expected, seconds=5)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda step: claim(enqueuer, step), hinted(wire)))
    assert sum(map(len, claims)) == 2


@pytest.mark.parametrize(("kind", "name"), [("queue", "io"), ("owner", "*"), ("pipeline", "p"), ("provider", "*")])
def test_no_turn_is_left_where_a_limit_is_reached(
    database: Database, listening: Relay, wire: redis.Redis, kind: str, name: str
):
    assert wire.exists(turn_key("io"))
    with database.jobs() as session:
        jobs.set_limit(session, Scope(kind), name, 1)
    [step] = insert(database, "anna", 1)
    claim(database, step)
    listening.tick()
    assert not wire.exists(turn_key("io"))
    with database.jobs() as session:
        jobs.set_limit(session, Scope(kind), name, 2)
    listening.tick()
    assert wire.exists(turn_key("io"))


def test_no_turn_is_left_where_something_waits(database: Database, listening: Relay, wire: redis.Redis):
    insert(database, "anna", 50)
    listening.tick()
    assert not wire.exists(turn_key("io"))


def test_no_turn_is_left_where_no_thread_is_free(database: Database, listening: Relay, wire: redis.Redis):
    for step in insert(database, "anna", 4):
        claim(database, step)
    listening.tick()
    assert not wire.exists(turn_key("io"))


def test_without_a_relay_no_turn_is_left_for_long(listening: Relay, wire: redis.Redis):
    assert 0 < wire.pttl(turn_key("io")) <= 2000


def test_a_redis_that_forgot_the_turn_leaves_the_step_to_the_relay(enqueuer: Database, listening: Relay, wire: redis.Redis):
    wire.flushall()
    [step] = insert(enqueuer, "anna", 1)
    assert listening.hear(5)
    listening.tick()
    assert hinted(wire) == [step]


def test_a_redis_that_forgot_the_hint_is_found_out_at_the_next_look(enqueuer: Database, listening: Relay, wire: redis.Redis):
    [step] = insert(enqueuer, "anna", 1)
    wait_until(lambda: hinted(wire) == [step], seconds=5)
    listening.hear(0.2)
    wire.flushall()
    listening.tick()
    assert hinted(wire) == [step]


def test_what_lost_its_worker_meanwhile_does_not_start_beside_others(enqueuer: Database, listening: Relay, wire: redis.Redis):
    [step] = insert(enqueuer, "anna", 1)
    wait_until(lambda: hinted(wire) == [step], seconds=5)
    with enqueuer.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET deaths = 1"))
    assert claim(enqueuer, step) == []
    listening.hear(0.2)
    listening.tick()
    assert wire.lrange("hints:io", 0, -1)[-1].startswith(b"alone:")


def test_several_steps_of_one_transaction_are_for_the_relay(enqueuer: Database, listening: Relay, wire: redis.Redis):
    insert(enqueuer, "anna", 2)
    assert listening.hear(5)
    assert hinted(wire) == []


def test_a_transaction_that_did_more_than_enqueue_makes_the_relay_look(enqueuer: Database, listening: Relay, wire: redis.Redis):
    steps = [jobs.NewStep("first", "io")]
    with enqueuer.jobs() as session:
        jobs.insert_job(session, pipeline="p", owner_id="anna", args={}, steps=steps, subject=None)
        jobs.set_limit(session, Scope.OWNER, "anna", 3)
    assert listening.hear(5)
    assert hinted(wire) == []


@pytest.mark.parametrize("said", [b"", b"1", b"hinted ", b"hinted by nobody", b"\xff"])
def test_what_nobody_of_us_said_makes_the_relay_look(listening: Relay, wire: redis.Redis, said: bytes):
    wire.publish(CHANNEL, said)
    assert listening.hear(5)
