"""The workbook and its coach."""

from collections.abc import Iterator
from typing import Any

from api_stub.cli.demo.judge import Verdict
from api_stub.cli.demo.stage import Stage

TITLE = "the coach answers, and drafts a section"


def begin(stage: Stage) -> dict[str, Any]:
    """Write a section, ask about it, and have another drafted."""
    stage.watcher.send(
        "/api/workbook/swot",
        {
            "businessArea": "overall",
            "strengths": ["Loyal customers"],
            "weaknesses": ["No website"],
            "opportunities": [],
            "threats": [],
        },
    )
    question = {"section": "swot", "action": "review", "answers": {"strengths": ["Loyal customers"]}, "message": "What next?"}
    asked = stage.watcher.send("/v1/coach", question)
    draft = stage.watcher.send("/v1/workbook/action-plan/draft")
    return {"asked": asked, "draft": draft}


def judge(stage: Stage, begun: dict[str, Any]) -> Iterator[Verdict]:
    """A reply is there, is streamed whole to who comes late, and a draft was written."""
    asked = stage.job(begun["asked"]["id"])
    events = stage.watcher.text(begun["asked"]["events"])
    yield Verdict(asked["status"] == "succeeded" and "event: reply" in events, f"the coach's reply: {asked['status']}")
    draft = stage.job(begun["draft"]["id"])
    yield Verdict(draft["status"] == "succeeded", f"a 90-day plan is drafted: {draft['status']}")
