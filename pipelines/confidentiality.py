"""The pipeline `confidentiality`: a video that is there is checked again."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import Refused
from db import confidentiality, jobs, videos
from db.videos import FileKind
from pipelines.base import Pipeline, Unique, enqueue
from pipelines.steps.review import read_screen, review
from pipelines.transcript.earlier import earlier_transcript


@dataclass(frozen=True, slots=True)
class Confidentiality:
    """The video; `check_id` names the row that `start` wrote, without it the review writes one."""

    video_id: int
    check_id: int | None = None


def start(session: Session, video_id: int, *, user_id: str) -> tuple[int, UUID]:
    """Write a check and its job in the caller's transaction; of a video whose check has not ended, that one again.

    Raises NotFound, and Refused where there is nothing to check yet.
    """
    video = videos.get_video(session, video_id)
    if FileKind.TRANSCRIPT not in videos.list_files(session, video_id) and earlier_transcript(dict(video)) is None:
        raise Refused(f"video {video_id} has no transcript yet")
    check = confidentiality.find_last_check(session, video_id)
    if check is not None and check["status"] in {"pending", "running"}:
        check_id = int(check["id"])
    else:
        check_id = confidentiality.begin_check(session, video_id, triggered_by=user_id)
    args = {"video_id": video_id, "check_id": check_id}
    return check_id, enqueue(session, "confidentiality", args, owner_id=user_id, subject=videos.subject(video_id))


def follow(session: Session, job: RowMapping) -> None:
    """Show on the check, and on the video, that the job did not come to a result, or that it is open again."""
    if job["status"] in {jobs.Status.CANCELLED, jobs.Status.FAILED, jobs.Status.QUARANTINED}:
        words = "The check was cancelled." if job["status"] == jobs.Status.CANCELLED else job["error"]
        confidentiality.abandon_checks(session, job["args"]["video_id"], words)


PIPELINE = Pipeline(
    "confidentiality",
    Confidentiality,
    (read_screen, review.after(read_screen)),
    follow,
    unique=Unique(("video_id",)),
)
