"""Search in what was said: in the user's own videos only, where earlier servers looked through everybody's."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, Field
from sqlalchemy.orm import Session

from api_stub.auth import DatabaseHere, SettingsHere, User, in_area
from api_stub.contract import Sent, Shown
from api_stub.videos import show_one
from core.settings import Settings
from db import chat, passages
from db.engine import Database
from db.permissions import Area
from pipelines.base import enqueue
from pipelines.finding import Answer, Found, find

router = APIRouter(prefix="/api/search", tags=["search"], dependencies=[Depends(in_area(Area.SEARCH))])


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("say what to look for")
    return value.strip()


class Wanted(Sent):
    """What to look for."""

    query: Annotated[str, Field(max_length=1000, json_schema_extra={"pattern": r"\S"}), AfterValidator(_not_blank)]
    limit: Annotated[int, Field(ge=1, le=50)] = 10


class Segment(Shown):
    """A passage, in seconds of its video."""

    start_time: float
    end_time: float
    reason: str


class Result(Shown):
    """A video in which something was found."""

    video_id: int
    video_title: str
    thumbnail_url: str | None
    youtube_id: str | None
    relevance_score: int
    match_summary: str
    relevant_segments: list[Segment]


class Results(Shown):
    """Best first."""

    success: bool
    query: str
    results: list[Result]
    total_found: int
    message: str | None = None


class Search(Shown):
    """A search of before."""

    id: int
    user_id: str
    query: str
    results: Any
    total_found: int
    created_at: datetime
    updated_at: datetime


@router.post("")
def post_search(wanted: Wanted, user: User, database: DatabaseHere, config: SettingsHere) -> Results:
    """Videos of the user in which the query is spoken of, with the passages and why each was taken."""
    return search(database, config, user, wanted.query, limit=wanted.limit)


@router.get("/history")
def list_searches(user: User, database: DatabaseHere, limit: Annotated[int, Query(ge=1, le=200)] = 10) -> list[Search]:
    """What the user searched for, newest first."""
    with database.tenant(user) as session:
        return [Search.model_validate(dict(row)) for row in chat.list_searches(session, user_id=user, limit=limit)]


def search(database: Database, config: Settings, user: str, query: str, *, limit: int) -> Results:
    """Look for the query, keep that it was looked for, and tell what was found."""
    answer = find(database, config, user, query, limit=limit)
    with database.tenant(user) as session:
        results = [_result(session, found) for found in answer.found]
        chat.insert_search(session, query, [one.model_dump(by_alias=True) for one in results], user_id=user)
    message = _message(database, user, answer)
    return Results(success=True, query=query, results=results, total_found=len(results), message=message)


def _result(session: Session, found: Found) -> Result:
    video = show_one(session, found.video_id)
    return Result(
        video_id=found.video_id,
        video_title=video.title or video.original_filename,
        thumbnail_url=video.thumbnail_url,
        youtube_id=video.youtube_id,
        relevance_score=found.relevance,
        match_summary=found.summary,
        relevant_segments=[
            Segment(start_time=round(hit.start_seconds, 3), end_time=round(hit.end_seconds, 3), reason=hit.reason)
            for hit in found.hits
        ],
    )


def _message(database: Database, user: str, answer: Answer) -> str | None:
    """What the search could not do; videos that cannot be searched yet are made so by a job."""
    with database.tenant(user) as session:
        is_behind = bool(passages.list_unindexed(session, limit=1))
        if is_behind:
            enqueue(session, "search_index", {}, owner_id=user)
    notes = [answer.note or "", "Some videos are being made ready for search: try again in a minute." if is_behind else ""]
    return " ".join(note for note in notes if note) or ("Nothing was found." if not answer.found else None)
