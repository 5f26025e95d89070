"""Operators watch queues, and mend what failed."""

from collections.abc import Iterator
from typing import Any

from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.stage import Stage

TITLE = "operators pause a queue, and see and repeat what failed"
_PAGES = ("/", "/jobs", "/failures", "/queues", "/workers", "/schedules")


def begin(stage: Stage) -> dict[str, Any]:
    """Ask for a video that is not there: it fails for good."""
    asked: dict[str, Any] = stage.watcher.send("/v1/videos/from-url", {"url": f"{stage.site_url}/missing.mp4"})
    return asked


def judge(stage: Stage, asked: dict[str, Any]) -> Iterator[Verdict]:
    """The failure is told in words, a paused queue starts nothing, and what is mended succeeds."""
    job = stage.job(asked["id"])
    yield Verdict(job["status"] == "failed" and bool(job["error"]), f"a missing video: {job['error']}")
    stage.watcher.send("/ops/pauses", {"kind": "queue", "name": "io", "reason": "demo"}, method="PUT")
    waiting = stage.watcher.send("/v1/jobs", {"pipeline": "self_check", "args": {}})
    shown = stage.until(lambda: _why(stage, waiting["id"]), "a reason to wait")
    yield Verdict("paused" in shown, f"a paused queue starts nothing: {shown}")
    stage.watcher.send("/ops/pauses/queue/io", method="DELETE")
    yield Verdict(stage.job(waiting["id"])["status"] == "succeeded", "and goes on when it is resumed")
    for page in _PAGES:
        text = stage.watcher.text(page)
        yield Verdict("<main" in text, f"the page {page}: {len(text)} characters")


def _why(stage: Stage, job_id: str) -> str | None:
    why = stage.watcher.json(f"/v1/jobs/{job_id}")["why"]
    return str(why) if why else None
