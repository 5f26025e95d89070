"""The studio: drafts from what is said, edges, clips, and pictures that stand for a video."""

import hashlib
import io
import math
from dataclasses import asdict
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, model_validator
from sqlalchemy import RowMapping
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, SettingsHere, StorageHere, User, in_area
from api_stub.body import check_room, declared_bytes
from api_stub.contract import Cursor, Id, Limit, Sent, Shown
from api_stub.listing import bare_array
from api_stub.uploads import TAKES_A_FORM, form_boundary, read_form
from api_stub.videos import Video, show, show_one
from core.errors import Refused, Transient
from core.ids import new_id
from core.settings import Settings
from core.storage import Storage
from db import clips, videos
from db.engine import Database
from db.permissions import Area
from db.videos import FileKind, NewFile
from pipelines import clip, metadata
from pipelines.base import enqueue
from pipelines.drafts import edges, moments
from pipelines.drafts.words import sentences
from pipelines.providers.language import Declined, get_language
from pipelines.providers.picture import Kind, find_kind

router = APIRouter(prefix="/api/videos", tags=["studio"], dependencies=[Depends(in_area(Area.STUDIO))])
_LARGEST_PICTURE_BYTES = 10 << 20


class Url(Shown):
    """Where something is."""

    url: str


class ContentStart(Shown):
    """Where the content starts, and how sure a rule is of it."""

    suggested_start_ms: int
    reason: str
    confidence: float


class ContentEnd(Shown):
    """Where the content ends, and how sure a rule is of it."""

    suggested_end_ms: int | None
    reason: str
    confidence: float
    should_trim: bool


class Prompt(Sent):
    """What a person wishes to see; what it has in quotes is written on the picture."""

    prompt: Annotated[str, Field(min_length=1, max_length=2000)]


class Wish(Sent):
    """What clips should be about."""

    custom_prompt: Annotated[str, Field(max_length=500)] = ""


class SuggestedClip(Shown):
    """A part that may stand for itself; nothing of it is saved."""

    start_sec: int
    end_sec: int
    title: str
    description: str
    hashtags: str
    sentiment: str
    priority: int
    reason: str


class SuggestedClips(Shown):
    """The best first."""

    clips: list[SuggestedClip]


_Seconds = Annotated[float, Field(ge=0, le=2**31 - 1, strict=True)]


class NewClip(Sent):
    """A part of a video, in seconds."""

    start_sec: _Seconds
    end_sec: _Seconds
    title: Annotated[str, Field(max_length=200)] | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    hashtags: Annotated[str, Field(max_length=500)] | None = None
    thumbnail_prompt: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "NewClip":
        if self.end_sec <= self.start_sec:
            raise ValueError("endSec must be later than startSec")
        return self


@router.post("/{video_id}/generate-metadata")
def generate_metadata(video_id: Id, user: User, database: DatabaseHere) -> Video:
    """Have title, description, tags and hashtags drafted; `generating_metadata` until then."""
    with database.tenant(user) as session:
        metadata.start(session, video_id, user_id=user)
        return show_one(session, video_id)


@router.post("/{video_id}/analyze-content-start")
def analyze_content_start(video_id: Id, user: User, database: DatabaseHere) -> ContentStart:
    """Find where the content starts, and keep it as `suggestedStartMs`."""
    with database.tenant(user) as session:
        video = _spoken(videos.get_video(session, video_id))
        edge = edges.find_start(video["captions"], video["duration_ms"] or 0)
        videos.update_video(session, video_id, suggested_start_ms=edge.ms or 0)
    return ContentStart(suggested_start_ms=edge.ms or 0, reason=edge.reason, confidence=edge.confidence)


@router.post("/{video_id}/analyze-content-end")
def analyze_content_end(video_id: Id, user: User, database: DatabaseHere) -> ContentEnd:
    """Find where the content ends."""
    with database.tenant(user) as session:
        video = _spoken(videos.get_video(session, video_id))
    edge = edges.find_end(video["captions"], video["duration_ms"] or 0)
    return ContentEnd(suggested_end_ms=edge.ms, reason=edge.reason, confidence=edge.confidence, should_trim=edge.ms is not None)


def _spoken(video: RowMapping) -> RowMapping:
    if not video["transcript"]:
        raise Refused("This video has no transcript yet.")
    return video


@router.get("/{video_id}/clips", response_model=list[Video])
def list_clips(video_id: Id, user: User, database: DatabaseHere, cursor: Cursor = None, limit: Limit = None) -> Response:
    """The clips of a video, newest first."""

    def read(before: int | None, most: int) -> list[Video]:
        with database.tenant(user) as session:
            return show(session, clips.list_clips(session, video_id, before=before, limit=most))

    return bare_array(read, f"/api/videos/{video_id}/clips", cursor=cursor, limit=limit)


