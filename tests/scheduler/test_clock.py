import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from core.errors import Conflict, Invalid, NotFound
from db import schedules
from db.engine import Database
from db.leads import clients
from db.leads import schedules as lead_schedules
from db.schedule_rules import Instant, Rule, RuleKind
from db.schedules import CatchUp, Outcome, Overlap
from pipelines import schedules as firing
from pipelines.schedules import _decide
from scheduler.clock import Clock

HOURLY = Rule(RuleKind.INTERVAL, minutes=60)
BEGAN = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Told:
    """A clock, and a scheduler that reads it."""

    def __init__(self, database: Database) -> None:
        self.now = BEGAN
        self._clock = Clock(database, now=lambda _session: self.now)

    def at(self, *, hours: float) -> None:
        self.now = BEGAN + timedelta(hours=hours)
        self._clock.tick()


@pytest.fixture
def told(database: Database) -> Told:
    return Told(database)


def insert(database: Database, owner: str, *, began: datetime = BEGAN, **how: object) -> UUID:
    """A schedule as if it had been made at `began`."""
    with database.tenant(owner) as session:
        wanted = {"rule": HOURLY, "zone": "UTC", "anchor_at": began, **how}
        schedule = firing.insert(session, owner_id=owner, pipeline="self_check", args={}, **wanted)["id"]
    with database.jobs() as session:
        (first,) = schedules.preview_instants(schedules.get(session, schedule), after=began, most=1)
        schedules.advance(session, schedule, last=None, following=first.at)
    return schedule


def fires(database: Database, owner: str, schedule: UUID) -> list[tuple[float, str]]:
    with database.tenant(owner) as session:
        rows = schedules.list_fires(session, schedule, limit=1000)
    return [((row["fire_at"] - BEGAN).total_seconds() / 3600, row["outcome"]) for row in reversed(rows)]


def end_jobs(database: Database) -> None:
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.jobs SET status = 'succeeded', finished_at = now() WHERE finished_at IS NULL"))


def test_each_instant_is_fired_once_with_a_job(database: Database, owner: str, told: Told):
    schedule = insert(database, owner)
    for hours in (0.5, 1, 1.01, 1.02):
        told.at(hours=hours)
    end_jobs(database)
    told.at(hours=2.01)
    assert fires(database, owner, schedule) == [(1, "fired"), (2, "fired")]
    with database.tenant(owner) as session:
        assert session.scalar(text("SELECT count(DISTINCT id) FROM jobs.jobs")) == 2
        row = schedules.get(session, schedule)
    assert (row["last_fire_at"], row["next_fire_at"]) == (BEGAN + timedelta(hours=2), BEGAN + timedelta(hours=3))


@pytest.mark.parametrize(
    ("overlap", "expected", "cancelled"),
    [
        (Overlap.SKIP, [(1, "fired"), (2, "skipped")], 0),
        (Overlap.QUEUE, [(1, "fired"), (2, "waiting")], 0),
        (Overlap.REPLACE, [(1, "fired"), (2, "fired")], 1),
    ],
)
def test_a_job_that_goes_on_meets_the_next_fire(database, owner, told, overlap: Overlap, expected: object, cancelled: int):
    schedule = insert(database, owner, overlap=overlap)
    told.at(hours=1)
    told.at(hours=2)
    assert fires(database, owner, schedule) == expected
    with database.tenant(owner) as session:
        assert session.scalar(text("SELECT count(*) FROM jobs.jobs WHERE cancel_requested_at IS NOT NULL")) == cancelled


def test_what_waits_is_fired_when_the_job_before_has_ended_one_after_another(database: Database, owner: str, told: Told):
    schedule = insert(database, owner, overlap=Overlap.QUEUE)
    for hours in (1, 2, 3):
        told.at(hours=hours)
    end_jobs(database)
    told.at(hours=3.1)
    assert fires(database, owner, schedule) == [(1, "fired"), (2, "fired"), (3, "waiting")]


def test_a_queue_of_fires_has_an_end(database: Database, owner: str, told: Told):
    schedule = insert(database, owner, overlap=Overlap.QUEUE)
    for hours in range(1, 15):
        told.at(hours=hours)
    outcomes = Counter(outcome for _, outcome in fires(database, owner, schedule))
    assert outcomes == {"fired": 1, "waiting": 10, "skipped": 3}


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        (CatchUp.NONE, [(1, "skipped"), (2, "skipped"), (3, "skipped")]),
        (CatchUp.LAST, [(1, "skipped"), (2, "skipped"), (3, "caught_up")]),
        (CatchUp.ALL, [(1, "skipped"), (2, "caught_up"), (3, "waiting")]),
    ],
)
def test_what_was_missed_is_recorded_and_caught_up_as_asked(database, owner, told, catch_up: CatchUp, expected: object):
    schedule = insert(database, owner, catch_up=catch_up, catch_up_most=2)
    told.at(hours=3.5)
    assert fires(database, owner, schedule) == expected


