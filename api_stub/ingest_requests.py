"""/api/ingest-requests: videos that a provider has, asked for by their path."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, SettingsHere, User
from api_stub.contract import Cursor, Id, Limit, Shown
from api_stub.listing import bare_array
from core.errors import Conflict
from core.settings import Settings
from db import jobs, status, syncs, users, videos
from db.base.videos import RequestStatus
from db.engine import Database
from pipelines import ingest
from pipelines.providers.base import check_file_name, list_video_providers
from pipelines.providers.clouds import list_clouds

router = APIRouter(prefix="/api/ingest-requests", tags=["ingest requests"])
# Its paths are storage keys: whoever could name one would read another user's video.
_NOT_BY_PATH = {"upload"}


class IngestRequest(Shown):
    """An ingest request."""

    id: int
    user_id: str
    provider: str
    source_path: str
    source_file_name: str
    source_file_size: int | None
    status: str
    progress: Any
    error_message: str | None
    video_id: int | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class WantedVideo(BaseModel):
    """A file as its provider lists it; `size` is in bytes."""

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    name: str
    size: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None  # the largest that every reader of JSON holds exactly


WantedVideos = Annotated[list[WantedVideo], Body(min_length=1, max_length=100)]


def _show(row: RowMapping) -> IngestRequest:
    return IngestRequest.model_validate(dict(row))


@router.get("", response_model=list[IngestRequest])
def list_ingest_requests(user: User, database: DatabaseHere, cursor: Cursor = None, limit: Limit = None) -> Response:
    """The ingest requests that you may see, newest first; with `limit`, the next page is in `Link`."""

    def read(before: int | None, most: int) -> list[IngestRequest]:
        with database.tenant(user) as session:
            return [_show(row) for row in videos.list_requests(session, before=before, limit=most)]

    return bare_array(read, "/api/ingest-requests", cursor=cursor, limit=limit)


@router.get("/{request_id}")
def get_ingest_request(request_id: Id, user: User, database: DatabaseHere) -> IngestRequest:
    """One ingest request."""
    with database.tenant(user) as session:
        return _show(videos.get_request(session, request_id))


@router.post("")
def post_ingest_requests(
    videos: WantedVideos,
    user: User,
    database: DatabaseHere,
    config: SettingsHere,
    provider: Annotated[str, Body()] = "dropbox",
) -> list[IngestRequest]:
    """Take in these files, all or none; each becomes a request, a video and a job."""
    _check_provider(provider, user, config)
    with database.tenant(user) as session:
        connection_id = _connection(session, provider, user)
        return [_start(session, provider, wanted, user, connection_id) for wanted in videos]


def _connection(session: Session, provider: str, user: str) -> int | None:
    if provider not in list_clouds():
        return None
    connection = syncs.find_connected(session, user, provider)
    if connection is None:
        raise HTTPException(403, f"no account of {provider} is connected: connect one first")
    return int(connection["id"])


def _check_provider(provider: str, user: str, config: Settings) -> None:
    offered = [name for name in list_video_providers() if name not in _NOT_BY_PATH]
    if provider not in offered:
        raise HTTPException(400, f"videos cannot be asked for from {provider!r}; there are: {', '.join(offered)}")
    if provider == "folder" and user != (config.watch_owner or users.LOCAL_OWNER):
        raise HTTPException(403, "the watched folder belongs to another user")


def _start(session: Session, provider: str, wanted: WantedVideo, user: str, connection_id: int | None) -> IngestRequest:
    source = videos.Source(
        provider, wanted.path, check_file_name(wanted.name), size_bytes=wanted.size, connection_id=connection_id
    )
    started = ingest.start(session, source, user_id=user)
    if started is None:
        raise Conflict(f"{wanted.name} was taken in already")
    return _show(videos.get_request(session, started.request_id))


@router.delete("/{request_id}")
def cancel_ingest_request(request_id: Id, user: User, database: DatabaseHere) -> dict[str, bool]:
    """Cancel what is still queued; the row stays. HTTP 400 for anything else."""
    with database.tenant(user) as session:
        request = videos.get_request(session, request_id)
        subject = videos.subject(request["video_id"]) if request["video_id"] else None
        found = status.list_jobs(session, pipeline="ingest", subject=subject, limit=10) if subject else []
    if request["status"] != RequestStatus.QUEUED:
        raise HTTPException(400, f"only a queued request can be cancelled; this one is {request['status']}")
    live = [job["id"] for job in found if job["finished_at"] is None and job["args"].get("request_id") == request_id]
    _cancel(database, user, request_id, live)
    return {"success": True}


def _cancel(database: Database, user: str, request_id: int, live: list[Any]) -> None:
    if not live:  # a row of an earlier product, for which nothing runs
        with database.tenant(user) as session:
            videos.update_request(session, request_id, status=RequestStatus.CANCELLED)
    for job_id in live:
        with database.jobs() as session:
            jobs.request_cancel(session, job_id)
