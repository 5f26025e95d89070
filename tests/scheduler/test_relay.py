import sys
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import text

from core.hints import hints_key, read_hint
from db import jobs
from db.engine import Database
from db.jobs import Scope
from scheduler.relay import Relay
from tests.scheduler.conftest import hinted, insert, work
from workers.broker import HintBroker


def test_no_more_is_hinted_than_live_workers_can_start(database: Database, relay: Relay, wire: redis.Redis):
    insert(database, "anna", 10)
    relay.tick()
    relay.tick()
    assert len(hinted(wire)) == 4


def test_an_owner_with_a_backlog_does_not_stand_before_anothers_first(database: Database, relay: Relay, wire: redis.Redis):
    insert(database, "anna", 50)
    [first] = insert(database, "bela", 1)
    relay.tick()
    assert first in hinted(wire)


def test_what_is_urgent_goes_first_within_its_owner(database: Database, relay: Relay, wire: redis.Redis):
    insert(database, "anna", 10)
    [urgent] = insert(database, "anna", 1, priority=0)
    relay.tick()
    assert hinted(wire)[0] == urgent


@pytest.mark.parametrize("kind", [Scope.OWNER, Scope.PROVIDER])
def test_a_limit_is_kept_by_what_is_hinted(database: Database, relay: Relay, wire: redis.Redis, kind: Scope):
    insert(database, "anna", 10)
    with database.jobs() as session:
        jobs.set_limit(session, kind, "*", 1)
    relay.tick()
    relay.tick()
    assert len(hinted(wire)) == 1


@pytest.mark.parametrize(("kind", "name"), [("queue", "io"), ("pipeline", "p"), ("owner", "anna"), ("provider", "tube")])
def test_what_is_paused_is_not_hinted(database: Database, relay: Relay, wire: redis.Redis, kind: str, name: str):
    insert(database, "anna", 3)
    with database.jobs() as session:
        jobs.pause(session, Scope(kind), name, paused_by="test")
    relay.tick()
    assert hinted(wire) == []


@pytest.mark.parametrize("owner_id", [None, "anna"])
def test_what_calls_a_provider_that_is_away_is_not_hinted(
    database: Database, relay: Relay, wire: redis.Redis, owner_id: str | None
):
    insert(database, "anna", 3)
    others = insert(database, "bela", 1)
    with database.jobs() as session:
        hour = timedelta(hours=1)
        jobs.open_breaker(session, "tube", owner_id=owner_id, open_for=hour, opened_by="test", reason=None)
    relay.tick()
    assert hinted(wire) == ([] if owner_id is None else others)


def test_a_backlog_for_a_provider_at_its_limit_does_not_hide_its_owners_other_work(
    database: Database, relay: Relay, wire: redis.Redis
):
    [first, *_] = insert(database, "anna", 100)
    others = insert(database, "anna", 2, provider="drive")
    with database.jobs() as session:
        jobs.set_limit(session, Scope.PROVIDER, "tube", 1)
        assert jobs.claim(session, first, worker_id=uuid4(), lease=timedelta(seconds=30)) is not None
    relay.tick()
    assert hinted(wire) == others


def test_a_provider_that_was_away_is_tried_by_one_step_and_no_more_are_hinted_meanwhile(
    database: Database, relay: Relay, wire: redis.Redis
):
    [first, *_] = insert(database, "anna", 3)
    with database.jobs() as session:
        was_away = "INSERT INTO jobs.breakers (provider, failures, open_until, opened_at) VALUES ('tube', 5, now(), now())"
        session.execute(text(was_away))
    relay.tick()
    assert first in hinted(wire)
    wire.flushdb()
    with database.jobs() as session:
        assert jobs.claim(session, first, worker_id=uuid4(), lease=timedelta(seconds=30)) is not None
    relay.tick()
    assert hinted(wire) == []


def test_without_a_worker_nothing_is_hinted(database: Database, relay: Relay, wire: redis.Redis):
    with database.jobs() as session:
        session.execute(text("DELETE FROM jobs.workers"))
    insert(database, "anna", 3)
    relay.tick()
    assert hinted(wire) == []


def test_when_the_last_worker_is_gone_the_next_one_is_noticed(database: Database, relay: Relay, wire: redis.Redis):
    relay.tick()
    with database.jobs() as session:
        session.execute(text("DELETE FROM jobs.workers"))
    insert(database, "anna", 1)
    relay.tick()
    relay.tick()
    assert hinted(wire) == []
    work(database, threads=4)
    relay.tick()
    assert len(hinted(wire)) == 1


