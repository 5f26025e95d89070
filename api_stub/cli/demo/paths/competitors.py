"""A competitor's page that changes its price."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.stage import Stage

TITLE = "a competitor changes a price"
_PAGE = """<!doctype html><title>Corner Plumbing</title><h1>Corner Plumbing &amp; Heating</h1>
<p>We mend boilers, pipes and taps in Springfield, on weekdays and at weekends.</p>
<p>Boiler service: ${price}. Call (555) 010-0001 or write to hello@corner.example.</p>
<p>Visitors today: {visitors}. Page made at 12:00:{visitors:02}.</p>"""


def _write(page: Path, *, price: int, visitors: int) -> None:
    page.write_text(_PAGE.format(price=price, visitors=visitors))


def begin(stage: Stage) -> dict[str, Any]:
    """Watch the page, which reads it for the first time."""
    _write(stage.site / "corner.html", price=89, visitors=11)
    client = stage.watcher.send(
        "/v1/leads-clients", {"name": "Bright Pipes", "address": "12 Mill Lane", "keyword": "plumber", "city": "Springfield"}
    )
    url = f"{stage.site_url}/corner.html"
    watched: dict[str, Any] = stage.watcher.send("/v1/competitors", {"client_id": client["id"], "url": url})
    return watched


def judge(stage: Stage, watched: dict[str, Any]) -> Iterator[Verdict]:
    """What only looks like a change is none; a new price is told in a sentence."""
    first = stage.job(watched["job_id"])
    yield Verdict(first["status"] == "succeeded", f"read for the first time: {first['status']}")
    page = stage.site / "corner.html"
    _write(page, price=89, visitors=12)
    again = stage.job(stage.watcher.send(f"/v1/competitors/{watched['id']}/read")["id"])
    yield Verdict(
        again["status"] == "succeeded" and not _changes(stage),
        f"another count of visitors and another time are no change {_told(stage)}",
    )
    _write(page, price=79, visitors=13)
    stage.job(stage.watcher.send(f"/v1/competitors/{watched['id']}/read")["id"])
    changes = _changes(stage)
    told = [change["summary"] for change in changes if "79" in (change["summary"] or "")]
    yield Verdict(len(told) == 1, f"a new price: {told or changes}")


def _changes(stage: Stage) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = stage.watcher.json("/v1/competitors/changes?only_new=true")["items"]
    return items


def _told(stage: Stage) -> list[str]:
    return [change["summary"] for change in _changes(stage)]
