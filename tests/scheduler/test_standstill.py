from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import text

from core.hints import hints_key, write_hint
from db import jobs
from db.engine import Database
from db.jobs import Invariant, Scope
from scheduler.standstill import LOOKS, Standstill
from tests.db.test_jobs import LEASE
from tests.scheduler.conftest import hinted, insert, work


@pytest.fixture
def standstill(database: Database, redis_url: str, wire: redis.Redis) -> Standstill:
    work(database, threads=2)
    change(database, "UPDATE jobs.workers SET started_at = now() - interval '2 minutes', seen_at = now() + interval '1 minute'")
    return Standstill(database, redis_url)


def change(database: Database, statement: str) -> None:
    with database.jobs() as session:
        session.execute(text(statement))


def look(standstill: Standstill, times: int = LOOKS) -> None:
    for _ in range(times):
        standstill.tick()


def take(database: Database, step_id: UUID) -> None:
    with database.jobs() as session:
        assert jobs.claim(session, step_id, worker_id=uuid4(), lease=LEASE)


def kept(database: Database, invariant: Invariant = Invariant.DUE_ARE_STARTED) -> int:
    with database.jobs() as session:
        return jobs.count_violations(session)[invariant]


def test_what_nobody_starts_though_a_thread_is_free_is_told_and_hinted(
    database: Database, standstill: Standstill, wire: redis.Redis
):
    [first, _] = insert(database, "anna", 2)
    look(standstill, LOOKS - 1)
    assert hinted(wire) == []
    look(standstill, 1)
    assert hinted(wire) == [first]
    assert kept(database) == 1


def test_a_queue_that_moves_is_left_to_the_relay(database: Database, standstill: Standstill):
    first, *_ = insert(database, "anna", 3)
    look(standstill, LOOKS - 1)
    take(database, first)
    change(database, f"UPDATE jobs.job_steps SET status = 'succeeded', lease_until = NULL WHERE id = '{first}'")
    look(standstill, LOOKS - 1)
    assert kept(database) == 0
    look(standstill, 1)
    assert kept(database) == 1


def suspect(database: Database) -> UUID:
    [step_id] = insert(database, "bela", 1)
    change(database, f"UPDATE jobs.job_steps SET deaths = 1 WHERE id = '{step_id}'")
    return step_id


def limit(database: Database) -> None:
    with database.jobs() as session:
        jobs.set_limit(session, Scope.OWNER, "*", 0)


def pause(database: Database) -> None:
    with database.jobs() as session:
        jobs.pause(session, Scope.PIPELINE, "p", paused_by="test")


HELD: dict[str, Callable[[Database], object]] = {
    "the threads are busy": lambda database: [take(database, step_id) for step_id in insert(database, "bela", 2)],
    "a suspect runs": lambda database: take(database, suspect(database)),
    "its worker is new": lambda database: change(database, "UPDATE jobs.workers SET started_at = now()"),
    "its worker has gone": lambda database: change(database, "UPDATE jobs.workers SET seen_at = now() - interval '6 seconds'"),
    "it runs again later": lambda database: change(
        database, "UPDATE jobs.job_steps SET available_at = now() + interval '1 minute'"
    ),
    "its provider failed": lambda database: change(
        database,
        "INSERT INTO jobs.breakers (provider, owner_id, failures, open_until) VALUES ('tube', '', 5, now() + interval '1 minute')",
    ),
    "a limit": limit,
    "a pause": pause,
}


@pytest.mark.parametrize("reason", HELD)
def test_what_a_rule_holds_back_stands_still_by_right(database: Database, standstill: Standstill, reason: str):
    insert(database, "anna", 1)
    HELD[reason](database)
    look(standstill)
    assert kept(database) == 0


def test_a_suspect_that_nobody_starts_is_told_and_hinted_to_run_alone_and_the_others_wait_for_it(
    database: Database, standstill: Standstill, wire: redis.Redis
):
    insert(database, "anna", 1)
    alone = suspect(database)
    look(standstill)
    assert wire.lrange(hints_key("io"), 0, -1) == [write_hint([alone], alone=True).encode()]
    assert kept(database) == 1


def test_a_suspect_that_a_limit_holds_back_hides_nobody(database: Database, standstill: Standstill, wire: redis.Redis):
    [step_id] = insert(database, "anna", 1)
    suspect(database)
    with database.jobs() as session:
        jobs.set_limit(session, Scope.OWNER, "bela", 0)
    look(standstill)
    assert hinted(wire) == [step_id]


def test_the_minute_begins_when_the_last_rule_let_go(database: Database, standstill: Standstill):
    insert(database, "anna", 1)
    pause(database)
    look(standstill)
    with database.jobs() as session:
        jobs.resume(session, Scope.PIPELINE, "p")
    look(standstill, LOOKS - 1)
    assert kept(database) == 0


def test_nothing_is_held_against_a_platform_that_redis_left(
    database: Database, standstill: Standstill, monkeypatch: pytest.MonkeyPatch
):
    insert(database, "anna", 1)
    look(standstill, LOOKS - 1)
    with monkeypatch.context() as away:
        away.setattr(standstill, "_redis", redis.Redis(unix_socket_path="/nowhere"))
        look(standstill, 1)
    look(standstill, LOOKS - 1)
    assert kept(database) == 0


def end(database: Database) -> UUID:
    [step_id] = insert(database, "anna", 1)
    take(database, step_id)
    change(database, "UPDATE jobs.job_steps SET status = 'succeeded', lease_until = NULL")
    return step_id


@pytest.mark.parametrize("names", [lambda database: end(database).hex, lambda _: uuid4().hex, lambda _: "nothing"])
def test_a_hint_of_no_live_step_that_nobody_takes_is_told_and_removed(
    database: Database, standstill: Standstill, wire: redis.Redis, names: Callable[[Database], str]
):
    wire.rpush(hints_key("io"), names(database))
    look(standstill)
    assert wire.llen(hints_key("io")) == 0
    assert kept(database, Invariant.HINTS_ARE_ROWS) == 1


def test_a_hint_of_what_waits_for_its_retry_stays(database: Database, standstill: Standstill, wire: redis.Redis):
    [step_id] = insert(database, "anna", 1)
    change(database, "UPDATE jobs.job_steps SET available_at = now() + interval '1 minute'")
    wire.rpush(hints_key("io"), write_hint([step_id]))
    look(standstill)
    assert hinted(wire) == [step_id]
    assert kept(database, Invariant.HINTS_ARE_ROWS) == 0


def test_a_hint_may_lie_before_workers_that_are_away(database: Database, standstill: Standstill, wire: redis.Redis):
    change(database, "UPDATE jobs.workers SET seen_at = now() - interval '6 seconds'")
    wire.rpush(hints_key("io"), uuid4().hex)
    look(standstill)
    assert wire.llen(hints_key("io")) == 1