def test_what_lost_its_worker_is_hinted_alone(database: Database, relay: Relay, wire: redis.Redis):
    suspect, other = insert(database, "anna", 2)
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET deaths = 1 WHERE id = :id"), {"id": suspect})
        jobs.keep_times(session, {("p", "first"): (1, 0.001)})  # short: they would share a hint
    relay.tick()
    hints = [read_hint(hint.decode()) for hint in wire.lrange(hints_key("io"), 0, -1)]
    assert {(*hint.step_ids, hint.alone) for hint in hints} == {(suspect, True), (other, False)}


def test_a_step_is_hinted_only_while_a_host_has_what_it_needs(database: Database, relay: Relay, wire: redis.Redis):
    free = text("UPDATE jobs.workers SET free_disk_bytes = :bytes")
    large, small = insert(database, "anna", 2)
    with database.jobs() as session:
        session.execute(free, {"bytes": 40})
        needs = text(
            "UPDATE jobs.job_steps SET needs_disk_bytes = CASE id WHEN :large THEN 60 ELSE 40 END, needs_memory_bytes = 0"
        )
        session.execute(needs, {"large": large})
    relay.tick()
    assert hinted(wire) == [small]
    with database.jobs() as session:
        session.execute(free, {"bytes": 60})
    relay.tick()
    assert hinted(wire) == [small, large]


def test_what_a_running_step_has_reserved_is_no_room_for_another(database: Database, relay: Relay, wire: redis.Redis):
    running, waiting = insert(database, "anna", 2)
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.workers SET free_disk_bytes = 100"))
        session.execute(text("UPDATE jobs.job_steps SET needs_disk_bytes = 60, needs_memory_bytes = 0"))
        held = jobs.claim(session, running, worker_id=uuid4(), lease=timedelta(seconds=30))
        assert jobs.reserve(session, held, jobs.Needs(disk_bytes=60), host="here", free=jobs.Free(100, None))
    relay.tick()
    assert hinted(wire) == []
    with database.jobs() as session:
        assert jobs.holds(session, held)
        jobs.fail(session, held, error="it ended")
    relay.tick()
    assert hinted(wire) == [waiting]


def delay(database: Database, step_ids: list[UUID], until: str) -> None:
    with database.jobs() as session:
        statement = "UPDATE jobs.job_steps SET status = 'retrying', available_at = now() + CAST(:until AS interval) WHERE id = ANY(:ids)"
        session.execute(text(statement), {"ids": step_ids, "until": until})


def test_what_is_queued_and_what_is_delayed_outlives_a_redis_that_forgot_everything(
    database: Database, relay: Relay, wire: redis.Redis
):
    """Of peers, a flush of Redis lost what was queued, and a restart what was delayed, without a line in any log."""
    queued = insert(database, "anna", 2)
    delayed = insert(database, "anna", 1)
    delay(database, delayed, "1 hour")
    relay.tick()
    assert set(hinted(wire)) == set(queued)
    wire.flushdb()
    relay.tick()
    assert set(hinted(wire)) == set(queued)
    delay(database, delayed, "0 s")
    relay.tick()
    assert set(hinted(wire)) == {*queued, *delayed}


def test_steps_for_next_month_do_not_stand_before_one_that_is_due(database: Database, relay: Relay, wire: redis.Redis):
    """Of a peer, delayed messages of the far future filled the memory that those of the near one had to pass through."""
    delay(database, insert(database, "anna", 200, priority=0), "30 days")
    due = insert(database, "anna", 1, priority=3)
    relay.tick()
    assert hinted(wire) == due


def test_redis_is_asked_for_nothing_that_grows_with_what_it_holds(
    database: Database, relay: Relay, wire: redis.Redis, redis_url: str
):
    """A peer looked for dead workers through all keys: with a million of them, Redis stood still for seconds."""
    insert(database, "anna", 2)
    consumer = HintBroker(redis_url, room=1).consume("io")
    wire.config_resetstat()
    relay.tick()
    assert next(consumer) is not None
    asked = {name.removeprefix("cmdstat_").partition("|")[0] for name in wire.info("commandstats")}
    assert (
        {"rpush", "blmpop"}
        <= asked
        <= {"rpush", "blmpop", "exists", "llen", "set", "config", "client", "hello", "select", "info"}
    )


def test_a_stock_of_hints_is_looked_after_before_it_is_used_up(
    database: Database, relay: Relay, wire: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    """That it was claimed moves nothing of which the relay is told: it came back once a second, and workers stood still."""
    insert(database, "anna", 300)
    with database.jobs() as session:
        jobs.keep_times(session, {("p", "first"): (1, 0.001)})
    waits: list[float] = []

    def hear(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == 1 or sys.exit()

    monkeypatch.setattr(relay, "hear", hear)
    monkeypatch.setattr("scheduler.relay.time.sleep", waits.append)
    with pytest.raises(SystemExit):
        relay.run()
    assert len(hinted(wire)) == 300
    _, rest, wait = waits
    assert (rest <= 0.05, wait <= 0.05) == (True, True)