@router.post("/{video_id}/suggest-clips")
def suggest_clips(
    video_id: Id, user: User, database: DatabaseHere, config: SettingsHere, wish: Wish | None = None
) -> SuggestedClips:
    """Propose parts that may stand for themselves. Without a language model, or where it fails, by counting words."""
    with database.tenant(user) as session:
        video = _spoken(videos.get_video(session, video_id))
    found = _moments(config, video, wish.custom_prompt if wish else "")
    duration = -(-(video["duration_ms"] or 0) // 1000)
    within = [one for one in found.clips if 0 <= one.start_sec < one.end_sec <= max(duration, 1)]
    shown = [{**asdict(one), "hashtags": " ".join(one.hashtags)} for one in within]
    return SuggestedClips(clips=[SuggestedClip.model_validate(one) for one in shown])


def _moments(config: Settings, video: RowMapping, wish: str) -> moments.Moments:
    """Asked for outside any transaction."""
    captions = video["captions"]
    spoken = [{"start": one.start_ms / 1000, "end": one.end_ms / 1000, "text": one.text} for one in sentences(captions)]

    def by_rules() -> moments.Moments:
        return moments.by_rules(captions, wish)

    try:
        evidence = {"sentences": spoken[:600], "wish": wish}
        return get_language(config).ask(moments.Moments, moments.INSTRUCTIONS, evidence, by_rules=by_rules)
    except (Transient, Declined):
        return by_rules()


@router.post("/{video_id}/clips", status_code=201)
def post_clip(video_id: Id, user: User, database: DatabaseHere, wanted: NewClip) -> Video:
    """A clip, at once as a row; `uploading` until its film is cut, then `ready_to_edit`."""
    texts = wanted.model_dump(exclude_none=True, exclude={"start_sec", "end_sec"})
    start, end = math.floor(wanted.start_sec), math.ceil(wanted.end_sec)
    with database.tenant(user) as session:
        row, _ = clip.start(session, video_id, user_id=user, start_sec=start, end_sec=end, details=texts)
        return show_one(session, row["id"])


@router.post("/{video_id}/generate-thumbnail")
def generate_thumbnail(video_id: Id, user: User, database: DatabaseHere, wanted: Prompt) -> Url:
    """Have a thumbnail drawn over a frame of the film. Until it is, its address shows what stood there before."""
    with database.tenant(user) as session:
        videos.get_video(session, video_id)
        args = {"video_id": video_id, "prompt": wanted.prompt}
        job_id = enqueue(session, "thumbnail", args, owner_id=user, subject=videos.subject(video_id))
    return Url(url=f"/media/videos/{video_id}/thumbnail?v={job_id.hex[-8:]}")


@router.post("/{video_id}/upload-thumbnail", openapi_extra=TAKES_A_FORM)
async def upload_thumbnail(request: Request, video_id: Id, user: User, database: DatabaseHere, storage: StorageHere) -> Url:
    """Take a JPEG or PNG of 10 MiB at most as the picture that stands for the video."""
    content = await _receive(request, storage, database, user, video_id)
    keep = partial(_keep, kind=FileKind.THUMBNAIL, kinds={Kind.JPEG, Kind.PNG})  # what YouTube takes
    return Url(url=await run_in_threadpool(keep, database, storage, user, video_id, content))


@router.post("/{video_id}/speaker-image", openapi_extra=TAKES_A_FORM)
async def upload_speaker_image(request: Request, video_id: Id, user: User, database: DatabaseHere, storage: StorageHere) -> Url:
    """Take a picture of who speaks, 10 MiB at most."""
    content = await _receive(request, storage, database, user, video_id)
    keep = partial(_keep, kind=FileKind.SPEAKER_IMAGE, kinds=set(Kind))
    made = await run_in_threadpool(keep, database, storage, user, video_id, content)
    return Url(url=f"{str(request.base_url).rstrip('/')}{made}")


async def _receive(request: Request, storage: Storage, database: Database, user: str, video_id: int) -> bytes:
    """The form's file, for a video that is there."""
    await run_in_threadpool(_require, database, user, video_id)
    boundary = form_boundary(request, limit_bytes=_LARGEST_PICTURE_BYTES)
    check_room(storage, declared_bytes(request) or 0)
    target = io.BytesIO()
    await read_form(request, target, boundary, limit_bytes=_LARGEST_PICTURE_BYTES)
    return target.getvalue()


def _require(database: Database, user: str, video_id: int) -> None:
    with database.tenant(user) as session:
        videos.get_video(session, video_id)


def _keep(
    database: Database, storage: Storage, user: str, video_id: int, content: bytes, *, kind: FileKind, kinds: set[Kind]
) -> str:
    """Make it the video's picture of this kind; its address. Nothing of it is decoded: what it is, its first bytes say."""
    found = find_kind(content[:16])
    if found not in kinds:
        raise HTTPException(400, f"this file is none of {', '.join(sorted(kinds))}: save it as one, and send it again")
    key, sha256 = f"attempts/{new_id().hex}/{kind}.{found}", hashlib.sha256(content).hexdigest()
    with storage.writer(key) as file:
        file.write(content)
    url = f"/media/videos/{video_id}/{kind}?v={sha256[:8]}"
    column = {FileKind.THUMBNAIL: "thumbnail_url", FileKind.SPEAKER_IMAGE: "speaker_image_url"}[kind]
    with database.tenant(user) as session:
        videos.keep_files(session, video_id, [NewFile(kind, key, len(content), sha256)])
        videos.update_video(session, video_id, **{column: url})
    return url
