"""The pipeline `clip`: a part of a video is cut into a video of its own, and that very content is checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import Conflict
from db import clips, jobs, publishing, videos
from db.base.videos import VideoStatus
from pipelines.base import Pipeline, enqueue
from pipelines.steps.clip import cut
from pipelines.steps.review import read_screen, review


@dataclass(frozen=True, slots=True)
class Clip:
    """The clip's row, which `start` wrote."""

    video_id: int


def start(
    session: Session, parent_id: int, *, user_id: str, start_sec: int, end_sec: int, details: Mapping[str, Any]
) -> tuple[RowMapping, UUID]:
    """Write the clip and its job in the caller's transaction. Raises NotFound, Invalid, Conflict where there is no film to cut."""
    clip = clips.insert_clip(session, parent_id, user_id=user_id, start_sec=start_sec, end_sec=end_sec, details=details)
    if publishing.find_film(session, videos.get_video(session, parent_id)) is None:
        raise Conflict(f"video {parent_id} is not ready: a clip can be cut once its film is made")
    args = {"video_id": clip["id"]}
    return clip, enqueue(session, "clip", args, owner_id=user_id, subject=videos.subject(clip["id"]))


def follow(session: Session, job: RowMapping) -> None:
    """A clip that was not cut has failed; one that was is there, whatever became of its check."""
    video_id = job["args"]["video_id"]
    if videos.get_video(session, video_id)["status"] not in {VideoStatus.UPLOADING, VideoStatus.FAILED}:
        return
    match job["status"]:
        case jobs.Status.SUCCEEDED:
            return
        case jobs.Status.FAILED | jobs.Status.QUARANTINED | jobs.Status.CANCELLED:
            words = job["error"] or "This clip was cancelled."
            videos.update_video(session, video_id, status=VideoStatus.FAILED, error_message=words)
        case _:
            videos.update_video(session, video_id, status=VideoStatus.UPLOADING, error_message=None)


PIPELINE = Pipeline("clip", Clip, (cut, read_screen.after(cut), review.after(read_screen)), follow)
