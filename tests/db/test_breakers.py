import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.errors import Invalid, NotFound, Unavailable
from db import jobs, status
from db.engine import Database
from db.jobs import NewStep
from db.why import why_not_running
from tests.conftest import wait_until
from tests.db.test_jobs import insert as insert_steps
from tests.db.test_jobs import succeed, take
from tests.db.test_limits import at_once

CALLS = [NewStep("first", "io", provider="tube")]
AWAY = Unavailable("tube answered 503", provider="tube")


def insert(database: Database, owner: str) -> UUID:
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": owner})
    return insert_steps(database, owner, CALLS)


def fail(database: Database, held: jobs.Claim, error: Unavailable = AWAY) -> timedelta | None:
    """As the worker settles it, without the wait."""
    with database.jobs() as session:
        assert jobs.holds(session, held)
        wait = jobs.record_failure(session, held.step_id, held.owner_id, error)
        jobs.release(session, held, outcome="unavailable", reason=str(error))
    return wait


def break_down(database: Database, owner: str) -> UUID:
    """Five failures one after the other, of one step."""
    job_id = insert(database, owner)
    for _ in range(5):
        fail(database, take(database, job_id))
    return job_id


def pass_time(database: Database, seconds: float) -> None:
    """Make everything that is known of providers, and every claim, so much older."""
    with database.jobs() as session:
        past = {"past": timedelta(seconds=seconds)}
        session.execute(text("UPDATE jobs.breakers SET open_until = open_until - :past, opened_at = opened_at - :past"), past)
        session.execute(text("UPDATE jobs.job_steps SET claimed_at = claimed_at - :past WHERE status = 'running'"), past)


def breaker(database: Database) -> jobs.Breaker | None:
    with database.jobs() as session:
        return next(iter(jobs.list_breakers(session)), None)


def why(database: Database, job_id: UUID) -> str | None:
    with database.jobs() as session:
        found = why_not_running(session, job_id, now=datetime.now(UTC))
    return found.operators if found else None


def test_four_failures_keep_nothing_from_starting_and_the_fifth_does(database: Database, owner: str):
    job_id, other = insert(database, owner), insert(database, owner)
    for failures in range(1, 5):
        assert fail(database, take(database, job_id)) == timedelta(seconds=2**failures)
    held = take(database, other)
    assert fail(database, take(database, job_id)) == timedelta(seconds=32)
    assert (breaker(database).failures, breaker(database).is_open) == (5, True)
    assert take(database, job_id) is None
    assert held is not None


def test_a_step_that_did_not_say_what_it_calls_waits_with_the_others_once_it_failed(database: Database, owner: str):
    break_down(database, owner)
    job_id = insert_steps(database, owner, [NewStep("first", "io")])
    fail(database, take(database, job_id))
    assert take(database, job_id) is None


def test_others_work_goes_on(database: Database, owner: str):
    break_down(database, owner)
    assert take(database, insert_steps(database, owner, [NewStep("first", "io")])) is not None
    assert take(database, insert_steps(database, owner, [NewStep("first", "io", provider="drive")])) is not None


def test_once_its_time_has_passed_one_step_tries_and_its_success_lets_all_go(database: Database, owner: str):
    break_down(database, owner)
    job_ids = [insert(database, owner) for _ in range(6)]
    assert take(database, job_ids[0]) is None
    pass_time(database, 31)
    held: list[jobs.Claim | None] = []

    def claim(job_id: UUID) -> Callable[[], object]:
        return lambda: held.append(take(database, job_id))

    at_once([claim(job_id) for job_id in job_ids])
    [trying] = [one for one in held if one]
    assert why(database, next(job_id for job_id in job_ids if job_id != trying.job_id)).startswith(
        "tube was unavailable, and one"
    )
    assert succeed(database, trying, CALLS)
    assert breaker(database) is None
    assert [take(database, job_id) is not None for job_id in job_ids if job_id != trying.job_id] == [True] * 5


@pytest.mark.parametrize("fails", [False, True])
def test_a_claim_waits_for_one_that_is_not_committed_and_does_not_try_beside_it(database: Database, owner: str, fails: bool):
    break_down(database, owner)
    first, second = insert(database, owner), insert(database, owner)
    pass_time(database, 31)
    late: list[jobs.Claim | None] = []
    with database.jobs() as session:
        [step] = status.list_steps(session, first)
        assert jobs.claim(session, step["id"], worker_id=uuid4(), lease=timedelta(seconds=30)) is not None
        if fails:
            hour = timedelta(hours=1)
            jobs.open_breaker(session, "tube", owner_id=None, open_for=hour, opened_by="anna", reason=None)
        thread = threading.Thread(target=lambda: late.append(take(database, second)))
        thread.start()
        wait_until(lambda: late or is_waited_for(session, "advisory"))
    thread.join()
    assert late == [None]


def is_waited_for(session: Session, kind: str) -> bool:
    waiting = text("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = :kind AND NOT granted)")
    return bool(session.scalar(waiting, {"kind": kind}))


def test_of_a_group_none_tries_and_one_by_one_one_does(database: Database, owner: str):
    break_down(database, owner)
    job_ids = [insert(database, owner) for _ in range(3)]
    free = insert_steps(database, owner, [NewStep("first", "io")])
    pass_time(database, 31)
    with database.jobs() as session:
        step_ids = [status.list_steps(session, job_id)[0]["id"] for job_id in (*job_ids, free)]
        claims = jobs.claim_many(session, step_ids, worker_id=uuid4(), lease=timedelta(seconds=30))
    assert [held.job_id for held in claims] == [free]
    assert [take(database, job_id) is not None for job_id in job_ids] == [True, False, False]


