"""/api/leads: the businesses that leads are looked for, and their searches, as earlier clients know them."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field
from sqlalchemy import RowMapping

from api_stub.auth import Asker, DatabaseHere, SettingsHere, in_area
from api_stub.contract import Cursor, Id, Limit, Sent, Shown, Success
from api_stub.listing import bare_array
from db.base.leads import AnalysisStatus, ClientType, LeadType
from db.engine import Database
from db.leads import clients, searches
from db.permissions import Area
from pipelines import lead_swot
from pipelines.base import enqueue

router = APIRouter(prefix="/api/leads", tags=["leads"])
_Asker = Annotated[Asker, Depends(in_area(Area.LEADS))]
_LOOK_SECONDS = 0.1
_ENDED = {AnalysisStatus.COMPLETED, AnalysisStatus.ERROR}
_Words = Annotated[str, Field(min_length=1, max_length=500)]
_Optional = Annotated[str | None, Field(max_length=2000)]


class Client(Shown):
    """A business that leads are looked for."""

    id: int
    user_id: str
    name: str
    address: str
    keyword: str
    google_business_url: str | None
    business_type: str | None
    zip_code: str | None
    city: str | None
    state: str | None
    notes: str | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


class NewClient(Sent):
    """What a client is made of."""

    name: _Words
    address: _Words
    keyword: _Words
    business_type: ClientType = ClientType.IDEAL_CUSTOMER
    google_business_url: _Optional = None
    zip_code: _Optional = None
    city: _Optional = None
    state: _Optional = None
    notes: _Optional = None
    is_active: bool = True


class Search(Shown):
    """A search, and what it found."""

    id: int
    user_id: str
    client_id: Annotated[int, Field(serialization_alias="clientBusinessId")]
    keyword: str
    geo: str
    start_offset: int
    search_types: list[str | None]
    verify_emails_requested: bool
    status: str
    results: Any  # as whoever found them wrote them, like what follows of an analysis
    total_found: int | None
    error_message: str | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class NewSearch(Sent):
    """What to look for; without types, all three."""

    search_types: Annotated[list[LeadType], Field(min_length=1, max_length=3)] = list(searches.SEARCH_TYPES)  # noqa: RUF012  (pydantic copies it)
    verify_emails: bool = False


class Analysis(Shown):
    """Strengths, weaknesses, opportunities and threats as leads tell them, and what said so."""

    id: int
    user_id: str
    client_id: Annotated[int, Field(serialization_alias="clientBusinessId")]
    strengths: Any
    weaknesses: Any
    opportunities: Any
    threats: Any
    summary: str | None
    model_used: str | None
    leads_analyzed: int | None
    status: str
    error_message: str | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Begun(Shown):
    """A search that was begun."""

    message: str
    search_id: int
    status: str


@router.get("/clients", response_model=list[Client])
def list_lead_clients(asker: _Asker, database: DatabaseHere, cursor: Cursor = None, limit: Limit = None) -> Response:
    """Your clients, newest first."""

    def read(before: int | None, most: int) -> list[Client]:
        with database.tenant(asker.id) as session:
            return [Client.model_validate(dict(row)) for row in clients.list_clients(session, before=before, limit=most)]

    return bare_array(read, "/api/leads/clients", cursor=cursor, limit=limit)


@router.post("/clients")
def post_lead_client(new: NewClient, asker: _Asker, database: DatabaseHere) -> Client:
    """A new client."""
    with database.tenant(asker.id) as session:
        return Client.model_validate(dict(clients.insert_client(session, new.model_dump(), user_id=asker.id)))


@router.delete("/clients/{client_id}")
def delete_lead_client(client_id: Id, asker: _Asker, database: DatabaseHere) -> Success:
    """Remove a client with all that is kept of it."""
    with database.tenant(asker.id) as session:
        clients.delete_client(session, client_id)
    return Success()


@router.get("/clients/{client_id}/searches", response_model=list[Search])
def list_client_searches(
    client_id: Id, asker: _Asker, database: DatabaseHere, cursor: Cursor = None, limit: Limit = None
) -> Response:
    """Its searches, newest first."""

    def read(before: int | None, most: int) -> list[Search]:
        with database.tenant(asker.id) as session:
            clients.get_client(session, client_id)
            rows = searches.list_searches(session, client_id, before=before, limit=most)
        return [Search.model_validate(dict(row)) for row in rows]

    return bare_array(read, f"/api/leads/clients/{client_id}/searches", cursor=cursor, limit=limit)


@router.post("/clients/{client_id}/search")
def post_lead_search(client_id: Id, asker: _Asker, database: DatabaseHere, new: NewSearch | None = None) -> Begun:
    """Look for leads now; the search says when it has ended."""
    wanted = new or NewSearch()
    with database.tenant(asker.id) as session:
        client = clients.get_client(session, client_id)
        row = searches.insert_search(
            session,
            client_id,
            user_id=asker.id,
            keyword=client["keyword"],
            geo=clients.geo_of(client),
            search_types=wanted.search_types,
            verify_emails=wanted.verify_emails,
        )
        args = {"client_id": client_id, "search_id": row["id"]}
        enqueue(session, "lead_search", args, owner_id=asker.id, subject=clients.subject(client_id))
    return Begun(message="The search has been started.", search_id=row["id"], status=row["status"])


@router.get("/clients/{client_id}/swot", response_model=list[Analysis])
def list_client_analyses(
    client_id: Id, asker: _Asker, database: DatabaseHere, cursor: Cursor = None, limit: Limit = None
) -> Response:
    """Its analyses, newest first."""

    def read(before: int | None, most: int) -> list[Analysis]:
        with database.tenant(asker.id) as session:
            clients.get_client(session, client_id)
            rows = searches.list_analyses(session, client_id, before=before, limit=most)
        return [Analysis.model_validate(dict(row)) for row in rows]

    return bare_array(read, f"/api/leads/clients/{client_id}/swot", cursor=cursor, limit=limit)


@router.post("/clients/{client_id}/swot")
async def post_client_analysis(client_id: Id, asker: _Asker, database: DatabaseHere, config: SettingsHere) -> Analysis:
    """A new analysis of its leads, waited for as the coach is; what takes longer is told as pending, and listed when it has ended."""
    row = await asyncio.to_thread(_start_analysis, database, asker.id, client_id)
    for _ in range(int(config.coach_wait_seconds / _LOOK_SECONDS)):
        if row["status"] in _ENDED:
            break
        await asyncio.sleep(_LOOK_SECONDS)
        row = await asyncio.to_thread(_get_analysis, database, asker.id, row["id"])
    return Analysis.model_validate(dict(row))


def _start_analysis(database: Database, user: str, client_id: int) -> RowMapping:
    with database.tenant(user) as session:
        return lead_swot.start(session, client_id, user_id=user)


def _get_analysis(database: Database, user: str, analysis_id: int) -> RowMapping:
    with database.tenant(user) as session:
        return searches.get_analysis(session, analysis_id)
