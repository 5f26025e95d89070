"""/v1/competitors: who is watched, what was read of them, and what changed."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import RowMapping

from api_stub.auth import DatabaseHere, User, in_area
from api_stub.contract import Cursor, Id
from api_stub.work import accepted
from db import competitors, watched
from db.base.competitors import SnapshotSource
from db.permissions import Area
from pipelines import competitor_diff

router = APIRouter(prefix="/v1/competitors", tags=["competitors"], dependencies=[Depends(in_area(Area.COMPETITORS))])
_LARGEST_ID = 2**31 - 1
_Id = Annotated[int, Field(ge=1, le=_LARGEST_ID)]
_Page = Annotated[int, Query(ge=1, le=200)]
_ClientId = Annotated[int | None, Query(ge=1, le=_LARGEST_ID)]
_SHOWN = ("id", "competitor_key", "source", "url", "captured_at", "content_hash", "http_status")


class NewCompetitor(BaseModel):
    """One of `url`, `channel` (of YouTube) and `lead_id`, for a client; read every `days` days at `hour` in `zone`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [
                {"required": [place], "properties": {place: {"not": {"type": "null"}}}}
                for place in ("url", "channel", "lead_id")
            ],
            "examples": [{"client_id": 1, "url": "https://example.com", "name": "Example"}],
        },
    )

    client_id: _Id
    url: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    channel: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    lead_id: _Id | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    days: Annotated[int, Field(ge=1, le=90)] = 1
    hour: Annotated[int, Field(ge=0, le=23)] = 6
    zone: Annotated[str, Field(max_length=64)] = "UTC"

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(each is not None for each in (self.url, self.channel, self.lead_id)) != 1:
            raise ValueError("name one of url, channel and lead_id")
        return self


@router.post("", status_code=201)
def post_competitor(new: NewCompetitor, user: User, database: DatabaseHere) -> JSONResponse:
    """Watch a competitor: it is read now, and by its schedule. One that is watched already is a conflict."""
    with database.tenant(user) as session:
        if new.lead_id is not None:
            place = competitor_diff.lead(session, new.lead_id)
        elif new.channel is not None:
            place = competitor_diff.channel(new.channel, name=new.name)
        else:
            place = competitor_diff.page(new.url or "", name=new.name)
        row, job_id = competitor_diff.watch(
            session, new.client_id, place, user_id=user, days=new.days, hour=new.hour, zone=new.zone
        )
    shown = {
        "id": row["id"],
        "name": row["name"],
        "url": row["url"],
        "schedule_id": str(row["schedule_id"]),
        "job_id": str(job_id),
    }
    return JSONResponse(shown, 201, {"Location": f"/v1/competitors/{row['id']}"})


@router.get("")
def list_competitors(
    user: User, database: DatabaseHere, client_id: _ClientId = None, cursor: Cursor = None, limit: _Page = 50
) -> dict[str, Any]:
    """Newest first, each with how its last reading went; `next_cursor` is null on the last page."""
    with database.tenant(user) as session:
        return _page(watched.list_watched(session, client_id=client_id, before=cursor, limit=limit + 1), limit)


@router.get("/changes")
def list_competitor_changes_found(  # noqa: PLR0917  (a route)
    user: User,
    database: DatabaseHere,
    client_id: _ClientId = None,
    only_new: Annotated[bool, Query(description="Without what was acknowledged.")] = False,  # noqa: FBT002  (a route)
    cursor: Cursor = None,
    limit: _Page = 50,
) -> dict[str, Any]:
    """What changed at any of them, newest first, in a sentence each."""
    with database.tenant(user) as session:
        return _page(
            watched.list_changes(session, client_id=client_id, only_new=only_new, before=cursor, limit=limit + 1), limit
        )


@router.post("/changes/{change_id}/acknowledge")
def acknowledge_change(change_id: Id, user: User, database: DatabaseHere) -> dict[str, Any]:
    """Somebody has seen it; the first time counts."""
    with database.tenant(user) as session:
        row = competitors.acknowledge(session, change_id)
    return {"id": row["id"], "acknowledged_at": row["acknowledged_at"]}


@router.get("/{competitor_id}")
def get_competitor(competitor_id: Id, user: User, database: DatabaseHere) -> dict[str, Any]:
    """One of them."""
    with database.tenant(user) as session:
        return dict(watched.get_competitor(session, competitor_id))


@router.delete("/{competitor_id}", status_code=204)
def delete_competitor(competitor_id: Id, user: User, database: DatabaseHere) -> None:
    """Watch it no longer; what was read and found stays."""
    with database.tenant(user) as session:
        competitor_diff.leave(session, competitor_id)


@router.post("/{competitor_id}/read", status_code=202)
def read_competitor_now(competitor_id: Id, user: User, database: DatabaseHere) -> JSONResponse:
    """Read it now, beside its schedule; one that is being read already is not read twice."""
    with database.tenant(user) as session:
        job_id = competitor_diff.read_now(session, competitor_id, user_id=user)
    return accepted(job_id)


@router.get("/{competitor_id}/readings")
def list_competitor_readings(
    competitor_id: Id, user: User, database: DatabaseHere, cursor: Cursor = None, limit: _Page = 50
) -> dict[str, Any]:
    """What was read of it, newest first: one for each content and each outcome, with the facts found."""
    with database.tenant(user) as session:
        row = watched.get_competitor(session, competitor_id)
        source = SnapshotSource(row["source"])
        rows = competitors.list_readings(
            session, row["client_id"], row["competitor_key"], source, before=cursor, limit=min(limit, 199) + 1
        )
    return _page([_reading(each) for each in rows], min(limit, 199))


@router.get("/{competitor_id}/changes")
def list_changes_of_competitor(
    competitor_id: Id, user: User, database: DatabaseHere, cursor: Cursor = None, limit: _Page = 50
) -> dict[str, Any]:
    """What changed at this one, newest first."""
    with database.tenant(user) as session:
        watched.get_competitor(session, competitor_id)
        return _page(watched.list_changes(session, competitor_id=competitor_id, before=cursor, limit=limit + 1), limit)


def _reading(row: RowMapping) -> dict[str, Any]:
    data = row["extracted_data"] or {}
    return {name: row[name] for name in _SHOWN} | {
        "outcome": data.get("outcome"),
        "title": data.get("title"),
        "facts": data.get("facts"),
    }


def _page(rows: Sequence[Any], limit: int) -> dict[str, Any]:
    items = [dict(row) for row in rows[:limit]]
    return {"items": items, "next_cursor": items[-1]["id"] if len(rows) > limit else None}
