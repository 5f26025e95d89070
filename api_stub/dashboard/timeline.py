"""A job's steps as bars on one line of time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api_stub.dashboard.rendering import span

_LEAST_PERCENT = 0.4  # of a bar, so that it can be seen
_LEAST_IDLE = timedelta(minutes=1)  # that may be cut short, if it is longer than all work together
_BREAK_SHARE = 0.25  # of the work's length: how long a cut is drawn


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a lane, in percent of its width; `kind` is waited, done, or the outcome or status."""

    kind: str
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One step; `words` say what its bars show."""

    step: Mapping[str, Any]
    bars: tuple[Bar, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Break:
    """Time without work that is drawn short, in percent of a lane's width."""

    left: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All steps of a job, on one scale."""

    lanes: tuple[Lane, ...]
    breaks: tuple[Break, ...]
    length: str


@dataclass(frozen=True, slots=True)
class _Stretch:
    step_id: object
    kind: str
    start: datetime
    end: datetime
    share: float | None = None


class _Scale:
    """Moments as percent of a lane's width. Long stretches in which nothing worked (a retry days later) are cut short."""

    def __init__(self, worked: Sequence[_Stretch], start: datetime, end: datetime) -> None:
        self.start, self.end = start, max(start, end)
        idle = list(_idle(worked, start, self.end))
        busy = self.end - start - sum((until - since for since, until in idle), timedelta())
        self.short = max(timedelta(milliseconds=1), busy * _BREAK_SHARE)
        self.cuts = [(since, until) for since, until in idle if until - since > max(_LEAST_IDLE, busy)]
        self.length = self._place(self.end) or timedelta(seconds=1)

    def percent(self, moment: datetime) -> float:
        return round(100 * (self._place(moment) / self.length), 2)

    def _place(self, moment: datetime) -> timedelta:
        moment = min(max(moment, self.start), self.end)
        place = moment - self.start
        for since, until in self.cuts:
            if moment >= until:
                place -= until - since - self.short
            elif moment > since:
                place -= (moment - since) * (1 - self.short / (until - since))
        return place


def _idle(worked: Sequence[_Stretch], start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    reached = start
    for stretch in sorted(worked, key=lambda one: one.start):
        if stretch.start > reached:
            yield reached, stretch.start
        reached = max(reached, stretch.end)
    if end > reached:
        yield reached, end


def timeline(job: Mapping[str, Any], now: datetime) -> Timeline:
    """The timeline of a job's snapshot as it stands at `now`."""
    worked = list(_worked(job, now))
    scale = _Scale(worked, job["created_at"], job["finished_at"] or now)
    lanes = tuple(_lane(job, step, [one for one in worked if one.step_id == _identity(step)], scale) for step in job["steps"])
    breaks = tuple(_break(scale, since, until) for since, until in scale.cuts)
    return Timeline(lanes, breaks, span((scale.end - scale.start).total_seconds()))


def _break(scale: _Scale, since: datetime, until: datetime) -> Break:
    left = scale.percent(since)
    return Break(left, round(scale.percent(until) - left, 2), f"{span((until - since).total_seconds())} idle")


def _identity(step: Mapping[str, Any]) -> tuple[object, object]:
    return step["name"], step["part"]


def _worked(job: Mapping[str, Any], now: datetime) -> Iterator[_Stretch]:
    """Attempts that ended, and what each step's own row adds: its last attempt."""
    seen = set()
    for attempt in job["attempts"]:
        identity = attempt["step"], attempt["part"]
        seen.add((identity, attempt["started_at"]))
        yield _Stretch(identity, attempt["outcome"], attempt["started_at"], attempt["finished_at"])
    for step in job["steps"]:
        identity = _identity(step)
        running = step["status"] == "running"
        if step["claimed_at"] and (running or step["finished_at"]) and (identity, step["claimed_at"]) not in seen:
            end = now if running else step["finished_at"]
            yield _Stretch(identity, step["status"], step["claimed_at"], end, step["progress"] if running else None)


def _lane(job: Mapping[str, Any], step: Mapping[str, Any], worked: Sequence[_Stretch], scale: _Scale) -> Lane:
    if not worked:
        return Lane(step, (), f"{step['name']}: {step['status']}")
    ready = _ready(job, step)
    bars = [_bar("waited", ready, min(one.start for one in worked), scale)]
    for stretch in worked:
        bars.append(_bar(stretch.kind, stretch.start, stretch.end, scale))
        if stretch.share is not None:
            bars.append(_bar("done", stretch.start, stretch.start + (stretch.end - stretch.start) * stretch.share, scale))
    first, last = worked[0].start, worked[-1]
    since = span((first - job["created_at"]).total_seconds())
    took = span(sum((one.end - one.start).total_seconds() for one in worked))
    told = f"{step['name']}: {last.kind}, began after {since}, worked {took}"
    return Lane(step, tuple(bar for bar in bars if bar.width > 0), told)


def _ready(job: Mapping[str, Any], step: Mapping[str, Any]) -> datetime:
    """When all that the step comes after had ended."""
    before = [one["finished_at"] for one in job["steps"] if one["name"] in step["after"] and one["finished_at"]]
    ready: datetime = max([job["created_at"], *before])
    return ready


def _bar(kind: str, start: datetime, end: datetime, scale: _Scale) -> Bar:
    left, right = scale.percent(start), scale.percent(end)
    width = right - left if kind in {"waited", "done"} else max(right - left, _LEAST_PERCENT)
    return Bar(kind, min(left, 100 - _LEAST_PERCENT), round(max(0.0, width), 2))
