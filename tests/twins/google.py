"""Google's client as a product would build it."""

from typing import Any
from uuid import uuid4

from twins.running import Twins

_OPEN: list[Any] = []
DRIVE_SCOPES = ["https://www.googleapis.com/auth/drive"]


def drive(twins: Twins, account: str | None = None, *, token_seconds: int | None = None) -> Any:
    """A Drive client of an account of its own."""
    return service(twins, "drive", "v3", DRIVE_SCOPES, account, token_seconds=token_seconds)


def service(
    twins: Twins, name: str, version: str, scopes: list[str], account: str | None = None, *, token_seconds: int | None = None
) -> Any:
    from google.oauth2.credentials import Credentials
    from googleapiclient.discovery import build

    granted = twins.grant("google", account or f"{uuid4().hex}@example.com", scopes, lifetime_seconds=token_seconds)
    credentials = Credentials(
        granted["access_token"],
        refresh_token=granted["refresh_token"],
        token_uri="https://oauth2.googleapis.com/token",
        client_id="client",
        client_secret="secret",
    )
    made = build(name, version, credentials=credentials, cache_discovery=False)
    _OPEN.append(made)
    return made


def close_services() -> None:
    while _OPEN:
        _OPEN.pop().close()


def upload(service: Any, name: str, content: bytes, *, parent: str = "root", fields: str = "*") -> dict[str, Any]:
    from googleapiclient.http import MediaInMemoryUpload

    media = MediaInMemoryUpload(content, mimetype="video/mp4", resumable=True)
    made: dict[str, Any] = (
        service.files().create(body={"name": name, "parents": [parent]}, media_body=media, fields=fields).execute()
    )
    return made


def download(service: Any, file_id: str, *, chunk_bytes: int = 1 << 20) -> bytes:
    import io

    from googleapiclient.http import MediaIoBaseDownload

    content = io.BytesIO()
    loader = MediaIoBaseDownload(content, service.files().get_media(fileId=file_id), chunksize=chunk_bytes)
    done = False
    while not done:
        _, done = loader.next_chunk()
    return content.getvalue()
