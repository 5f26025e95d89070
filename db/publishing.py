"""What publishing reads and writes: whether a content may be shown, whose account it goes through, and what became of it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from core.errors import Conflict, NotFound, Refused
from db import videos
from db.base.videos import VideoStatus
from db.confidentiality import Decision, find_last_check, list_segments
from db.videos import FileKind

# From these a video may be published; what is published may be so again, to show it to others.
OPEN = (VideoStatus.READY_TO_EDIT, VideoStatus.PUBLISHED, VideoStatus.FAILED)


def find_film(session: Session, video: RowMapping) -> RowMapping | None:
    """The MP4 that a video is published from; a clip of an earlier system has none of its own, but its parent has."""
    own = videos.list_files(session, video["id"]).get(FileKind.MP4)
    if own is None and video["parent_video_id"] is not None:
        return videos.list_files(session, video["parent_video_id"]).get(FileKind.MP4)
    return own


def find_objection(session: Session, video: RowMapping, of_sha256: str | None) -> str | None:
    """Why nobody but its owner may see this content yet; None where the last check of that very content came out clear.

    The content is named by the hash of what was checked: the whole that a part was cut from, or the part itself.
    """
    ids = [video["id"], *([video["parent_video_id"]] if video["parent_video_id"] is not None else [])]
    checks = [check for video_id in ids if (check := find_last_check(session, video_id)) is not None]
    if not checks:
        return "it was not checked for confidential content yet"
    check = next((one for one in checks if of_sha256 is not None and one["content_sha256"] == of_sha256), None)
    if check is None:
        ended = checks[0]["status"] not in {"pending", "running"}
        return "its check was of another content than this one: check it again" if ended else "its check has not ended yet"
    if check["status"] == "completed" and check["overall_status"] == "clear":
        return None
    if check["status"] == "error":
        return "its check for confidential content did not come to a result: check it again"
    return f"its check found {_found(check)} that nobody has decided on"


def _found(check: RowMapping) -> str:
    pending = [one for one in list_segments(check["segments"]) if one["resolutionStatus"] == Decision.PENDING]
    return "one thing" if len(pending) == 1 else f"{len(pending)} things"


def begin(session: Session, video_id: int) -> RowMapping:
    """The video, which is being published from now on. Raises NotFound, Refused, Conflict."""
    video = videos.get_video(session, video_id)
    if find_film(session, video) is None:
        raise Refused("This video is not ready to be published: its film was not made yet. Please wait until it is ready.")
    statement = text(
        "UPDATE videos SET status = 'publishing', error_message = NULL WHERE id = :id AND status = ANY(:open) RETURNING id"
    )
    if session.execute(statement, {"id": video_id, "open": [*OPEN]}).first() is None:
        raise Conflict(f"video {video_id} is {video['status']}: it can be published once it is ready")
    return video


_END = text("""
UPDATE videos SET status = 'published', youtube_id = :id, youtube_url = :url, youtube_channel_id = :channel_id,
    privacy_status = :privacy, youtube_response = coalesce(youtube_response, '{}') || :response, error_message = :note,
    published_at = coalesce(published_at, now())
WHERE id = :video_id RETURNING id
""").bindparams(bindparam("response", type_=JSONB))


def end(session: Session, video_id: int, shown: Mapping[str, Any], *, response: Mapping[str, Any], note: str | None) -> None:
    """Write where the video is shown and to whom. Raises NotFound."""
    values = {"video_id": video_id, **shown, "response": dict(response), "note": note}
    if session.execute(_END, values).first() is None:
        raise NotFound(f"there is no video {video_id}")


_REMOVED = text("""
UPDATE videos SET youtube_id = NULL, youtube_url = NULL, published_at = NULL,
    youtube_response = jsonb_set(coalesce(youtube_response, '{}'), '{removed}',
        coalesce(youtube_response -> 'removed', '[]') || to_jsonb(CAST(:gone AS text)))
WHERE id = :id
""")


def keep_removal(session: Session, video_id: int, gone: str) -> None:
    """Its owner took the video away there: published again, it is another upload."""
    session.execute(_REMOVED, {"id": video_id, "gone": gone})


def give_up(session: Session, video_id: int, status: VideoStatus, words: str | None) -> None:
    """Publishing came to nothing; what was published before still is."""
    statement = text("""
        UPDATE videos SET status = CASE WHEN youtube_id IS NULL THEN :status ELSE 'published' END, error_message = :words
        WHERE id = :id AND status = 'publishing'
    """)
    session.execute(statement, {"id": video_id, "status": status, "words": words})


def find_account(session: Session, channel_id: str | None) -> RowMapping | None:
    """The YouTube account that publishes to this channel; without one, the newest. Also one that has to be connected again."""
    statement = text("""
        SELECT * FROM user_social_accounts
        WHERE platform = 'youtube' AND (CAST(:channel_id AS text) IS NULL OR channel_id = :channel_id)
        ORDER BY is_active DESC, id DESC LIMIT 1
    """)
    return session.execute(statement, {"channel_id": channel_id}).mappings().one_or_none()


def list_accounts(session: Session) -> list[RowMapping]:
    """The accounts that are connected and name their channel."""
    statement = text("""
        SELECT channel_id, coalesce(account_name, account_email, channel_id) AS name FROM user_social_accounts
        WHERE platform = 'youtube' AND is_active AND channel_id IS NOT NULL ORDER BY id
    """)
    return list(session.execute(statement).mappings())
