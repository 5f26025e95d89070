from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from scheduler.steady import Steady

LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def clock() -> Iterator[BackgroundScheduler]:
    """Its one job was to run a second from now, and then the clock went back."""
    made = BackgroundScheduler(timezone=UTC, daemon=True)
    made.add_job(lambda: None, "interval", seconds=1, next_run_time=LATER)
    made.start(paused=True)
    yield made
    made.shutdown()


@pytest.mark.parametrize(("jump_seconds", "runs_now"), [(-3600, True), (-0.1, False), (3600, False)])
def test_what_runs_every_second_goes_on_when_the_clock_went_back(
    clock: BackgroundScheduler, jump_seconds: float, runs_now: bool
):
    wall = 1e9
    steady = Steady(clock, monotonic=lambda: 0.0, wall=lambda: wall)
    wall += jump_seconds
    steady.look()
    [job] = clock.get_jobs()
    assert (job.next_run_time < LATER - timedelta(minutes=30)) == runs_now
