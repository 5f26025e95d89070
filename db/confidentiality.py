"""Confidentiality checks: one row per check, the newest counts; what people decide on its findings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from core.errors import Conflict, Invalid, NotFound
from db import videos
from db.base.rows import list_rows
from db.base.videos import VideoConfidentiality
from db.base.videos import videos as video_rows

SEVERITIES = ("high", "medium", "low")


class Decision(StrEnum):
    """What a person decided on a finding; any may follow any."""

    RESOLVED = "resolved"
    IGNORED = "ignored"
    PENDING = "pending"  # opened again


_TEXTS = frozenset({"id", "category", "reason", "excerpt", "rule", "source", "resolutionNote", "resolvedBy"})  # of a finding


@dataclass(frozen=True, slots=True)
class Result:
    """What a check came to. With an `error` it is none that can be relied on, and is neither clear nor flagged."""

    clear: bool
    segments: Sequence[Mapping[str, Any]]
    summary: str
    model_used: str
    ran: Mapping[str, Any] | None = None
    content_sha256: str | None = None
    error: str | None = None


_COLUMNS = [*(f"{severity}_count" for severity in SEVERITIES), "status", "overall_status", "segments", "summary"]
_COLUMNS += ["model_used", "error_message", "ran", "content_sha256"]
_END = text(f"""
UPDATE confidentiality_checks SET {", ".join(f"{name} = :{name}" for name in _COLUMNS)}, completed_at = now(),
    cleared_by = NULL, cleared_at = NULL
WHERE id = :id AND video_id = :video_id RETURNING id
""").bindparams(  # noqa: S608  (constants)
    bindparam("segments", type_=JSONB), bindparam("ran", type_=JSONB(none_as_null=True))
)
_SPEAK = text("""
UPDATE videos SET confidentiality_status = :outcome, last_confidentiality_check_id = :id, last_confidentiality_check_at = now()
WHERE id = :video_id AND NOT EXISTS (SELECT 1 FROM confidentiality_checks c WHERE c.video_id = :video_id AND c.id > :id)
""")
_DECIDED = text("""
UPDATE confidentiality_checks SET segments = :segments, overall_status = :overall_status, cleared_by = :cleared_by,
    cleared_at = :cleared_at
WHERE id = :id
""").bindparams(bindparam("segments", type_=JSONB))
_KEEP_DECISION = text("""
INSERT INTO confidentiality_decisions (check_id, video_id, segment_id, decision, note, decided_by)
VALUES (:check_id, :video_id, :segment_id, :decision, :note, :by)
""")


def begin_check(session: Session, video_id: int, *, triggered_by: str) -> int:
    """A check that is asked for and has not run; until it has, the video is not clear. Raises NotFound, Refused."""
    videos.update_video(session, video_id, confidentiality_status="checking")
    statement = text(
        "INSERT INTO confidentiality_checks (video_id, status, triggered_by) VALUES (:video_id, 'pending', :by) RETURNING id"
    )
    return int(session.scalar(statement, {"video_id": video_id, "by": triggered_by}) or 0)


def run_check(session: Session, check_id: int) -> None:
    """Show that a check runs."""
    session.execute(text("UPDATE confidentiality_checks SET status = 'running' WHERE id = :id"), {"id": check_id})


def end_check(session: Session, video_id: int, check_id: int, result: Result) -> None:
    """Write what a check came to; counts are those of the segments. It speaks for the video unless a newer one was begun.

    Raises NotFound.
    """
    counts = {severity: sum(one["severity"] == severity for one in result.segments) for severity in SEVERITIES}
    outcome = "error" if result.error else "clear" if result.clear else "flagged"
    values = {
        "id": check_id,
        "video_id": video_id,
        "status": "error" if result.error else "completed",
        "overall_status": None if result.error else outcome,
        "segments": [dict(segment) for segment in result.segments],
        "summary": result.summary,
        "model_used": result.model_used,
        "error_message": result.error,
        "ran": dict(result.ran) if result.ran is not None else None,
        "content_sha256": result.content_sha256,
        **{f"{severity}_count": count for severity, count in counts.items()},
    }
    if session.execute(_END, values).first() is None:
        raise NotFound(f"there is no confidentiality check {check_id} of video {video_id}")
    session.execute(_SPEAK, {"video_id": video_id, "id": check_id, "outcome": outcome})


def insert_check(session: Session, video_id: int, *, triggered_by: str, **result: Any) -> int:  # noqa: ANN401  (of Result)
    """Write a check that has ended, and make it the video's last one."""
    check_id = begin_check(session, video_id, triggered_by=triggered_by)
    end_check(session, video_id, check_id, Result(**result))
    return check_id


def abandon_checks(session: Session, video_id: int, error: str) -> None:
    """Checks of a video that will not end are in error, and so is the video that waits for one."""
    values = {"id": video_id, "error": error}
    session.execute(
        text("""
        UPDATE confidentiality_checks SET status = 'error', error_message = :error, completed_at = now()
        WHERE video_id = :id AND status IN ('pending', 'running')
        """),
        values,
    )
    statement = "UPDATE videos SET confidentiality_status = 'error' WHERE id = :id AND confidentiality_status = 'checking'"
    session.execute(text(statement), values)


def find_last_check(session: Session, video_id: int) -> RowMapping | None:
    """The newest check of a video."""
    statement = text("SELECT * FROM confidentiality_checks WHERE video_id = :id ORDER BY id DESC LIMIT 1")
    return session.execute(statement, {"id": video_id}).mappings().one_or_none()


