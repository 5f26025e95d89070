"""Confidentiality checks: one row per check, the newest counts."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from db import videos

SEVERITIES = ("high", "medium", "low")
_INSERT = text("""
INSERT INTO confidentiality_checks (video_id, status, overall_status, segments, summary, high_count, medium_count, low_count,
    model_used, triggered_by, completed_at)
VALUES (:video_id, 'completed', :overall_status, :segments, :summary, :high, :medium, :low, :model_used, :triggered_by, now())
RETURNING id
""").bindparams(bindparam("segments", type_=JSONB))


def insert_check(
    session: Session,
    video_id: int,
    *,
    clear: bool,
    segments: Sequence[Mapping[str, Any]],
    summary: str,
    model_used: str,
    triggered_by: str,
) -> int:
    """Write a check that has ended and make it the video's last one; counts are those of the segments."""
    counts = {severity: sum(segment["severity"] == severity for segment in segments) for severity in SEVERITIES}
    check_id = session.scalar(
        _INSERT,
        {
            "video_id": video_id,
            "overall_status": "clear" if clear else "flagged",
            "segments": [dict(segment) for segment in segments],
            "summary": summary,
            "model_used": model_used,
            "triggered_by": triggered_by,
            **counts,
        },
    )
    videos.update_video(
        session,
        video_id,
        confidentiality_status="clear" if clear else "flagged",
        last_confidentiality_check_id=check_id,
    )
    session.execute(text("UPDATE videos SET last_confidentiality_check_at = now() WHERE id = :id"), {"id": video_id})
    return int(check_id or 0)


def find_last_check(session: Session, video_id: int) -> RowMapping | None:
    """The newest check of a video."""
    statement = text("SELECT * FROM confidentiality_checks WHERE video_id = :id ORDER BY id DESC LIMIT 1")
    return session.execute(statement, {"id": video_id}).mappings().one_or_none()


def segment_times(segment: Mapping[str, Any]) -> tuple[float, float]:
    """When a segment starts and ends, in seconds; checks made before this platform know whole ones only, as HH:MM:SS."""
    start = float(segment.get("startSeconds", _seconds(segment["startTime"])))
    return start, float(segment.get("endSeconds", _seconds(segment["endTime"])))


def _seconds(clock: str) -> float:
    total = 0.0
    for part in clock.split(":"):
        total = total * 60 + float(part)
    return total