@given(
    minutes=st.lists(st.integers(0, 10_000), max_size=30, unique=True),
    catch_up=st.sampled_from(CatchUp),
    most=st.integers(1, 100),
)
def test_every_instant_that_passed_is_decided_on_and_no_more_are_done_than_asked(
    minutes: list[int], catch_up: CatchUp, most: int
):
    passed = [Instant(BEGAN - timedelta(minutes=ago)) for ago in sorted(minutes, reverse=True)]
    decided = _decide(passed, BEGAN, catch_up, most)
    assert [fire.at for fire in decided] == [instant.at for instant in passed]
    done = [fire for fire in decided if fire.outcome is not Outcome.SKIPPED]
    assert len(done) <= {CatchUp.NONE: 1, CatchUp.LAST: 1, CatchUp.ALL: most + 1}[catch_up]
    assert not done or done[-1] is decided[-1]  # the newest is among them
    assert all(fire.reason for fire in decided if fire.outcome is Outcome.SKIPPED)


def test_paused_it_is_not_due_and_resumed_it_catches_nothing_up(database: Database, owner: str, told: Told):
    schedule = insert(database, owner)
    with database.tenant(owner) as session:
        schedules.pause(session, schedule, reason="holidays")
    told.at(hours=5)
    with database.tenant(owner) as session:
        row = schedules.resume(session, schedule)
    assert fires(database, owner, schedule) == []
    assert row["next_fire_at"] > datetime.now(UTC)
    assert row["paused_reason"] is None


def test_run_now_makes_a_job_and_moves_nothing(database: Database, owner: str):
    schedule = insert(database, owner)
    with database.tenant(owner) as session:
        before = schedules.get(session, schedule)["next_fire_at"]
        job_id = firing.fire_now(session, schedule)
    with database.tenant(owner) as session:
        (fire,) = schedules.list_fires(session, schedule)
        assert (fire["outcome"], fire["job_id"]) == ("asked", job_id)
        assert schedules.get(session, schedule)["next_fire_at"] == before


def test_one_bad_schedule_does_not_stop_the_others(database: Database, owner: str, told: Told):
    bad_zone, bad_pipeline, good = (insert(database, owner) for _ in range(3))
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.schedules SET zone = 'Mars/Base' WHERE id = :id"), {"id": bad_zone})
        session.execute(text("UPDATE jobs.schedules SET pipeline = 'gone' WHERE id = :id"), {"id": bad_pipeline})
    told.at(hours=1)
    assert fires(database, owner, good) == [(1, "fired")]
    assert fires(database, owner, bad_pipeline) == [(1, "failed")]
    with database.tenant(owner) as session:
        paused = schedules.get(session, bad_zone)
    assert not paused["enabled"]
    assert "Mars/Base" in paused["paused_reason"]


def test_nobody_sees_or_asks_for_anothers(database: Database, owner: str):
    schedule = insert(database, owner)
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES ('other')"))
    with database.tenant("other") as session:
        assert schedules.list_schedules(session) == []
        for ask in (schedules.get, schedules.pause, schedules.resume, schedules.delete, firing.fire_now):
            with pytest.raises(NotFound):
                ask(session, schedule)


@pytest.mark.parametrize(
    "wrong", [{"zone": "Mars"}, {"rule": {"kind": "weekly"}}, {"catch_up_most": 0}, {"pipeline": "none"}, {"args": {"a": 1}}]
)
def test_a_schedule_that_could_not_run_is_refused(database: Database, owner: str, wrong: dict[str, object]):
    how = {"pipeline": "self_check", "args": {}, "rule": HOURLY, "zone": "UTC", **wrong}
    with database.tenant(owner) as session, pytest.raises((Invalid, NotFound)):
        firing.insert(session, owner_id=owner, **how)


@pytest.fixture
def lead_schedule(database: Database, owner: str) -> int:
    with database.tenant(owner) as session:
        client = clients.insert_client(session, {"name": "B", "address": "1 Mill Lane", "keyword": "bread"}, user_id=owner)[
            "id"
        ]
        values = {"schedule_type": "weekly", "day_of_week": 0, "run_hour": 7, "timezone": "Europe/Berlin"}
        return lead_schedules.insert_schedule(session, client, values, user_id=owner)["id"]