def get_check(session: Session, check_id: int) -> RowMapping:
    """One check. Raises NotFound."""
    row = session.execute(text("SELECT * FROM confidentiality_checks WHERE id = :id"), {"id": check_id}).mappings().first()
    if row is None:
        raise NotFound(f"there is no confidentiality check {check_id}")
    return row


def find_decided(session: Session, video_id: int) -> RowMapping | None:
    """The newest check of a video that came to a result, for its decisions."""
    statement = text("""
        SELECT * FROM confidentiality_checks WHERE video_id = :id AND segments IS NOT NULL AND completed_at IS NOT NULL
        ORDER BY id DESC LIMIT 1
    """)
    return session.execute(statement, {"id": video_id}).mappings().one_or_none()


def decide(session: Session, video_id: int, segment_id: str, decision: Decision, *, note: str, by: str) -> RowMapping:
    """Write what a person decided on a finding of the last check, and why; returns the check.

    Who decides on the last open finding clears the check with that, by name. Who opens one again makes it flagged. Two who decide
    at once take turns. Raises NotFound, Invalid without a reason, Conflict where the check is not one to decide on.
    """
    if decision is not Decision.PENDING and not note.strip():
        raise Invalid("say why: a finding is resolved or ignored with a reason")
    statement = text("SELECT * FROM confidentiality_checks WHERE video_id = :id ORDER BY id DESC LIMIT 1 FOR UPDATE")
    check = session.execute(statement, {"id": video_id}).mappings().one_or_none()
    if check is None:
        videos.get_video(session, video_id)
        raise NotFound(f"video {video_id} was not checked yet")
    if check["status"] != "completed":
        raise Conflict(f"the last check of video {video_id} is {check['status']}: decide once a check is completed")
    segments = list_segments(check["segments"])
    segment = next((one for one in segments if one["id"] == segment_id), None)
    if segment is None:
        raise NotFound(f"the last check of video {video_id} has no finding {segment_id}")
    now = datetime.now(UTC)
    _mark(segment, decision, note.strip(), by, now)
    is_clear = not any(one["resolutionStatus"] == Decision.PENDING for one in segments)
    outcome = "clear" if is_clear else "flagged"
    values = {"id": check["id"], "segments": segments, "overall_status": outcome}
    session.execute(_DECIDED, {**values, "cleared_by": by if is_clear else None, "cleared_at": now if is_clear else None})
    videos.update_video(session, video_id, confidentiality_status=outcome)
    about = {"check_id": check["id"], "video_id": video_id, "segment_id": segment_id}
    session.execute(_KEEP_DECISION, {**about, "decision": decision.value, "note": note.strip() or None, "by": by})
    return get_check(session, check["id"])


def _mark(segment: dict[str, Any], decision: Decision, note: str, by: str, now: datetime) -> None:
    segment["resolutionStatus"] = decision.value
    for name in ("resolutionNote", "resolvedBy", "resolvedAt"):
        segment.pop(name, None)
    if decision is not Decision.PENDING:
        segment |= {"resolutionNote": note, "resolvedBy": by, "resolvedAt": now.isoformat()}


def list_decisions(session: Session, video_id: int, *, limit: int = 200) -> list[RowMapping]:
    """What was decided on findings of a video, newest first."""
    statement = text("SELECT * FROM confidentiality_decisions WHERE video_id = :id ORDER BY id DESC LIMIT :limit")
    return list(session.execute(statement, {"id": video_id, "limit": limit}).mappings())


def list_unsecured(session: Session, *, before: int | None = None, limit: int = 50, more: bool = False) -> list[RowMapping]:
    """Videos whose check did not come out clear, or that have none, newest first; `more` as in `list_rows`."""
    not_clear = video_rows.c.confidentiality_status != VideoConfidentiality.CLEAR
    return list_rows(session, video_rows, not_clear, before=before, limit=limit, more=more)


def list_segments(stored: object) -> list[dict[str, Any]]:
    """What is stored as the segments of a check, each with all that is read of one, whatever earlier products left out or wrote otherwise.

    What is unknown is taken for grave and undecided, and for one thing at the begin of the film; what is no segment at all is left out.
    """
    listed = stored if isinstance(stored, list) else []
    return [_whole(segment, number) for number, segment in enumerate(listed, 1) if isinstance(segment, Mapping)]


def _whole(segment: Mapping[str, Any], number: int) -> dict[str, Any]:
    known = {name: str(value) if name in _TEXTS else value for name, value in segment.items() if value is not None}
    start, end = segment_times(known)
    words = {"id": f"segment-{number}", "category": "other", "reason": "No reason was kept."}
    severity, status = known.get("severity"), known.get("resolutionStatus")
    read = {
        "startSeconds": start,
        "endSeconds": end,
        "severity": severity if severity in SEVERITIES else SEVERITIES[0],
        "confidence": _number(known.get("confidence")),
        "resolutionStatus": status if status in tuple(Decision) else Decision.PENDING.value,
    }
    return known | {name: known.get(name) or word for name, word in words.items()} | read


def segment_times(segment: Mapping[str, Any]) -> tuple[float, float]:
    """When a segment starts and ends, in seconds; checks made before this platform know whole ones only, as HH:MM:SS."""
    start = _number(segment.get("startSeconds", _seconds(segment.get("startTime"))))
    return start, max(start, _number(segment.get("endSeconds", _seconds(segment.get("endTime")))))


def _seconds(clock: object) -> float:
    total = 0.0
    for part in str(clock).split(":"):
        total = total * 60 + _number(part)
    return total


def _number(value: object) -> float:
    """0 where it is none."""
    try:
        number = float(str(value))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
