import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from core.errors import Invalid, Snoozed
from db import jobs
from db.engine import Database
from db.jobs import Per
from tests.db.test_breakers import insert
from tests.db.test_jobs import take

PACIFIC = "America/Los_Angeles"


@pytest.fixture
def budget(database: Database) -> Database:
    """100 units a day of `tube`."""
    allow(database, 100)
    return database


def allow(database: Database, units: int | None, per: Per = Per.DAY) -> None:
    with database.jobs() as session:
        jobs.set_budget(session, "tube", per, units, zone=PACIFIC)


def spend(database: Database, units: int, name: str = "tube") -> jobs.Spend:
    with database.jobs() as session:
        return jobs.spend(session, name, units)


def spent(database: Database) -> dict[Per, int]:
    with database.jobs() as session:
        return {one.per: one.spent for one in jobs.list_budgets(session) if one.name == "tube"}


def reset(database: Database, at: datetime, per: Per = Per.DAY, zone: str = PACIFIC) -> datetime:
    with database.jobs() as session:
        return session.scalar(text("SELECT jobs.next_reset(:per, :zone, :at)"), {"per": per, "zone": zone, "at": at})


def test_workers_at_once_never_spend_more_than_there_is(budget: Database):
    refused = []

    def work() -> None:
        for _ in range(10):
            try:
                spend(budget, 3)
            except Snoozed:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (spent(budget)[Per.DAY], len(refused)) == (99, 80 - 33)


def test_when_too_little_is_left_it_says_what_and_until_when_and_takes_nothing(budget: Database):
    spend(budget, 90)
    with pytest.raises(
        Snoozed, match=r"^10 of 100 units are left of tube this day, and 20 are needed; it starts anew at 20"
    ) as told:
        spend(budget, 20)
    assert timedelta(0) < told.value.delay <= timedelta(hours=25)
    assert spent(budget) == {Per.DAY: 90}
    spend(budget, 10)


def test_where_one_span_is_short_nothing_is_taken_from_the_other(budget: Database):
    allow(budget, 5, Per.MINUTE)
    spend(budget, 4)
    with pytest.raises(Snoozed, match="this minute") as told:
        spend(budget, 2)
    assert told.value.delay <= timedelta(minutes=1)
    assert spent(budget) == {Per.DAY: 4, Per.MINUTE: 4}


def test_where_both_spans_are_short_the_later_reset_counts(budget: Database):
    allow(budget, 100, Per.MINUTE)
    spend(budget, 100)
    with pytest.raises(Snoozed, match="this day"):
        spend(budget, 1)


def test_after_the_reset_all_units_are_there_again(budget: Database):
    taken = spend(budget, 100)
    yesterday = replace(taken, resets=[(per, resets_at - timedelta(days=1)) for per, resets_at in taken.resets])
    with budget.jobs() as session:
        session.execute(text("UPDATE jobs.budgets SET resets_at = now() - interval '1 s' WHERE name = 'tube'"))
    assert spent(budget) == {Per.DAY: 0}
    spend(budget, 60)
    with budget.jobs() as session:
        jobs.refund(session, yesterday)
    assert spent(budget) == {Per.DAY: 60}


def test_what_is_given_back_can_be_spent(budget: Database):
    taken = spend(budget, 100)
    with budget.jobs() as session:
        jobs.refund(session, taken)
    spend(budget, 100)


def test_calls_that_are_counted_apart_have_their_own_budget(database: Database):
    spend(database, 100, "youtube.insert")
    spend(database, 10_000, "youtube")
    with pytest.raises(Snoozed, match=r"0 of 100 units are left of youtube\.insert this day"):
        spend(database, 1, "youtube.insert")


def test_what_has_no_budget_costs_nothing(database: Database):
    assert spend(database, 10**9).resets == []


def test_a_larger_budget_wakes_the_steps_that_wait_for_it(budget: Database, owner: str):
    job_id = insert(budget, owner)
    with budget.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET available_at = now() + interval '1 day'"))
    assert take(budget, job_id) is None
    allow(budget, 200)
    assert take(budget, job_id) is not None


def test_another_budget_forgets_nothing_that_was_spent(budget: Database):
    spend(budget, 100)
    allow(budget, 120)
    with pytest.raises(Snoozed):
        spend(budget, 21)
    allow(budget, None)
    assert spent(budget) == {}
    spend(budget, 1000)


@pytest.mark.parametrize(("units", "zone", "words"), [(-1, "UTC", "0 or more"), (1, "Pacific", "no time zone 'Pacific'")])
def test_a_budget_that_cannot_be_is_refused(database: Database, units: int, zone: str, words: str):
    with database.jobs() as session, pytest.raises(Invalid, match=words):
        jobs.set_budget(session, "tube", Per.DAY, units, zone=zone)


def test_a_call_costs_something(database: Database):
    with pytest.raises(Invalid):
        spend(database, 0)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-08T07:59:59", "2026-03-08T08:00"),  # Saturday, PST: midnight is 8:00
        ("2026-03-08T08:00:00", "2026-03-09T07:00"),  # the day that has 23 hours
        ("2026-03-09T07:00:00", "2026-03-10T07:00"),  # PDT
        ("2026-11-01T07:00:00", "2026-11-02T08:00"),  # the day that has 25 hours
    ],
)
def test_a_day_ends_at_midnight_of_its_zone_whatever_daylight_saving_does(database: Database, at: str, expected: str):
    assert reset(database, utc(at)) == utc(expected)


def test_months_and_short_spans_end_with_the_clock(database: Database):
    assert reset(database, utc("2026-03-01T07:00:00"), Per.MONTH) == utc("2026-03-01T08:00")
    assert reset(database, utc("2026-03-15T00:00:00"), Per.MONTH) == utc("2026-04-01T07:00")
    # The hour that comes twice: each is an hour.
    assert reset(database, utc("2026-11-01T08:30:00"), Per.HOUR) == utc("2026-11-01T09:00")
    assert reset(database, utc("2026-11-01T08:30:30"), Per.MINUTE) == utc("2026-11-01T08:31")


def utc(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


ZONES = st.sampled_from([PACIFIC, "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"])
INSTANTS = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
LONGEST = {
    Per.MINUTE: timedelta(minutes=1),
    Per.HOUR: timedelta(hours=1),
    Per.DAY: timedelta(hours=25),
    Per.MONTH: timedelta(days=31, hours=1),
}


def test_a_reset_is_ahead_and_never_further_than_its_span(database: Database):
    @settings(max_examples=300, deadline=None)
    @given(INSTANTS, st.sampled_from(Per), ZONES)
    def holds(at: datetime, per: Per, zone: str) -> None:
        assert timedelta(0) < reset(database, at, per, zone) - at <= LONGEST[per]

    holds()
