"""What a confidentiality check found, placed on the line of a film's time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from db.confidentiality import SEVERITIES, list_segments
from pipelines.providers.rules import UNCHECKED_RULES


@dataclass(frozen=True, slots=True)
class Finding:
    """One segment of a check; `left` and `width` are percent of the film's time."""

    start_seconds: float
    end_seconds: float
    severity: str
    category: str
    reason: str
    excerpt: str  # masked
    confidence: float
    unchecked: bool
    left: float
    width: float
    id: str
    source: str  # audio or screen
    status: str  # pending, resolved or ignored
    note: str
    decided_by: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check as people read it, its findings in the order of time."""

    verdict: str  # clear, flagged, running or error
    summary: str
    findings: tuple[Finding, ...]
    unchecked: tuple[Finding, ...]
    unchecked_seconds: float
    checked_share: float  # 0 to 1, of the film's time
    made_by: str
    made_at: datetime | None
    cleared_by: str | None
    may_decide: bool

    @property
    def everything(self) -> list[Finding]:
        """Findings and what was not checked, in the order of time: all of it has to be decided on."""
        return sorted([*self.findings, *self.unchecked], key=lambda one: (one.start_seconds, one.end_seconds))

    @property
    def pending(self) -> int:
        """How many of them nobody has decided on."""
        return sum(one.status == "pending" for one in self.everything)

    @property
    def lanes(self) -> list[str]:
        """The severities that occur, the gravest first: one line each on the line of time."""
        return [severity for severity, count in self.counts.items() if count]

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity, the gravest first."""
        return {severity: sum(one.severity == severity for one in self.findings) for severity in SEVERITIES}


def read_check(row: RowMapping | None, duration_seconds: float) -> Check | None:
    """The check that this row tells of, for a film of this length."""
    if row is None:
        return None
    segments = [_finding(segment, duration_seconds) for segment in list_segments(row["segments"])]
    unchecked = tuple(one for one in segments if one.unchecked)
    seconds = min(duration_seconds, _covered(unchecked))
    return Check(
        verdict=row["overall_status"] if row["status"] == "completed" else "error" if row["status"] == "error" else "running",
        summary=(row["error_message"] if row["status"] == "error" else row["summary"]) or "",
        findings=tuple(one for one in segments if not one.unchecked),
        unchecked=unchecked,
        unchecked_seconds=seconds,
        checked_share=1 - seconds / duration_seconds if duration_seconds else 0.0,
        made_by=row["model_used"] or "",
        made_at=row["completed_at"],
        cleared_by=row.get("cleared_by"),
        may_decide=row["status"] == "completed",
    )


def _finding(segment: Mapping[str, Any], duration_seconds: float) -> Finding:
    start, end = segment["startSeconds"], segment["endSeconds"]
    left, right = (_percent(place, duration_seconds) for place in (start, end))
    return Finding(
        start,
        end,
        segment["severity"],
        segment["category"],
        segment["reason"],
        segment.get("excerpt", ""),
        segment["confidence"],
        segment.get("rule") in UNCHECKED_RULES,
        left,
        round(right - left, 2),
        segment["id"],
        segment.get("source", "audio"),
        segment["resolutionStatus"],
        segment.get("resolutionNote", ""),
        segment.get("resolvedBy", ""),
    )


def _percent(seconds: float, duration_seconds: float) -> float:
    return round(100 * min(1.0, max(0.0, seconds / duration_seconds)), 2) if duration_seconds else 0.0


def _covered(stretches: Iterable[Finding]) -> float:
    """Seconds within any of the stretches."""
    total = reached = 0.0
    for one in sorted(stretches, key=lambda stretch: stretch.start_seconds):
        total += max(0.0, one.end_seconds - max(reached, one.start_seconds))
        reached = max(reached, one.end_seconds)
    return total


def cues(captions: object) -> list[dict[str, Any]]:
    """The captions of a video's row as seconds and one line of text each; captions of another shape, which earlier databases may hold, are none."""
    return [
        {
            "start_seconds": cue["startMs"] / 1000,
            "end_seconds": cue["endMs"] / 1000,
            "text": " ".join(str(cue["text"]).split()),
        }
        for cue in (captions if isinstance(captions, list) else ())
        if isinstance(cue, Mapping) and {"startMs", "endMs", "text"} <= cue.keys()
    ]
