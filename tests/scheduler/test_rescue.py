"""When a lease that expired is believed. The clock is moved by hand; rows and database are real."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from db import jobs
from db.engine import Database
from db.jobs import NewStep
from scheduler.rescue import Rescue

LEASE_SECONDS = 12


@dataclass(slots=True)
class Clock:
    """`jumped` is what the wall's clock was moved beside the time that passed."""

    passed: float = 0.0
    jumped: float = 0.0


class Bench:
    """A scheduler's rescue, ticking every second since long ago, and one step that lost its worker."""

    def __init__(self, database: Database, owner: str) -> None:
        self.clock = Clock()
        self._database = database
        self.rescue = self.start()
        for _ in range(LEASE_SECONDS):
            self.tick()
        with database.jobs() as session:
            jobs.insert_job(session, pipeline="p", owner_id=owner, args={}, steps=[NewStep("first", "io")], subject=None)
            step_id = session.scalar(text("SELECT id FROM jobs.job_steps"))
            jobs.claim(session, step_id, worker_id=uuid4(), lease=timedelta(seconds=LEASE_SECONDS))
            session.execute(text("UPDATE jobs.job_steps SET lease_until = now() - interval '1 second'"))

    def start(self) -> Rescue:
        return Rescue(
            self._database,
            lease=timedelta(seconds=LEASE_SECONDS),
            clock=lambda: self.clock.passed,
            wall=lambda: 1e9 + self.clock.passed + self.clock.jumped,
        )

    def tick(self, *, seconds: float = 1.0) -> bool:
        """Let so much time pass, tick, and tell whether the step is rescued."""
        self.clock.passed += seconds
        self.rescue.tick()
        with self._database.jobs() as session:
            return session.scalar(text("SELECT status FROM jobs.job_steps")) == "queued"

    def seconds_until_rescued(self) -> int:
        for seconds in range(1, 3 * LEASE_SECONDS):
            if self.tick():
                return seconds
        pytest.fail("not rescued")

    @contextmanager
    def database_away(self) -> Iterator[None]:
        with self._database.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs.workers RENAME TO away")
        yield
        with self._database.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs.away RENAME TO workers")


@pytest.fixture
def bench(database: Database, owner: str) -> Bench:
    return Bench(database, owner)


def test_what_expired_is_rescued_at_the_next_tick(bench: Bench):
    assert bench.seconds_until_rescued() == 1


def test_a_short_outage_delays_a_rescue_by_as_little(bench: Bench):
    with bench.database_away():
        bench.rescue.tick()
    assert not bench.tick(seconds=2)
    assert bench.seconds_until_rescued() == 2


def test_after_a_long_outage_whoever_lives_has_one_lease_to_renew(bench: Bench):
    with bench.database_away():
        for _ in range(60):
            bench.rescue.tick()
    assert not bench.tick(seconds=60)
    assert bench.seconds_until_rescued() == LEASE_SECONDS


def test_a_machine_that_stood_still_gives_the_time_back(bench: Bench):
    assert not bench.tick(seconds=7)
    assert bench.seconds_until_rescued() == 7


@pytest.mark.parametrize("jump", [8, -8])
def test_a_clock_that_jumps_rescues_nobody_before_he_can_renew(bench: Bench, jump: float):
    bench.clock.jumped += jump
    assert not bench.tick()
    assert bench.seconds_until_rescued() == 8


def test_outages_in_a_row_add_up_to_one_lease_at_most(bench: Bench):
    for _ in range(5):
        with bench.database_away():
            bench.rescue.tick()
        assert not bench.tick(seconds=4)
    assert bench.seconds_until_rescued() == LEASE_SECONDS


def test_a_scheduler_that_begins_lets_workers_beat_first(bench: Bench):
    bench.rescue = bench.start()
    assert bench.seconds_until_rescued() == 5
