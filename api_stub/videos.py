"""/api/videos: as earlier clients know them; what they left open to anyone is the owner's."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Response
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema, with_config
from pydantic.alias_generators import to_camel
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from api_stub.auth import DatabaseHere, StorageHere, User
from api_stub.contract import LARGEST_ID, Cursor, Id, Limit, Sent, Shown
from api_stub.listing import bare_array
from core.storage import Storage
from db import jobs, uploads, videos
from db.engine import Database, Role, acting_as
from db.videos import FileKind

router = APIRouter(prefix="/api/videos", tags=["videos"])


class Video(Shown):
    """A video."""

    id: int
    user_id: str
    original_filename: str
    storage_path: str
    status: str
    assembly_id: str | None
    file_size: int | None
    mime_type: str | None
    transcript: str | None
    captions: Any
    title: str | None
    description: str | None
    tags: str | None
    hashtags: str | None
    sentiment: str | None
    categories: str | None
    category: str | None
    ai_summary: str | None
    thumbnail_prompt: str | None
    thumbnail_url: str | None
    speaker_image_url: str | None
    language: str | None
    duration_ms: int | None
    suggested_start_ms: int | None
    trim_start_ms: int | None
    trim_end_ms: int | None
    parent_video_id: int | None
    start_sec: int | None
    end_sec: int | None
    privacy_status: str
    youtube_id: str | None
    youtube_url: str | None
    youtube_channel_id: str | None
    published_at: datetime | None
    error_message: str | None
    confidentiality_status: str
    last_confidentiality_check_id: int | None
    last_confidentiality_check_at: datetime | None
    created_at: datetime
    updated_at: datetime


_Count = Annotated[int, Field(ge=0, le=LARGEST_ID)]


@with_config(ConfigDict(alias_generator=to_camel, extra="forbid", strict=True))
class _Changes(TypedDict, total=False):
    """What an owner may change."""

    original_filename: Annotated[str, Field(min_length=1)]
    transcript: str | None
    captions: list[dict[str, Any]] | None
    title: str | None
    description: str | None
    tags: str | None
    hashtags: str | None
    sentiment: str | None
    categories: str | None
    category: str | None
    ai_summary: str | None
    thumbnail_prompt: str | None
    thumbnail_url: str | None
    speaker_image_url: str | None
    language: str | None
    suggested_start_ms: _Count | None
    trim_start_ms: _Count | None
    trim_end_ms: _Count | None
    start_sec: _Count | None
    end_sec: _Count | None
    privacy_status: Literal["public", "private", "unlisted"]


_CHANGES = TypeAdapter(_Changes)
_Wanted = Annotated[dict[str, Any], Body(), WithJsonSchema({**_CHANGES.json_schema(), "title": "VideoChanges"})]


def show(session: Session, rows: Sequence[RowMapping]) -> list[Video]:
    """Videos as clients see them; where there is no thumbnail, the poster stands for it."""
    lacking = [row["id"] for row in rows if row["thumbnail_url"] is None]
    posters = videos.list_with_file(session, lacking, FileKind.POSTER) if lacking else set()
    urls = {video_id: f"/media/videos/{video_id}/poster" for video_id in posters}
    return [Video.model_validate({**row, "thumbnail_url": row["thumbnail_url"] or urls.get(row["id"])}) for row in rows]


def show_one(session: Session, video_id: int) -> Video:
    """One video as clients see it. Raises NotFound."""
    return show(session, [videos.get_video(session, video_id)])[0]


@router.get("", response_model=list[Video])
def list_videos(user: User, database: DatabaseHere, cursor: Cursor = None, limit: Limit = None) -> Response:
    """The videos that you may see, newest first; with `limit`, the next page is in `Link`."""

    def read(before: int | None, most: int) -> list[Video]:
        with database.tenant(user) as session:
            return show(session, videos.list_videos(session, before=before, limit=most))

    return bare_array(read, "/api/videos", cursor=cursor, limit=limit)


@router.get("/{video_id}")
def get_video(video_id: Id, user: User, database: DatabaseHere) -> Video:
    """One video."""
    with database.tenant(user) as session:
        return show_one(session, video_id)


@router.get("/{video_id}/status")
def get_video_status(video_id: Id, user: User, database: DatabaseHere) -> dict[str, str]:
    """Its status alone."""
    with database.tenant(user) as session:
        return {"status": videos.get_video(session, video_id)["status"]}


@router.patch("/{video_id}")
def patch_video(video_id: Id, wanted: _Wanted, user: User, database: DatabaseHere) -> Video:
    """Change what an owner may change. A field that stays as it is may be sent too: clients send back what they got."""
    with database.tenant(user) as session:
        shown = show_one(session, video_id).model_dump(mode="json")
        changes = _read_changes({name: value for name, value in wanted.items() if name not in shown or shown[name] != value})
        if changes:
            videos.update_video(session, video_id, **changes)
        row = videos.get_video(session, video_id)
        _check_order(row["trim_start_ms"], row["trim_end_ms"], "trimEndMs must be later than trimStartMs")
        _check_order(row["start_sec"], row["end_sec"], "endSec must be later than startSec")
        return show(session, [row])[0]


class Trim(Sent):
    """Where a video begins and ends when it is published; what is left out is nowhere."""

    trim_start_ms: _Count | None = None
    trim_end_ms: _Count | None = None


@router.patch("/{video_id}/trim")
def patch_trim(video_id: Id, trim: Trim, user: User, database: DatabaseHere) -> Video:
    """Set both ends at once."""
    _check_order(trim.trim_start_ms, trim.trim_end_ms, "trimEndMs must be later than trimStartMs")
    with database.tenant(user) as session:
        videos.update_video(session, video_id, **trim.model_dump())
        return show_one(session, video_id)


def _read_changes(wanted: dict[str, Any]) -> _Changes:
    try:
        return _CHANGES.validate_python(wanted)
    except ValidationError as error:
        problems = (f"{item['loc'][0]}: {_WORDS.get(item['type'], item['msg'])}" for item in error.errors())
        raise HTTPException(400, "; ".join(problems)) from None


_WORDS = {"extra_forbidden": "cannot be changed"}


def _check_order(start: int | None, end: int | None, words: str) -> None:
    if start is not None and end is not None and end <= start:
        raise HTTPException(400, words)


@router.delete("/{video_id}", status_code=204)
def delete_video(video_id: Id, user: User, database: DatabaseHere, storage: StorageHere) -> None:
    """Remove a video with its files, checks and jobs."""
    delete(database, storage, user, video_id)


def delete(database: Database, storage: Storage, user: str, video_id: int) -> None:
    """Remove a video, its jobs first, its files last; what still runs for it finds itself replaced. Raises NotFound, Forbidden."""
    with database.tenant(user) as session:
        # A step that ends locks its job before its video, and so do we. Whoever may not remove the video loses no job either.
        with acting_as(session, Role.JOBS):
            jobs.delete_jobs(session, videos.subject(video_id), owner_id=user)
        folders = {_folder(key) for key in videos.delete_video(session, video_id)}
        folders |= {uploads.folder(upload_id) for upload_id in uploads.delete_uploads_of(session, video_id)}
    for folder in folders:
        storage.remove_tree(folder)


def _folder(key: str) -> str:
    """What belongs to one attempt or one upload, and so to one video: the first two parts of the key."""
    return "/".join(key.split("/")[:2])