def test_a_failure_that_is_told_while_a_success_closes_the_breaker_is_the_first_of_the_next(database: Database, owner: str):
    held = take(database, insert(database, owner))
    fail(database, take(database, insert(database, owner)))
    waits: list[timedelta | None] = []
    with database.jobs() as session:
        session.execute(text("SELECT 1 FROM jobs.breakers FOR UPDATE"))
        thread = threading.Thread(target=lambda: waits.append(fail(database, held)))
        thread.start()
        wait_until(lambda: not thread.is_alive() or is_waited_for(session, "transactionid"))
        jobs.close_breaker(session, "tube", owner_id=None)
    thread.join()
    assert (waits, breaker(database).failures) == ([timedelta(seconds=2)], 1)


def test_one_that_fails_again_leaves_it_open_for_twice_as_long_up_to_ten_minutes(database: Database, owner: str):
    job_id = break_down(database, owner)
    waits = []
    for _ in range(6):
        pass_time(database, 601)
        waits.append(round(fail(database, take(database, job_id)).total_seconds()))
    assert waits == [60, 120, 240, 480, 600, 600]


def test_a_step_that_tries_for_longer_than_a_call_may_take_lets_the_next_try(database: Database, owner: str):
    break_down(database, owner)
    first, second = insert(database, owner), insert(database, owner)
    pass_time(database, 31)
    assert take(database, first) is not None
    assert take(database, second) is None
    pass_time(database, 31)
    assert take(database, second) is not None


def test_a_step_that_lost_its_worker_while_it_tried_does_not_keep_the_others_waiting(database: Database, owner: str):
    break_down(database, owner)
    first, second = insert(database, owner), insert(database, owner)
    pass_time(database, 31)
    assert take(database, first) is not None
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET lease_until = now() - interval '1 s' WHERE status = 'running'"))
        assert jobs.rescue(session) == 1
    assert take(database, second) is not None


def test_those_that_were_on_their_way_do_not_leave_it_open_for_longer(database: Database, owner: str):
    late = [take(database, insert(database, owner)) for _ in range(3)]
    break_down(database, owner)
    assert [round(fail(database, held).total_seconds()) for held in late] == [32, 32, 32]
    assert breaker(database).failures == 5


def test_a_success_of_before_it_opened_does_not_close_it(database: Database, owner: str):
    early = take(database, insert(database, owner))
    break_down(database, owner)
    assert succeed(database, early, CALLS)
    assert breaker(database).is_open


def test_a_success_forgets_the_failures_before_it(database: Database, owner: str):
    job_id = insert(database, owner)
    for _ in range(3):
        for _ in range(4):
            fail(database, take(database, job_id))
        assert succeed(database, take(database, insert(database, owner)), CALLS)
    assert breaker(database) is None


def test_when_the_provider_says_until_when_it_is_open_until_then_for_all(database: Database, owner: str):
    first, second = insert(database, owner), insert(database, owner)
    slow_down = Unavailable("tube answered 429", provider="tube", retry_after=timedelta(seconds=100))
    assert fail(database, take(database, first), slow_down) == timedelta(seconds=100)
    assert take(database, second) is None
    pass_time(database, 99)
    assert take(database, second) is None
    pass_time(database, 1)
    assert [take(database, job_id) is not None for job_id in (first, second)] == [True, True]


def test_what_is_meant_for_one_owner_holds_back_that_owner_only(database: Database, owner: str):
    full = Unavailable("too many uploads", provider="tube", retry_after=timedelta(hours=24), of_owner=True)
    job_id = insert(database, "anna")
    fail(database, take(database, job_id), full)
    assert take(database, insert(database, "anna")) is None
    assert take(database, insert(database, "bela")) is not None
    assert why(database, job_id).startswith("tube for this owner is unavailable until 20")
    assert why(database, job_id).endswith("UTC: too many uploads")


def test_a_step_that_fails_while_others_are_answered_is_at_fault_itself(database: Database, owner: str):
    poison = insert(database, owner)
    assert fail(database, take(database, poison)) is not None
    assert fail(database, take(database, poison)) is not None  # nobody else was answered
    assert succeed(database, take(database, insert(database, owner)), CALLS)
    assert fail(database, take(database, poison)) is None


def test_an_owner_is_not_told_what_anothers_step_met(database: Database, owner: str):
    break_down(database, "anna")
    assert why(database, insert(database, "bela")).endswith("UTC")


def test_by_hand_it_is_opened_and_closed_and_the_steps_that_were_put_off_look_again(database: Database, owner: str):
    job_id = insert(database, owner)
    with database.jobs() as session:
        hour = timedelta(hours=1)
        jobs.open_breaker(session, "tube", owner_id=None, open_for=hour, opened_by="anna", reason="new keys")
        session.execute(text("UPDATE jobs.job_steps SET available_at = now() + interval '1 hour'"))
    assert why(database, job_id).startswith("tube is held back until 20")
    assert why(database, job_id).endswith("UTC: new keys")
    assert take(database, job_id) is None
    with database.jobs() as session:
        jobs.close_breaker(session, "tube", owner_id=None)
    assert take(database, job_id) is not None


def test_what_cannot_be_opened_or_closed_is_refused(database: Database):
    with database.jobs() as session:
        with pytest.raises(NotFound, match="tube is not held back"):
            jobs.close_breaker(session, "tube", owner_id=None)
        with pytest.raises(Invalid, match="pause it"):
            jobs.open_breaker(session, "tube", owner_id=None, open_for=timedelta(days=32), opened_by=str(uuid4()), reason=None)
