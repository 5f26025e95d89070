"""The pipeline `metadata`: title, description, tags, hashtags and a thumbnail's description are drafted from the transcript."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import Conflict, Refused
from db import jobs, videos
from db.base.videos import VideoStatus
from pipelines.base import Pipeline, Unique, enqueue
from pipelines.steps.metadata import draft

_OPEN = {VideoStatus.READY_TO_EDIT, VideoStatus.PUBLISHED, VideoStatus.FAILED}


@dataclass(frozen=True, slots=True)
class Metadata:
    """The video, and the status that it goes back to."""

    video_id: int
    back_to: VideoStatus = VideoStatus.READY_TO_EDIT


def start(session: Session, video_id: int, *, user_id: str) -> UUID:
    """Write the job, and that metadata is being generated. Raises NotFound, Refused without a transcript, Conflict."""
    video = videos.get_video(session, video_id)
    if not video["transcript"]:
        raise Refused("This video has no transcript, so there is nothing to draft from.")
    back_to = video["status"]
    if back_to == VideoStatus.GENERATING_METADATA:
        back_to = VideoStatus.READY_TO_EDIT  # the job that stands for this one knows better
    elif back_to not in _OPEN:
        raise Conflict(f"video {video_id} is {back_to}: its metadata can be drafted once it is ready")
    videos.update_video(session, video_id, status=VideoStatus.GENERATING_METADATA)
    args = {"video_id": video_id, "back_to": back_to}
    return enqueue(session, "metadata", args, owner_id=user_id, subject=videos.subject(video_id))


def follow(session: Session, job: RowMapping) -> None:
    """A draft that fails costs the video nothing: it is as it was, with the reason."""
    video_id, back_to = job["args"]["video_id"], job["args"]["back_to"]
    match job["status"]:
        case jobs.Status.SUCCEEDED:
            return  # `draft` wrote it
        case jobs.Status.CANCELLED:
            videos.update_video(session, video_id, status=back_to)
        case jobs.Status.FAILED | jobs.Status.QUARANTINED:
            videos.update_video(session, video_id, status=back_to, error_message=job["error"])
        case _:
            videos.update_video(session, video_id, status=VideoStatus.GENERATING_METADATA)


PIPELINE = Pipeline("metadata", Metadata, (draft,), follow, unique=Unique(("video_id",)))
