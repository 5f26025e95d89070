"""/v1/videos/from-url: a video that lies at a URL."""

import unicodedata
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api_stub.auth import DatabaseHere, User, in_area
from api_stub.work import IdempotencyKey, answered
from core.errors import Conflict, Refused
from core.guard import check_url
from db import videos
from db.permissions import Area
from pipelines import ingest
from pipelines.providers.base import check_file_name

router = APIRouter(prefix="/v1/videos/from-url", tags=["videos"], dependencies=[Depends(in_area(Area.STUDIO))])
_LONGEST_NAME = 100


class VideoAt(BaseModel):
    """A file, or a page with one video. Without `name` it is called as the last part of the URL."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"url": "https://example.com/talk.mp4", "name": "talk.mp4"}]}
    )

    url: Annotated[str, Field(min_length=1, max_length=4096)]
    name: Annotated[str, Field(min_length=1, max_length=255)] | None = None


@router.post("", status_code=202)
def post_video_from_url(
    wanted: VideoAt,
    user: User,
    database: DatabaseHere,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Take in what lies there; the answer's `id` is of the job. The same URL again is a conflict."""
    check_url(wanted.url)
    name = check_file_name(wanted.name or _name(wanted.url))

    def insert(session: Session) -> dict[str, Any]:
        started = ingest.start(session, videos.Source("url", wanted.url, name), user_id=user)
        if started is None:
            raise Conflict("the video at this address was taken in already")
        return {"id": str(started.job_id), "status": "queued", "video_id": started.video_id, "request_id": started.request_id}

    return answered(database, user, insert, path="/v1/jobs", key=idempotency_key, asked=wanted)


def _name(url: str) -> str:
    parts = urlsplit(url)
    last = unquote(parts.path).rstrip("/").rpartition("/")[2]
    name = "".join(mark for mark in last if unicodedata.category(mark)[0] != "C" and mark != "\\")[-_LONGEST_NAME:]
    try:
        return check_file_name(name)
    except Refused:
        return parts.hostname or "video"
