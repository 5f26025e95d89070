"""The pipeline `publish`: a video goes to its channel, private, and is shown to others where a person asked and its check passed."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from db import jobs, publishing, videos
from db.base.videos import Privacy, VideoStatus
from pipelines.base import Pipeline, Unique, enqueue
from pipelines.steps.publish import export, reveal, upload


@dataclass(frozen=True, slots=True)
class Publish:
    """The video, to whom a person asked to show it, and YouTube's id of the channel (None: the account's own)."""

    video_id: int
    privacy: Privacy = Privacy.PRIVATE
    channel_id: str | None = None


def start(
    session: Session, video_id: int, *, user_id: str, privacy: Privacy = Privacy.PRIVATE, channel_id: str | None = None
) -> UUID:
    """Write the job in the caller's transaction, and that the video is being published. Raises NotFound, Refused, Conflict."""
    publishing.begin(session, video_id)
    args = {"video_id": video_id, "privacy": privacy, "channel_id": channel_id}
    return enqueue(session, "publish", args, owner_id=user_id, subject=videos.subject(video_id))


def follow(session: Session, job: RowMapping) -> None:
    """Show on the video how the job ended, or that it is open again."""
    video_id = job["args"]["video_id"]
    match job["status"]:
        case jobs.Status.SUCCEEDED:
            return  # `reveal` wrote it
        case jobs.Status.CANCELLED:
            publishing.give_up(session, video_id, VideoStatus.READY_TO_EDIT, None)
        case jobs.Status.FAILED | jobs.Status.QUARANTINED:
            publishing.give_up(session, video_id, VideoStatus.FAILED, job["error"])
        case _:
            videos.update_video(session, video_id, status=VideoStatus.PUBLISHING, error_message=None)


PIPELINE = Pipeline(
    "publish",
    Publish,
    (export, upload.after(export), reveal.after(upload)),
    follow,
    unique=Unique(("video_id",)),
)
