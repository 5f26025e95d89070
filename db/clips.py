"""Clips, which are videos cut from another."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import Invalid
from db.base.rows import get_row, insert_row, list_rows, require_only
from db.base.videos import VideoStatus, videos

_OF_PARENT = ("company_id", "original_filename", "storage_path", "category", "mime_type", "language")


def insert_clip(
    session: Session, parent_id: int, *, user_id: str, start_sec: int, end_sec: int, details: Mapping[str, Any]
) -> RowMapping:
    """A clip of a video, whose film is yet to be cut (`title`, `description`, `hashtags`, …). Raises NotFound, Invalid."""
    require_only(details, ("title", "description", "tags", "hashtags", "sentiment", "thumbnail_prompt", "thumbnail_url"))
    parent = get_row(session, videos, parent_id)
    if parent["parent_video_id"] is not None:
        raise Invalid(f"video {parent_id} is a clip itself; cut from video {parent['parent_video_id']}")
    if not 0 <= start_sec < end_sec or (parent["duration_ms"] is not None and start_sec * 1000 >= parent["duration_ms"]):
        raise Invalid("a clip starts within the video and ends after its start")
    cut = {
        "parent_video_id": parent_id,
        "start_sec": start_sec,
        "end_sec": end_sec,
        "duration_ms": (end_sec - start_sec) * 1000,
    }
    kept = {name: parent[name] for name in _OF_PARENT}
    return insert_row(session, videos, {"user_id": user_id, "status": VideoStatus.UPLOADING, **kept, **cut, **details})


def list_clips(session: Session, parent_id: int, *, before: int | None = None, limit: int = 50) -> list[RowMapping]:
    """Of one video, newest first. Raises NotFound."""
    get_row(session, videos, parent_id)
    return list_rows(session, videos, videos.c.parent_video_id == parent_id, before=before, limit=limit)
