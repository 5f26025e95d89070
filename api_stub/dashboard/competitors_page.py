"""The page of competitors: what changed at them, and who is watched."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api_stub.auth import DatabaseHere, User, in_area
from api_stub.contract import Cursor, Id
from api_stub.dashboard.rendering import render
from db import competitors, watched
from db.leads import clients
from db.permissions import Area
from pipelines import competitor_diff

router = APIRouter(prefix="/competitors", include_in_schema=False, dependencies=[Depends(in_area(Area.COMPETITORS))])
_CHANGES, _WATCHED, _CLIENTS = 30, 100, 100


@router.get("", response_class=HTMLResponse)
def competitors_page(
    request: Request,
    user: User,
    database: DatabaseHere,
    cursor: Cursor = None,
    show: str = "new",
) -> Response:
    """Changes, those that nobody has acknowledged unless all are asked for; then who is watched."""
    with database.tenant(user) as session:
        changes = watched.list_changes(session, only_new=show != "all", before=cursor, limit=_CHANGES + 1)
        names = {row["id"]: row["name"] for row in clients.list_clients(session, limit=_CLIENTS)}
        rows = watched.list_watched(session, limit=_WATCHED)
    older = changes[_CHANGES - 1]["id"] if len(changes) > _CHANGES else None
    return render(
        request,
        "competitors.html",
        changes=changes[:_CHANGES],
        watched=rows,
        clients=names,
        show=show,
        older=older,
        cursor=cursor,
    )


@router.post("")
def watch_competitor(
    user: User,
    database: DatabaseHere,
    client_id: Annotated[int, Form(ge=1, le=2**31 - 1)],
    url: Annotated[str, Form(min_length=1, max_length=2000)],
) -> Response:
    """The form that adds one: a page, or a channel of YouTube. Raises NotFound, Conflict, Refused."""
    with database.tenant(user) as session:
        competitor_diff.watch(session, client_id, competitor_diff.page(url.strip()), user_id=user)
    return RedirectResponse("/competitors#watched", 303)


@router.post("/clients")
def add_client(
    user: User,
    database: DatabaseHere,
    name: Annotated[str, Form(min_length=1, max_length=200)],
    address: Annotated[str, Form(min_length=1, max_length=200)],
    keyword: Annotated[str, Form(min_length=1, max_length=200)],
) -> Response:
    """The form of who has no client yet."""
    with database.tenant(user) as session:
        clients.insert_client(session, {"name": name, "address": address, "keyword": keyword}, user_id=user)
    return RedirectResponse("/competitors#add", 303)


@router.post("/changes/{change_id}")
def acknowledge_on_page(change_id: Id, user: User, database: DatabaseHere) -> Response:
    """The button of a change. Raises NotFound."""
    with database.tenant(user) as session:
        competitors.acknowledge(session, change_id)
    return RedirectResponse("/competitors", 303)


@router.post("/{competitor_id}")
def act_on_competitor(
    competitor_id: Id, user: User, database: DatabaseHere, action: Annotated[str, Form(pattern="read|leave")]
) -> Response:
    """The buttons of a competitor. Raises NotFound, Forbidden."""
    with database.tenant(user) as session:
        if action == "leave":
            competitor_diff.leave(session, competitor_id)
            return RedirectResponse("/competitors#watched", 303)
        job_id = competitor_diff.read_now(session, competitor_id, user_id=user)
    return RedirectResponse(f"/jobs/{job_id}", 303)