def test_a_lead_schedule_shows_what_its_clock_will_do(database: Database, owner: str, lead_schedule: int):
    with database.tenant(owner) as session:
        shown = lead_schedules.get_schedule(session, lead_schedule)
        (row,) = schedules.list_schedules(session)
        assert shown["next_run_at"] == row["next_fire_at"]
        assert row["lead_schedule_id"] == lead_schedule
        assert shown["next_run_at"].isoweekday() == 7
        with pytest.raises(Conflict):
            schedules.delete(session, row["id"])
        changed = lead_schedules.update_schedule(session, lead_schedule, {"day_of_week": 1})
        assert changed["next_run_at"].isoweekday() == 1
        schedules.pause(session, row["id"])
        assert not lead_schedules.get_schedule(session, lead_schedule)["is_active"]
        lead_schedules.delete_schedule(session, lead_schedule)
        assert schedules.list_schedules(session) == []


def test_a_lead_schedule_of_an_earlier_database_gets_a_clock_once(database: Database, owner: str, lead_schedule: int):
    with database.jobs() as session:
        session.execute(text("DELETE FROM jobs.schedules"))
    for _ in range(2):
        Clock(database).adopt()
    with database.tenant(owner) as session:
        (row,) = schedules.list_schedules(session)
        lead_schedules.update_schedule(session, lead_schedule, {"is_active": False})
    assert row["lead_schedule_id"] == lead_schedule
    assert row["enabled"]
    with database.tenant(owner) as session:
        assert not schedules.get(session, row["id"])["enabled"]


def scheduler(url: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "tests.scheduler.ticking", url]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def two_schedulers(database_url: str) -> Iterator[list[subprocess.Popen[str]]]:
    running = [scheduler(database_url) for _ in range(2)]
    yield running
    for process in running:
        process.kill()
        process.communicate()


def test_over_both_changes_of_the_clock_two_schedulers_that_are_killed_fire_all_and_none_twice(
    database: Database, database_url: str, owner: str, two_schedulers: list[subprocess.Popen[str]]
):
    """Time is given, not waited for: seven hours around each change in New York, ten minutes a tick."""
    began = datetime(2026, 3, 8, 4, tzinfo=UTC)
    rules = [Rule(RuleKind.INTERVAL, days=1, hour=hour, minute=30) for hour in (1, 2)] + [Rule(RuleKind.INTERVAL, minutes=30)]
    how = {
        "zone": "America/New_York",
        "overlap": Overlap.REPLACE,
        "catch_up": CatchUp.ALL,
        "catch_up_most": 100,
        "began": began,
    }
    made = [insert(database, owner, rule=rule, **how) for rule in rules]
    with database.jobs() as session:
        rows = [schedules.get(session, one) for one in made]
    spring = [began + timedelta(minutes=10 * n) for n in range(42)]
    autumn = [datetime(2026, 11, 1, 3, tzinfo=UTC) + timedelta(minutes=10 * n) for n in range(42)]
    dice = random.Random(7)
    for now in (*spring, *autumn):
        for process in two_schedulers:
            tell(process, now)
        if dice.random() < 0.1:
            victim = two_schedulers.pop(dice.randrange(2))
            victim.kill()
            victim.communicate()
            two_schedulers.append(scheduler(database_url))
            tell(two_schedulers[-1], now)
        for process in two_schedulers:
            process.stdout.readline()
    with database.jobs() as session:
        for row in rows:
            recorded = {fire["fire_at"]: fire for fire in schedules.list_fires(session, row["id"], limit=50_000)}
            asked = schedules.preview_instants(row, after=began, most=100)
            asked += schedules.preview_instants(row, after=autumn[0], most=100)
            wanted = {at.at for at in asked if began < at.at <= spring[-1] or autumn[0] < at.at <= autumn[-1]}
            assert wanted <= recorded.keys()
            fired = [recorded[at] for at in wanted]
            assert {fire["outcome"] for fire in fired} == {"fired"}
            made_jobs = session.scalar(
                text("SELECT count(*) FROM jobs.jobs WHERE id = ANY(:ids)"), {"ids": [f["job_id"] for f in fired]}
            )
            assert made_jobs == len(wanted) > 1
        fires_with_job = session.scalar(text("SELECT count(job_id) FROM jobs.schedule_fires"))
        assert session.scalar(text("SELECT count(*) FROM jobs.jobs")) == fires_with_job  # no job that no fire tells of
        shifted = session.execute(text("SELECT fire_at FROM jobs.schedule_fires WHERE shifted")).scalars().all()
    assert shifted == [datetime(2026, 3, 8, 7, tzinfo=UTC)]


def tell(process: subprocess.Popen[str], now: datetime) -> None:
    process.stdin.write(f"{now.isoformat()}\n")
    process.stdin.flush()
