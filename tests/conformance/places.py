"""Places with videos in them, one for each provider that brings some: what the suite must be able to do there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from core.guard import Guard
from core.storage import FolderStorage
from pipelines.providers import dropbox, google_drive
from pipelines.providers.base import VideoProvider, Wanted
from pipelines.providers.folder import Folder, list_videos
from pipelines.providers.upload import Upload
from pipelines.providers.url import Url
from pipelines.providers.url.direct import find_file
from tests.sites import files, say, site
from tests.twins.google import DRIVE_SCOPES, drive, upload
from twins.running import Twins

_MANY_BYTES = 1 << 30
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
    place = Place(Upload(), lambda *_: None, lambda wanted: storage.local(wanted.path).unlink())

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


@contextmanager
def at_a_url(_request: pytest.FixtureRequest) -> Iterator[Place]:
    """Files of a web server; what makes a page a video is tested with the provider itself."""
    content: dict[str, tuple[str, bytes]] = {}
    seen: list[str | None] = []
    away: list[object] = []
    serve = files(content, seen)
    guard = Guard(["127.0.0.0/8"])

    def answer(request: BaseHTTPRequestHandler) -> None:
        (say(b"later", status=503) if away and away.pop() else serve)(request)  # to HEAD, and to GET after it

    with site(answer) as url:

        def put(name: str, body: bytes) -> Wanted:
            content["/video"] = ("video/mp4", body)
            wanted = Wanted(f"{url}/video", name, len(body), None)
            with find_file(wanted, guard, _MANY_BYTES) as file:
                assert file is not None
                return replace(wanted, version=file.version)

        yield Place(
            Url(guard), put, lambda _wanted: content.clear(), away=lambda: away.extend([True] * 2), ranges=lambda: list(seen)
        )


PLACES: Mapping[str, Any] = SimpleNamespace(
    folder=folder, upload=uploaded, google_drive=in_google_drive, dropbox=in_dropbox, url=at_a_url
).__dict__
