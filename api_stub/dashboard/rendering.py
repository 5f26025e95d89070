"""Templates, and how times, spans and sizes are written in them."""

import json
import math
import shlex
from calendar import day_name
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates
from markupsafe import Markup

from db.schedule_rules import RuleKind

_templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_KIBI = 1024


def render(request: Request, template: str, **values: object) -> Response:
    """The page that this template makes of these values."""
    answer: Response = _templates.TemplateResponse(request, template, values, headers={"Cache-Control": "no-store"})
    return answer


def moment(value: datetime | None) -> str:
    """`2026-11-25 02:21:14`, in UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if value else "-"


def span(seconds: float) -> str:
    """How long something took, in at most two units."""
    if seconds < _MINUTE:
        return f"{max(0.0, math.floor(seconds * 10) / 10):.1f} s"
    whole = int(seconds)
    if whole < _HOUR:
        return _two(whole // _MINUTE, "min", whole % _MINUTE, "s")
    if whole < _DAY:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")
    return _two(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def _two(more: int, unit: str, less: int, smaller: str) -> str:
    return f"{more} {unit} {less} {smaller}" if less else f"{more} {unit}"


def took(start: datetime | None, end: datetime | None) -> str:
    """How long it took from start to end, or to now."""
    return span(((end or datetime.now(UTC)) - start).total_seconds()) if start else "-"


def film_clock(seconds: float) -> str:
    """A place in a film as players write it: `0:32`, `1:02:03`."""
    whole = int(seconds)
    hours = f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02}" if whole >= _HOUR else str(whole // _MINUTE)
    return f"{hours}:{whole % _MINUTE:02}"


def size(count: int) -> str:
    """Bytes with a unit that keeps the number short."""
    if count < _KIBI:
        return f"{count} B"
    power = min(4, int(math.log(count, _KIBI)))
    return f"{count / _KIBI**power:.1f} {'KMGT'[power - 1]}iB"


def percent(share: float) -> str:
    """A share of 0 to 1."""
    return f"{100 * share:.0f} %"


def words(name: str) -> str:
    """A stored name as a person would write it: `ready_to_edit` is ready to edit."""
    return name.replace("_", " ")


def repeats(rule: Mapping[str, Any]) -> str:
    """How a schedule's rule (`db.schedule_rules`) repeats: `every 3 days at 09:00`."""
    at = f"at {rule['hour']:02}:{rule['minute']:02}"
    match rule["kind"]:
        case RuleKind.WEEKLY:
            return f"every {day_name[rule['weekday'] - 1]} {at}"
        case RuleKind.MONTHLY:
            return f"on day {rule['day']} of every month {at}"
    if rule.get("minutes"):
        return f"every {span(60 * rule['minutes'])}"
    return f"every {rule['days']} days {at}" if rule["days"] > 1 else f"every day {at}"


def stamp(value: datetime | None) -> Markup:
    """A moment as an element: in UTC, which scripts turn into the viewer's zone; the exact one as its title."""
    if value is None:
        return Markup("-")
    exact = value.astimezone(UTC).isoformat(timespec="milliseconds")
    return Markup('<time class="number" datetime="{0}" title="{0}">{1} UTC</time>').format(exact, moment(value))


def with_code(words: str) -> Markup:
    """What stands between backticks as code."""
    parts = enumerate(words.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in parts)


def curl(request: Request, method: str, path: str, body: object = None) -> str:
    """The line for a shell that does the same as a button; with the key of an operator in ASKSTEPHEN_KEY."""
    words = ["curl", "-X", method, str(request.base_url).rstrip("/") + path]
    line = f'{shlex.join(words)} -H "Authorization: Bearer $ASKSTEPHEN_KEY"'
    if body is None:
        return line
    return f"{line} {shlex.join(['-H', 'Content-Type: application/json', '-d', json.dumps(body, default=str)])}"


for _filter in (stamp, moment, span, film_clock, size, percent, words, repeats, with_code):
    _templates.env.filters[_filter.__name__] = _filter
_templates.env.globals.update(took=took, curl=curl)
