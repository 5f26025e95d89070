"""Accounts of the twins, connected to a user, with a folder in which things happen."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from core.crypto import KeyRing
from core.settings import settings
from db import connections, syncs
from db.engine import Database
from tests.twins.google import DRIVE_SCOPES, drive, upload
from twins.running import Twins

FOLDER = "application/vnd.google-apps.folder"


@dataclass
class Account:
    """A connected account with a folder that is followed, and what its owner does there."""

    provider: str
    twin: str
    connection_id: int
    folder: str
    put: Callable[..., Any]
    rename: Callable[[Any, str], object]
    remove: Callable[[Any], object]
    subfolder: Callable[[str], str]


def connect(database: Database, owner: str, provider: str, account_id: str, granted: dict[str, Any]) -> int:
    with database.tenant(owner) as session:
        row = connections.insert_connection(
            session,
            KeyRing.of(settings()),
            user_id=owner,
            provider=provider,
            access_token=granted["access_token"],
            refresh_token=granted["refresh_token"],
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            account_id=account_id,
        )
        return int(row["id"])


def choose(database: Database, owner: str, connection_id: int, folder: str) -> None:
    with database.tenant(owner) as session:
        syncs.choose_folder(session, connection_id, user_id=owner, folder=folder, name="Videos")


def google(twins: Twins, database: Database, owner: str, name: str) -> Account:
    service = drive(twins, name)

    def subfolder(title: str, parent: str = "root") -> str:
        body = {"name": title, "mimeType": FOLDER, "parents": [parent]}
        return str(service.files().create(body=body).execute()["id"])

    top = subfolder("Videos")

    def put(title: str, content: bytes, folder: str = top, over: Any = None) -> Any:
        if over is None:
            return upload(service, title, content, parent=folder)["id"]
        from googleapiclient.http import MediaIoBaseUpload

        media = MediaIoBaseUpload(BytesIO(content), "video/mp4")
        return service.files().update(fileId=over, media_body=media).execute()["id"]

    return Account(
        "google_drive",
        "drive",
        connect(database, owner, "google_drive", name, twins.grant("google", name, DRIVE_SCOPES)),
        top,
        put,
        lambda file, title: service.files().update(fileId=file, body={"name": title}).execute(),
        lambda file: service.files().delete(fileId=file).execute(),
        lambda title: subfolder(title, top),
    )


def dropbox(twins: Twins, database: Database, owner: str, name: str) -> Account:
    from dropbox import Dropbox
    from dropbox.files import WriteMode

    granted = twins.grant("dropbox", name, [])
    client = Dropbox(granted["access_token"], timeout=10)

    def put(title: str, content: bytes, folder: str = "/Videos", over: Any = None) -> Any:
        path = client.files_get_metadata(over).path_display if over else f"{folder}/{title}"
        return client.files_upload(content, path, mode=WriteMode.overwrite).id

    def subfolder(title: str) -> str:
        return str(client.files_create_folder_v2(f"/Videos/{title}").metadata.path_display)

    client.files_create_folder_v2("/Videos")
    account_id = client.users_get_current_account().account_id
    return Account(
        "dropbox",
        "dropbox",
        connect(database, owner, "dropbox", account_id, granted),
        "/Videos",
        put,
        lambda file, title: client.files_move_v2(client.files_get_metadata(file).path_display, f"/Videos/{title}"),
        lambda file: client.files_delete_v2(client.files_get_metadata(file).path_display),
        subfolder,
    )


MAKERS = {"google_drive": google, "dropbox": dropbox}
