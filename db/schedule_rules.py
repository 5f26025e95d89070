"""When a schedule is due: pure rules over wall clocks of IANA zones, with no clock of their own.

A time that the clock jumps over is the first instant after the jump; one that the clock shows twice is the first of both; a day that a
month lacks is its last day. Weekday 0 is Sunday, as the earlier product's clients count.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import count, islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import Invalid


class RuleKind(StrEnum):
    """How a schedule repeats."""

    INTERVAL = "interval"  # every `days` at the run hour, or every `minutes` of elapsed time; counted from the anchor
    WEEKLY = "weekly"
    MONTHLY = "monthly"


# What each part of a rule may be, from and to.
BOUNDS = {
    "days": (1, 366),
    "minutes": (1, 366 * 24 * 60),
    "weekday": (0, 6),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """How a schedule repeats. Raises Invalid where the parts do not make a rule."""

    kind: RuleKind
    days: int | None = None
    minutes: int | None = None
    weekday: int | None = None
    day: int | None = None
    hour: int = 9
    minute: int = 0

    def __post_init__(self) -> None:
        given = {name for name in BOUNDS if getattr(self, name) is not None}
        if given - {"hour", "minute"} not in PARTS[self.kind]:
            one_of = " or ".join(", ".join(sorted(parts)) for parts in PARTS[self.kind])
            raise Invalid(f"a rule of kind {self.kind} needs {one_of}, and no other")
        for name in given | {"hour", "minute"}:
            low, high = BOUNDS[name]
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise Invalid(f"{name} of a rule must be a whole number from {low} to {high}")

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}


# What each kind needs beside the hour and the minute: one of these.
PARTS = {
    RuleKind.INTERVAL: ({"days"}, {"minutes"}),
    RuleKind.WEEKLY: ({"weekday"},),
    RuleKind.MONTHLY: ({"day"},),
}


@dataclass(frozen=True, slots=True)
class Instant:
    """When a schedule is due, in UTC, and whether its clock jumped over the time that was meant."""

    at: datetime
    shifted: bool = False


def read_rule(document: Mapping[str, Any]) -> Rule:
    """The rule that a document tells. Raises Invalid."""
    if unknown := document.keys() - {field.name for field in fields(Rule)}:
        raise Invalid(f"a rule has no {', '.join(sorted(unknown))}")
    if document.get("kind") not in set(RuleKind):
        raise Invalid(f"kind of a rule must be one of {', '.join(RuleKind)}")
    return Rule(**{**document, "kind": RuleKind(document["kind"])})


def get_zone(name: str) -> ZoneInfo:
    """The IANA zone of this name. Raises Invalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of the database, or a path out of it
        raise Invalid(f"there is no time zone {name}; one is called America/New_York") from None


def next_instant(rule: Rule, zone: ZoneInfo, *, anchor: datetime, after: datetime) -> Instant:
    """The first instant later than `after`."""
    return next(iterate(rule, zone, anchor=anchor, after=after))


def preview(rule: Rule, zone: ZoneInfo, *, anchor: datetime, after: datetime, most: int) -> list[Instant]:
    """The next so many instants later than `after`."""
    return list(islice(iterate(rule, zone, anchor=anchor, after=after), most))


def iterate(rule: Rule, zone: ZoneInfo, *, anchor: datetime, after: datetime) -> Iterator[Instant]:
    """Every instant later than `after`, each later than the one before."""
    if rule.minutes is not None:
        step = timedelta(minutes=rule.minutes)
        began = anchor.astimezone(UTC)
        first = max((after - began) // step + 1, 0)
        yield from (Instant(began + number * step) for number in count(first))
    last = after
    # The day before may still be shifted into the future.
    for day in _days(rule, anchor.astimezone(zone).date(), after.astimezone(zone).date() - timedelta(days=1)):
        instant = resolve(datetime.combine(day, time(rule.hour, rule.minute)), zone)
        if instant.at > last:
            last = instant.at
            yield instant


def _days(rule: Rule, anchor: date, first: date) -> Iterator[date]:
    """The days that the rule names, from `first` on."""
    if rule.day is not None:
        for month in count(first.year * 12 + first.month - 1):
            year, number = divmod(month, 12)
            day = date(year, number + 1, min(rule.day, monthrange(year, number + 1)[1]))
            if day >= first:
                yield day
        return
    if rule.weekday is not None:
        began, every = first + timedelta(days=(rule.weekday - first.isoweekday()) % 7), 7
    else:
        every = rule.days or 1
        began = max(anchor, first + timedelta(days=(anchor - first).days % every))
    yield from (began + timedelta(days=number * every) for number in count())


def resolve(local: datetime, zone: ZoneInfo) -> Instant:
    """When a clock in this zone shows `local` for the first time, or, where it jumps over it, when it jumps."""
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return Instant(instant)
    return Instant(_jump(local.replace(tzinfo=zone, fold=1).astimezone(UTC), instant, zone), shifted=True)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """When, between these two, the zone's clock jumps ahead; to the second, as transitions are."""
    offset = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
