"""Connected accounts that hold files: what is in them, and which folder is followed. /api/dropbox is as earlier clients know it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, User, in_area
from api_stub.contract import Id, Sent, Shown
from api_stub.work import accepted
from db import syncs
from db.base.connections import CloudProvider, cloud_connections
from db.base.rows import MOST, get_row, list_rows
from db.engine import Database
from db.permissions import Area
from pipelines.base import enqueue
from pipelines.providers.accounts import access_token
from pipelines.providers.clouds import Entry, Token, get_cloud

router = APIRouter(tags=["connected accounts"], dependencies=[Depends(in_area(Area.CONNECTIONS))])
_of_one = APIRouter(prefix="/v1/connections/{connection_id}")
_MOST_ENTRIES = 1000
Folder = Annotated[str, Query(max_length=4096, description="As a folder's `path` names it; the top one without.")]
FolderPath = Annotated[str, Field(max_length=4096)]
Name = Annotated[str, Field(max_length=500)]


class Connection(Shown):
    """A connected account, without its tokens."""

    id: int
    user_id: str
    provider: str
    account_id: str | None
    account_name: str | None
    account_email: str | None
    profile_photo_url: str | None
    selected_folder_path: str | None
    selected_folder_name: str | None
    is_active: str  # a text, as earlier clients read it
    last_synced_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Status(Shown):
    """Whether an account is connected, and which."""

    connected: bool
    account: Connection | None = None


class Found(Shown):
    """A file or a folder; its size is in bytes."""

    id: str
    name: str
    path: str
    size: int | None
    modified: datetime | None


class Listed(Found):
    """One of a folder's entries."""

    is_folder: bool


class Link(Shown):
    """An address from which a browser fetches the file."""

    link: str


class ChosenFolder(Sent):
    """As earlier clients choose it."""

    folder_path: FolderPath
    folder_name: Name | None = None


class NewFolder(BaseModel):
    """The folder that is to be followed: a `path` of the folders listed, or nothing for the top one."""

    model_config = ConfigDict(extra="forbid")

    folder: FolderPath = ""
    name: Name | None = None


def _show(row: RowMapping) -> Connection:
    return Connection.model_validate({**row, "is_active": "true" if row["is_active"] else "false"})


def _show_entry(entry: Entry) -> Listed:
    return Listed(
        id=entry.id,
        name=entry.name,
        path=entry.path,
        size=entry.size_bytes,
        modified=entry.modified_at,
        is_folder=entry.is_folder,
    )


def _show_video(entry: Entry) -> Found:
    return Found(id=entry.id, name=entry.name, path=entry.path, size=entry.size_bytes, modified=entry.modified_at)


def _first(entries: Iterable[Entry]) -> list[Entry]:
    return list(islice(entries, _MOST_ENTRIES))


def _token(database: Database, connection: RowMapping) -> Token:
    return lambda refused: access_token(database, connection["id"], refused=refused)


def get_dropbox(user: User, database: DatabaseHere) -> RowMapping:
    """The Dropbox that this user connected. Raises HTTP 403."""
    with database.tenant(user) as session:
        found = syncs.find_connected(session, user, CloudProvider.DROPBOX)
    if found is None:
        raise HTTPException(403, "No Dropbox is connected. Please connect one first.")
    return found


def get_connection(connection_id: Id, user: User, database: DatabaseHere) -> RowMapping:
    """The user's own connection of that id. Raises NotFound, and HTTP 403 for who may see it only."""
    with database.tenant(user) as session:
        found = get_row(session, cloud_connections, connection_id)
    if found["user_id"] != user:
        raise HTTPException(403, "This account was connected by somebody else.")
    return found


DropboxHere = Annotated[RowMapping, Depends(get_dropbox)]
ConnectionHere = Annotated[RowMapping, Depends(get_connection)]


@router.get("/api/cloud-connections")
def list_cloud_connections(user: User, database: DatabaseHere) -> list[Connection]:
    """The accounts that this user, or a company of theirs, has connected; newest first."""
    with database.tenant(user) as session:
        return [_show(row) for row in list_rows(session, cloud_connections, limit=MOST)]


