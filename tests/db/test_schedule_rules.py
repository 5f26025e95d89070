from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from db.schedule_rules import Rule, RuleKind, get_zone, next_instant, preview, read_rule

NEW_YORK = ZoneInfo("America/New_York")
ZONES = sorted(name for name in available_timezones() if "/" in name)
ANCHOR = datetime(2024, 1, 1, tzinfo=UTC)


def at(rule: Rule, zone: str, after: str, most: int = 3) -> list[str]:
    place = get_zone(zone)
    began = datetime.fromisoformat(after).replace(tzinfo=place)
    instants = preview(rule, place, anchor=began, after=began, most=most)
    return [f"{instant.at.astimezone(place):%Y-%m-%d %H:%M%z}{' shifted' * instant.shifted}" for instant in instants]


def daily(hour: int, minute: int = 0) -> Rule:
    return Rule(RuleKind.INTERVAL, days=1, hour=hour, minute=minute)


@pytest.mark.parametrize(
    ("rule", "zone", "after", "expected"),
    [
        # the clock jumps over 02:30: the first instant after it
        (
            daily(2, 30),
            "America/New_York",
            "2026-03-07T00:00",
            ["2026-03-07 02:30-0500", "2026-03-08 03:00-0400 shifted", "2026-03-09 02:30-0400"],
        ),
        # it shows 01:30 twice: once, the first time
        (
            daily(1, 30),
            "America/New_York",
            "2026-10-31T00:00",
            ["2026-10-31 01:30-0400", "2026-11-01 01:30-0400", "2026-11-02 01:30-0500"],
        ),
        # a gap at midnight does not lose the day
        (
            daily(0),
            "Africa/Cairo",
            "2026-04-22T12:00",
            ["2026-04-23 00:00+0200", "2026-04-24 01:00+0300 shifted", "2026-04-25 00:00+0300"],
        ),
        # half an hour
        (daily(2, 15), "Australia/Lord_Howe", "2026-10-03T12:00", ["2026-10-04 02:30+1100 shifted", "2026-10-05 02:15+1100"]),
        # a day that was not: the 30th
        (daily(9), "Pacific/Apia", "2011-12-29T10:00", ["2011-12-31 00:00+1400 shifted", "2011-12-31 09:00+1400"]),
        (
            Rule(RuleKind.MONTHLY, day=31),
            "Europe/Berlin",
            "2028-01-15T00:00",
            ["2028-01-31 09:00+0100", "2028-02-29 09:00+0100", "2028-03-31 09:00+0200"],
        ),
        (Rule(RuleKind.WEEKLY, weekday=0), "Europe/Berlin", "2026-11-25T00:00", ["2026-11-29 09:00+0100"]),  # Sunday
        (Rule(RuleKind.WEEKLY, weekday=3), "Europe/Berlin", "2026-11-25T09:00", ["2026-12-02 09:00+0100"]),  # later, not at
        (
            Rule(RuleKind.INTERVAL, days=7),
            "Europe/Berlin",
            "2026-03-25T08:00",
            ["2026-03-25 09:00+0100", "2026-04-01 09:00+0200"],
        ),
        # minutes are elapsed time
        (
            Rule(RuleKind.INTERVAL, minutes=60),
            "America/New_York",
            "2026-11-01T00:30",
            ["2026-11-01 01:30-0400", "2026-11-01 01:30-0500", "2026-11-01 02:30-0500"],
        ),
    ],
)
def test_what_is_due(rule: Rule, zone: str, after: str, expected: list[str]):
    assert at(rule, zone, after, len(expected)) == expected


RULES = st.one_of(
    st.builds(Rule, st.just(RuleKind.INTERVAL), days=st.integers(1, 40), hour=st.integers(0, 23), minute=st.integers(0, 59)),
    st.builds(Rule, st.just(RuleKind.WEEKLY), weekday=st.integers(0, 6), hour=st.integers(0, 23), minute=st.integers(0, 59)),
    st.builds(Rule, st.just(RuleKind.MONTHLY), day=st.integers(1, 31), hour=st.integers(0, 23), minute=st.integers(0, 59)),
)
WHEN = st.integers(0, 6 * 365 * 24 * 60).map(lambda minutes: ANCHOR + timedelta(days=1, minutes=minutes))


@given(rule=RULES, zone=st.sampled_from(ZONES), after=WHEN)
def test_each_named_day_has_one_instant_and_no_other_has_one(rule: Rule, zone: str, after: datetime):
    place = get_zone(zone)
    instants = preview(rule, place, anchor=ANCHOR, after=after, most=8)
    assert all(a.at < b.at for a, b in pairwise(instants))
    assert instants[0].at > after
    locals_ = [instant.at.astimezone(place) for instant in instants]
    for local, instant in zip(locals_, instants, strict=True):
        if not instant.shifted:
            assert (local.hour, local.minute, local.fold) == (rule.hour, rule.minute, 0)
            assert names(rule, place, local.date())
    # no day that the rule names lies between two neighbours
    for one, other in pairwise(locals_):
        between = (one.date() + timedelta(days=n) for n in range(1, (other.date() - one.date()).days))
        assert not any(names(rule, place, day) for day in between)


def names(rule: Rule, zone: ZoneInfo, day: date) -> bool:
    if rule.kind is RuleKind.WEEKLY:
        return day.isoweekday() % 7 == rule.weekday
    if rule.kind is RuleKind.MONTHLY:
        is_last = (day + timedelta(days=1)).day == 1
        return day.day == rule.day or (is_last and day.day < (rule.day or 0))
    return (day - ANCHOR.astimezone(zone).date()).days % (rule.days or 1) == 0


@given(rule=RULES, zone=st.sampled_from(ZONES), after=WHEN)
def test_asking_from_within_leads_to_the_same_instants(rule: Rule, zone: str, after: datetime):
    place = get_zone(zone)
    first, second = preview(rule, place, anchor=ANCHOR, after=after, most=2)
    middle = first.at + (second.at - first.at) / 2
    assert next_instant(rule, place, anchor=ANCHOR, after=first.at) == second
    assert next_instant(rule, place, anchor=ANCHOR, after=middle) == second
    assert next_instant(rule, place, anchor=ANCHOR, after=second.at - timedelta(microseconds=1)) == second


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "yearly"},
        {"kind": "weekly"},
        {"kind": "weekly", "weekday": 7},
        {"kind": "weekly", "weekday": True},
        {"kind": "weekly", "weekday": 1, "day": 3},
        {"kind": "interval"},
        {"kind": "interval", "days": 1, "minutes": 5},
        {"kind": "interval", "minutes": 0},
        {"kind": "monthly", "day": "3"},
        {"kind": "monthly", "day": 32},
        {"kind": "monthly", "day": 3, "hour": 24},
        {"kind": "monthly", "day": 3, "hour": None},
        {"kind": "monthly", "day": 3, "cron": "* * * * *"},
    ],
)
def test_what_is_no_rule_is_refused(document: dict[str, object]):
    with pytest.raises(Invalid):
        read_rule(document)


@pytest.mark.parametrize("zone", ["", "Europe", "../etc/passwd", "Mars/Base", "Europe/Berlin\x00"])
def test_what_is_no_zone_is_refused(zone: str):
    with pytest.raises(Invalid):
        get_zone(zone)


@given(rule=RULES)
def test_a_rule_is_read_as_it_was_stored(rule: Rule):
    assert read_rule(rule.document()) == rule
