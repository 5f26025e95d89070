"""Confidentiality checks: ask for one, read it, decide on its findings, list what is not secured."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import RowMapping

from api_stub.auth import DatabaseHere, User, in_area
from api_stub.contract import Cursor, Id, Limit, Shown
from api_stub.listing import bare_array
from api_stub.videos import Video, show
from api_stub.work import accepted
from db import confidentiality, videos
from db.confidentiality import Decision
from db.engine import Database
from db.permissions import Area
from pipelines.confidentiality import start

router = APIRouter(tags=["confidentiality"], dependencies=[Depends(in_area(Area.STUDIO))])
_PAGE = 50


def _with_reason(decision: str, reason: str) -> dict[str, Any]:
    """What `db.confidentiality` asks of a decision, as JSON Schema: one that closes a finding says why."""
    return {
        "anyOf": [
            {"properties": {decision: {"const": Decision.PENDING}}},
            {"properties": {reason: {"pattern": r"\S"}}, "required": [reason]},
        ]
    }


class Check(Shown):
    """A confidentiality check of a video."""

    id: int
    video_id: int
    status: str
    overall_status: str | None
    segments: Any
    summary: str | None
    high_count: int
    medium_count: int
    low_count: int
    model_used: str | None
    triggered_by: str | None
    error_message: str | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Resolution(BaseModel):
    """What a person decides on a finding; `pending` opens it again."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", json_schema_extra=_with_reason("resolutionStatus", "resolutionNote")
    )

    segment_id: Annotated[str, Field(min_length=1, max_length=100)]
    resolution_status: Decision
    resolution_note: Annotated[str, Field(max_length=2000)] = ""


class NewDecision(BaseModel):
    """What a person decides on a finding, and why; `pending` opens it again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_with_reason("decision", "note"))

    decision: Decision
    note: Annotated[str, Field(max_length=2000)] = ""


@router.post("/api/videos/{video_id}/confidentiality-check")
def post_check(video_id: Id, user: User, database: DatabaseHere) -> Check:
    """Check a video again; the answer is the check, which is pending until its job has run."""
    with database.tenant(user) as session:
        check_id, _ = start(session, video_id, user_id=user)
        return _check(confidentiality.get_check(session, check_id))


@router.get("/api/videos/{video_id}/confidentiality-check")
def get_check(video_id: Id, user: User, database: DatabaseHere) -> Check | None:
    """Its last confidentiality check, or null."""
    row = find_check(database, user, video_id)
    return _check(row) if row else None


@router.post("/api/videos/{video_id}/confidentiality-check/resolve-segment")
def resolve_segment(video_id: Id, wanted: Resolution, user: User, database: DatabaseHere) -> Check:
    """Resolve or ignore a finding of the last check with a reason, or open it again; the last one decided on clears the check."""
    return _check(decide(database, user, video_id, wanted.segment_id, wanted.resolution_status, wanted.resolution_note))


@router.get("/api/unsecured-videos", response_model=list[Video])
def list_unsecured_videos(user: User, database: DatabaseHere, cursor: Cursor = None, limit: Limit = None) -> Response:
    """Videos whose check did not come out clear, or that have none, newest first."""

    def read(before: int | None, most: int) -> list[Video]:
        with database.tenant(user) as session:
            return show(session, confidentiality.list_unsecured(session, before=before, limit=most))

    return bare_array(read, "/api/unsecured-videos", cursor=cursor, limit=limit)


@router.post("/v1/videos/{video_id}/confidentiality-checks", status_code=202)
def start_check(video_id: Id, user: User, database: DatabaseHere) -> JSONResponse:
    """Check a video again: 202 with its job."""
    with database.tenant(user) as session:
        check_id, job_id = start(session, video_id, user_id=user)
    return accepted(job_id, check_id=check_id)


@router.get("/v1/videos/{video_id}/confidentiality-checks/last")
def read_last_check(video_id: Id, user: User, database: DatabaseHere) -> dict[str, Any]:
    """The last check (null where there is none) with everything that was decided on findings of this video, newest first."""
    with database.tenant(user) as session:
        videos.get_video(session, video_id)
        row = confidentiality.find_last_check(session, video_id)
        decisions = confidentiality.list_decisions(session, video_id)
    return {"check": dict(row) if row else None, "decisions": [dict(one) for one in decisions]}


@router.post("/v1/videos/{video_id}/findings/{segment_id}")
def post_decision(video_id: Id, segment_id: str, wanted: NewDecision, user: User, database: DatabaseHere) -> dict[str, Any]:
    """Decide on a finding of the last check."""
    return dict(decide(database, user, video_id, segment_id, wanted.decision, wanted.note))


@router.get("/v1/unsecured-videos")
def page_unsecured_videos(
    user: User, database: DatabaseHere, *, cursor: Cursor = None, limit: Annotated[int, Query(ge=1, le=200)] = _PAGE
) -> dict[str, Any]:
    """Videos whose check did not come out clear, or that have none, newest first."""
    with database.tenant(user) as session:
        rows = confidentiality.list_unsecured(session, before=cursor, limit=limit, more=True)
    columns = ("id", "title", "original_filename", "status", "confidentiality_status", "last_confidentiality_check_id")
    items = [{name: row[name] for name in columns} for row in rows[:limit]]
    return {"items": items, "next_cursor": rows[limit - 1]["id"] if len(rows) > limit else None}


def find_check(database: Database, user: str, video_id: int) -> RowMapping | None:
    """The last check of a video. Raises NotFound."""
    with database.tenant(user) as session:
        videos.get_video(session, video_id)
        return confidentiality.find_last_check(session, video_id)


def decide(  # noqa: PLR0917  (what the database's function takes)
    database: Database, user: str, video_id: int, segment_id: str, decision: Decision, note: str
) -> RowMapping:
    """Write a decision of this user. Raises NotFound, Invalid, Conflict."""
    with database.tenant(user) as session:
        return confidentiality.decide(session, video_id, segment_id, decision, note=note, by=user)


def _check(row: RowMapping) -> Check:
    return Check.model_validate(dict(row))
