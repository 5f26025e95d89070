"""The pipeline `ingest`: a new video is fetched, looked at, transcoded, transcribed and checked."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from db import confidentiality, jobs, videos
from db.base.videos import RequestStatus, VideoStatus
from pipelines.base import Pipeline, enqueue
from pipelines.steps.fetch import fetch
from pipelines.steps.index import embed, index
from pipelines.steps.media import probe, transcode
from pipelines.steps.ready import finish
from pipelines.steps.review import read_screen, review
from pipelines.steps.speech import transcribe


@dataclass(frozen=True, slots=True)
class Ingest:
    """The rows that `start` wrote; the rest as `videos.Source` has it."""

    video_id: int
    request_id: int
    version: str | None = None
    revision: str | None = None
    connection_id: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """What taking in a source began."""

    video_id: int
    request_id: int
    job_id: UUID


def start(session: Session, source: videos.Source, *, user_id: str) -> Started | None:
    """Write video, request and job in the caller's transaction, or return None when this version was taken before."""
    made = videos.insert_request(session, source, user_id=user_id)
    if made is None:
        return None
    video_id, request_id = made
    args = {
        "video_id": video_id,
        "request_id": request_id,
        "version": source.version,
        "revision": source.revision,
        "connection_id": source.connection_id,
    }
    job_id = enqueue(session, "ingest", args, owner_id=user_id, subject=videos.subject(video_id))
    return Started(video_id, request_id, job_id)


def follow(session: Session, job: RowMapping) -> None:
    """Show on video and request how the job ended, or that it is open again."""
    video_id, request_id = job["args"]["video_id"], job["args"]["request_id"]
    match job["status"]:
        case jobs.Status.SUCCEEDED:
            return  # `finish` wrote it
        case jobs.Status.CANCELLED:
            ended, words = RequestStatus.CANCELLED, "This ingest was cancelled."
        case jobs.Status.FAILED | jobs.Status.QUARANTINED:
            ended, words = RequestStatus.FAILED, job["error"]
        case _:
            videos.update_request(session, request_id, status=RequestStatus.QUEUED, error_message=None)
            videos.update_video(session, video_id, status=VideoStatus.UPLOADING, error_message=None)
            return
    confidentiality.abandon_checks(session, video_id, words)
    videos.update_request(session, request_id, status=ended, error_message=words)
    videos.update_video(session, video_id, status=VideoStatus.FAILED, error_message=words)


PIPELINE = Pipeline(
    "ingest",
    Ingest,
    (
        fetch,
        probe.after(fetch),
        transcode.after(probe),
        transcribe.after(probe),
        read_screen.after(probe),
        index.after(transcribe),
        embed.after(index),
        review.after(transcribe, read_screen),
        finish.after(transcode, review),
    ),
    follow,
)
