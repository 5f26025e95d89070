"""Places with videos in them, one for each provider that brings some: what the suite must be able to do there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from core.storage import FolderStorage
from pipelines.providers import dropbox, google_drive
from pipelines.providers.base import VideoProvider, Wanted
from pipelines.providers.folder import Folder, list_videos
from pipelines.providers.upload import Upload
from tests.twins.google import DRIVE_SCOPES, drive, upload
from twins.running import Twins

Put = Callable[[str, bytes], Wanted]  # a file by this name, or its next version


@dataclass
class Place:
    """A provider and its files. Without `away`, it is not outside; `mark` tells whether an answer was asked for in part."""

    provider: VideoProvider
    put: Put
    remove: Callable[[Wanted], object]
    token: Callable[[str | None], str] = lambda _refused: ""
    away: Callable[[], object] | None = None
    ranges: Callable[[], list[str | None]] = list
    keeps: set[str] = field(default_factory=set)  # keys that are the place's own
    has_versions: bool = True


@contextmanager
def folder(request: pytest.FixtureRequest) -> Iterator[Place]:
    root: Path = request.getfixturevalue("tmp_path") / "watched"
    root.mkdir()

    def put(name: str, content: bytes) -> Wanted:
        (root / name).write_bytes(content)
        file = next(file for file in list_videos(root) if file.name == name)
        return Wanted(file.path, name, len(content), file.version)

    yield Place(Folder(lambda: root), put, lambda wanted: (root / wanted.path).unlink())


@contextmanager
def uploaded(request: pytest.FixtureRequest) -> Iterator[Place]:
    storage: FolderStorage = request.getfixturevalue("storage")
    place = Place(Upload(), lambda *_: None, lambda wanted: storage.local(wanted.path).unlink(), has_versions=False)

    def put(name: str, content: bytes) -> Wanted:
        key = f"uploads/{uuid4().hex}/source"
        with storage.writer(key) as file:
            file.write(content)
        place.keeps.add(key)
        return Wanted(key, name, len(content), None)

    place.put = put
    yield place


@contextmanager
def in_google_drive(request: pytest.FixtureRequest) -> Iterator[Place]:
    from googleapiclient.http import MediaIoBaseUpload

    twins: Twins = request.getfixturevalue("twins")
    account = f"{uuid4().hex}@example.com"
    service = drive(twins, account)
    token = twins.grant("google", account, DRIVE_SCOPES)["access_token"]
    ids: dict[str, str] = {}

    def put(name: str, content: bytes) -> Wanted:
        if name in ids:
            media = MediaIoBaseUpload(BytesIO(content), "video/mp4")
            made = service.files().update(fileId=ids[name], media_body=media, fields="*").execute()
        else:
            made = upload(service, name, content, fields="*") if content else _empty(service, name)
        ids[name] = made["id"]
        return Wanted(made["id"], name, len(content), made["md5Checksum"], made["headRevisionId"])

    yield Place(
        google_drive.PROVIDER,
        put,
        lambda wanted: service.files().delete(fileId=wanted.path).execute(),
        lambda _refused: token,
        away=lambda: twins.fault("drive", "unavailable"),
        ranges=lambda: _ranges(twins, "drive", "/revisions/"),
    )


def _empty(service: Any, name: str) -> Any:
    return service.files().create(body={"name": name, "mimeType": "video/mp4"}, fields="*").execute()


@contextmanager
def in_dropbox(request: pytest.FixtureRequest) -> Iterator[Place]:
    from dropbox import Dropbox
    from dropbox.files import WriteMode

    twins: Twins = request.getfixturevalue("twins")
    token = twins.grant("dropbox", f"{uuid4().hex}@example.com", [])["access_token"]

    with Dropbox(token, timeout=10) as client:

        def put(name: str, content: bytes) -> Wanted:
            made = client.files_upload(content, f"/{name}", mode=WriteMode.overwrite)
            return Wanted(made.id, name, made.size, made.content_hash, made.rev)

        yield Place(
            dropbox.PROVIDER,
            put,
            lambda wanted: client.files_delete_v2(wanted.path),
            lambda _refused: token,
            away=lambda: twins.fault("dropbox", "unavailable"),
            ranges=lambda: _ranges(twins, "dropbox", "/files/download"),
        )


def _ranges(twins: Twins, twin: str, part: str) -> list[str | None]:
    return [seen["headers"].get("range") for seen in twins.seen(twin) if part in seen["request"]]


PLACES: Mapping[str, Any] = SimpleNamespace(
    folder=folder, upload=uploaded, google_drive=in_google_drive, dropbox=in_dropbox
).__dict__