@router.get("/api/dropbox/status")
def get_dropbox_status(user: User, database: DatabaseHere) -> Status:
    """Whether a Dropbox is connected."""
    with database.tenant(user) as session:
        found = syncs.find_connected(session, user, CloudProvider.DROPBOX)
    return Status(connected=found is not None, account=_show(found) if found else None)


@router.get("/api/dropbox/files")
def list_dropbox_files(database: DatabaseHere, dropbox: DropboxHere, path: Folder = "") -> list[Listed]:
    """Folders and videos in a folder."""
    cloud = get_cloud(CloudProvider.DROPBOX)
    return [_show_entry(entry) for entry in _first(cloud.list_folder(_token(database, dropbox), path))]


@router.get("/api/dropbox/search-videos")
def search_dropbox_videos(database: DatabaseHere, dropbox: DropboxHere, path: Folder = "") -> list[Found]:
    """Videos in a folder and below, the first thousand."""
    cloud = get_cloud(CloudProvider.DROPBOX)
    return [_show_video(entry) for entry in _first(cloud.list_videos(_token(database, dropbox), path))]


@router.get("/api/dropbox/download-link")
def get_dropbox_link(
    database: DatabaseHere, dropbox: DropboxHere, path: Annotated[str, Query(min_length=1, max_length=4096)]
) -> Link:
    """An address for this file, good for four hours."""
    return Link(link=get_cloud(CloudProvider.DROPBOX).link(_token(database, dropbox), path))


@router.post("/api/dropbox/connect")
def connect_dropbox(dropbox: DropboxHere) -> Connection:
    """The Dropbox that is connected; to connect one, its owner agrees on Dropbox's own page."""
    return _show(dropbox)


@router.post("/api/dropbox/select-folder")
def select_dropbox_folder(chosen: ChosenFolder, user: User, database: DatabaseHere, dropbox: DropboxHere) -> Connection:
    """Follow this folder: its videos are taken in, and those that come."""
    return _choose(database, user, dropbox["id"], chosen.folder_path, chosen.folder_name)


def _choose(database: Database, user: str, connection_id: int, folder: str, name: str | None) -> Connection:
    with database.tenant(user) as session:
        # In this order: a look that ends holds its job and wants the row of what is followed.
        enqueue(session, "connection_sync", {"connection_id": connection_id}, owner_id=user)
        return _show(syncs.choose_folder(session, connection_id, user_id=user, folder=folder, name=name))


def _listing(look: Callable[[], Iterable[Entry]]) -> list[Listed]:
    return [_show_entry(entry) for entry in _first(look())]


@_of_one.get("/folders")
def list_folders(database: DatabaseHere, connection: ConnectionHere, folder: Folder = "") -> list[Listed]:
    """Folders in a folder of the account."""
    entries = get_cloud(connection["provider"]).list_folder(_token(database, connection), folder)
    return _listing(lambda: (entry for entry in entries if entry.is_folder))


@_of_one.get("/videos")
def list_videos_there(
    database: DatabaseHere,
    connection: ConnectionHere,
    folder: Folder = "",
    words: Annotated[str, Query(max_length=200, description="Only videos whose names have these.")] = "",
) -> list[Listed]:
    """Videos in a folder of the account and below, the first thousand."""
    return _listing(lambda: get_cloud(connection["provider"]).list_videos(_token(database, connection), folder, words))


@_of_one.post("/select-folder")
def select_folder(new: NewFolder, user: User, database: DatabaseHere, connection: ConnectionHere) -> Connection:
    """Follow this folder: its videos are taken in, and those that come."""
    get_cloud(connection["provider"])
    return _choose(database, user, connection["id"], new.folder, new.name)


@_of_one.post("/sync", status_code=202)
def sync_now(user: User, database: DatabaseHere, connection: ConnectionHere) -> JSONResponse:
    """Look for new videos now, or once more after the look that is under way."""
    with database.tenant(user) as session:
        syncs.get_sync(session, connection["id"])
        job_id = enqueue(session, "connection_sync", {"connection_id": connection["id"]}, owner_id=user)
    return accepted(job_id)


router.include_router(_of_one)
