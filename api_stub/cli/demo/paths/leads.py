"""A scheduled search for leads."""

from collections.abc import Iterator
from typing import Any

from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.stage import Stage

TITLE = "a scheduled search for leads"
_CLIENT = {"name": "Our Plumbers", "address": "1 Mill Lane", "keyword": "plumber", "city": "Springfield", "state": "IL"}


def begin(stage: Stage) -> dict[str, Any]:
    """Make a client and a schedule of it, and let that run now."""
    client = stage.watcher.send("/api/leads/clients", _CLIENT)
    schedule = stage.watcher.send(
        "/v1/schedules",
        {
            "pipeline": "lead_search",
            "args": {"client_id": client["id"]},
            "rule": {"kind": "weekly", "weekday": 1, "hour": 9},
            "zone": "America/New_York",
        },
    )
    ran = stage.watcher.send(f"/v1/schedules/{schedule['id']}/run")
    return {"client": client["id"], "schedule": schedule["id"], "job": ran["job_id"]}


def judge(stage: Stage, begun: dict[str, Any]) -> Iterator[Verdict]:
    """The first search finds new leads, the second finds the same ones, and none of them new."""
    preview = stage.watcher.json(f"/v1/schedules/{begun['schedule']}/preview")
    yield Verdict(len(preview) > 1, f"next: {', '.join(due['at'] for due in preview[:2])}")
    first = stage.job(begun["job"])
    yield Verdict(first["status"] == "succeeded", f"the first search: {first['status']} {first['error'] or ''}".strip())
    found = _newest(stage, begun["client"])
    yield Verdict(
        bool(found) and all(each["isNew"] for each in found), f"{len(found)} businesses, {sum(e['isNew'] for e in found)} new"
    )
    stage.job(stage.watcher.send(f"/v1/schedules/{begun['schedule']}/run")["job_id"])
    again = _newest(stage, begun["client"])
    yield Verdict(
        len(again) == len(found) and not any(each["isNew"] for each in again),
        f"searched again: {len(again)} businesses, {sum(e['isNew'] for e in again)} new",
    )


def _newest(stage: Stage, client: int) -> list[dict[str, Any]]:
    searches = stage.watcher.json(f"/api/leads/clients/{client}/searches")
    return list(searches[0]["results"] or ()) if searches else []
