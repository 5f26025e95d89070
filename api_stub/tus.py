"""/files: resumable uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload).

The truth about an upload is the smaller of what its row and its file say: bytes are on the disk before the row counts them.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from fastapi.responses import Response
from sqlalchemy import RowMapping
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api_stub.auth import DatabaseHere, SettingsHere, StorageHere, User
from api_stub.body import blocks, check_room, declared_bytes, too_large
from api_stub.uploads import LONGEST_MIME_TYPE, become_video
from core.errors import Conflict, Refused
from core.ids import new_id
from core.storage import Storage, Tail
from db import uploads
from db.engine import Database
from pipelines.providers.base import check_file_name

VERSION = "1.0.0"
_EXTENSIONS = "creation,creation-with-upload,expiration,termination,checksum"
_HASHES = ("sha1", "sha256")
_OVERRIDDEN = ("PATCH", "HEAD", "DELETE")
_BYTES = "application/offset+octet-stream"
_KEEP_EVERY_BYTES = 32 << 20  # at most so much is sent again after a kill


def _require_method(request: Request) -> None:
    """POST means nothing to an upload unless it stands for another method."""
    if request.method == "POST" and "upload_id" in request.path_params and _overriding(request) not in _OVERRIDDEN:
        raise HTTPException(405, f"send X-HTTP-Method-Override: {', '.join(_OVERRIDDEN)}")


def _overriding(request: Request) -> str | None:
    return request.headers.get("x-http-method-override")


def _require_version(request: Request) -> None:
    spoken = request.headers.get("tus-resumable")
    if request.method != "OPTIONS" and spoken != VERSION:
        raise HTTPException(412, f"send Tus-Resumable: {VERSION}", {"Tus-Version": VERSION})


_ASKS = {"parameters": [{"name": "Tus-Resumable", "in": "header", "required": True, "schema": {"const": VERSION}}]}
router = APIRouter(
    prefix="/files", tags=["resumable uploads"], dependencies=[Depends(_require_method), Depends(_require_version)]
)


@dataclass(frozen=True, slots=True)
class _Uploads:
    """The uploads of one user."""

    database: Database
    storage: Storage
    user: str

    def get(self, upload_id: UUID) -> RowMapping:
        """Raises NotFound, HTTP 410 for one that expired."""
        with self.database.tenant(self.user) as session:
            upload = uploads.get_upload(session, upload_id)
        if upload["expired"]:
            raise HTTPException(410, "This upload has expired. Please begin again.")
        return upload

    def offset(self, upload: RowMapping) -> int:
        """How many bytes of it are there for sure."""
        received: int = upload["received_bytes"]
        return min(received, self.storage.resumable(uploads.key(upload["id"])).size())

    def create(self, name: str, mime_type: str | None, size_bytes: int) -> UUID:
        """Begin one. Raises HTTP 507."""
        check_room(self.storage, size_bytes)
        upload_id = new_id()
        with self.database.tenant(self.user) as session:
            uploads.insert_upload(
                session, upload_id, user_id=self.user, file_name=name, mime_type=mime_type, size_bytes=size_bytes
            )
        return upload_id

    def begin(self, upload_id: UUID, tail: Tail, offset: int) -> None:
        """Make the file end at `offset`, which the client believes to be its end. Raises HTTP 409; nobody else writes now."""
        at = self.offset(self.get(upload_id))
        if at != offset:
            raise HTTPException(409, f"this upload goes on at {at}, not at {offset}")
        tail.cut(at)

    def keep(self, upload_id: UUID, tail: Tail, received_bytes: int) -> None:
        """Count what was written, once it is on the disk."""
        tail.sync()
        with self.database.tenant(self.user) as session:
            uploads.keep_received(session, upload_id, received_bytes)

    def finish(self, upload_id: UUID) -> RowMapping:
        """The upload, made a video if all of it is there; may be repeated, and ends what a killed process began."""
        upload = self.get(upload_id)
        if upload["video_id"] is not None or self.offset(upload) < upload["size_bytes"]:
            return upload
        try:
            self.storage.resumable(uploads.key(upload_id)).finish(upload["size_bytes"])
        except Conflict:
            return upload  # another request is just doing this
        with self.database.tenant(self.user) as session:
            upload = uploads.get_upload(session, upload_id, lock=True)
            if upload["video_id"] is None:
                become_video(session, upload)
            return uploads.get_upload(session, upload_id)

    def remove(self, upload_id: UUID) -> None:
        """Raises NotFound, Conflict for one that has become a video."""
        with self.database.tenant(self.user) as session:
            if uploads.get_upload(session, upload_id, lock=True)["video_id"] is not None:
                raise Conflict("this upload has become a video: delete that one")
            uploads.delete_upload(session, upload_id)
        self.storage.remove_tree(uploads.folder(upload_id))


def _get_uploads(user: User, database: DatabaseHere, storage: StorageHere) -> _Uploads:
    return _Uploads(database, storage, user)


UploadsHere = Annotated[_Uploads, Depends(_get_uploads)]


@router.options("", status_code=204)
@router.options("/{upload_id}", status_code=204, include_in_schema=False)
def get_upload_options(_user: User, config: SettingsHere) -> Response:
    """What this server can."""
    headers = {
        "Tus-Version": VERSION,
        "Tus-Extension": _EXTENSIONS,
        "Tus-Max-Size": str(config.upload_limit_bytes),
        "Tus-Checksum-Algorithm": ",".join(_HASHES),
    }
    return Response(status_code=204, headers=headers)


@router.post("", status_code=201, openapi_extra=_ASKS)
@router.post("/", status_code=201, include_in_schema=False)
async def create_upload(
    request: Request,
    here: UploadsHere,
    config: SettingsHere,
    upload_length: Annotated[int, Header(ge=0, json_schema_extra={"minimum": 1})],  # of 0, the refusal below says more
    upload_metadata: Annotated[str, Header(description="`filename` and `filetype`, their values in base64.")] = "",
) -> Response:
    """Begin an upload of this length; a body that is there already is its beginning."""
    if upload_length > config.upload_limit_bytes:
        raise too_large(config.upload_limit_bytes, {"Tus-Max-Size": str(config.upload_limit_bytes)})
    if upload_length == 0:
        raise Refused("This file is empty. Please check it and send it again.")
    metadata = _read_metadata(upload_metadata)
    name = check_file_name(metadata.get("filename", ""))
    mime_type = metadata.get("filetype", "")[:LONGEST_MIME_TYPE] or None
    upload_id = await run_in_threadpool(here.create, name, mime_type, upload_length)
    if request.headers.get("content-type") == _BYTES:
        await _append(request, here, upload_id, 0)
    upload = await run_in_threadpool(here.finish, upload_id)
    return Response(status_code=201, headers={"Location": f"/files/{upload_id}", **_describe(upload, upload["received_bytes"])})


@router.head("/{upload_id}", openapi_extra=_ASKS)
def get_upload_offset(upload_id: UUID, here: UploadsHere) -> Response:
    """Where the upload goes on."""
    upload = here.finish(upload_id)
    metadata = f"filename {_encode(upload['file_name'])}"
    if upload["mime_type"]:
        metadata += f",filetype {_encode(upload['mime_type'])}"
    headers = {"Upload-Length": str(upload["size_bytes"]), "Upload-Metadata": metadata, "Cache-Control": "no-store"}
    return Response(status_code=200, headers={**_describe(upload, here.offset(upload)), **headers})


@router.patch("/{upload_id}", status_code=204, openapi_extra={**_ASKS, "requestBody": {"content": {_BYTES: {}}}})
async def patch_upload(
    upload_id: UUID, request: Request, here: UploadsHere, upload_offset: Annotated[int, Header(ge=0)]
) -> Response:
    """Go on with an upload. Content-Location of the last answer is the page of the video that it became.

    HTTP 409 when it goes on elsewhere, 423 while another request writes to it, 460 when the bytes are not those of Upload-Checksum.
    """
    if request.headers.get("content-type") != _BYTES:
        raise HTTPException(415, f"send Content-Type: {_BYTES}")
    await _append(request, here, upload_id, upload_offset)
    upload = await run_in_threadpool(here.finish, upload_id)
    return Response(status_code=204, headers=_describe(upload, upload["received_bytes"]))


@router.delete("/{upload_id}", status_code=204, openapi_extra=_ASKS)
def delete_upload(upload_id: UUID, here: UploadsHere) -> Response:
    """Give an upload up."""
    here.remove(upload_id)
    return Response(status_code=204)


@router.post("/{upload_id}", include_in_schema=False)
async def override_method(
    upload_id: UUID, request: Request, here: UploadsHere, upload_offset: Annotated[int, Header(ge=0)] = 0
) -> Response:
    """PATCH, HEAD and DELETE for clients that cannot send them: X-HTTP-Method-Override names the method."""
    match _overriding(request):
        case "PATCH":
            return await patch_upload(upload_id, request, here, upload_offset)
        case "DELETE":
            return await run_in_threadpool(delete_upload, upload_id, here)
        case _:
            return await run_in_threadpool(get_upload_offset, upload_id, here)


async def _append(request: Request, here: _Uploads, upload_id: UUID, offset: int) -> None:
    """Add the body to the upload, if `offset` is where it goes on. What arrived of a body that broke off counts.

    No transaction is open while bytes arrive: the lock is the file's.
    """
    upload = await run_in_threadpool(here.finish, upload_id)
    left = upload["size_bytes"] - offset
    if (declared_bytes(request) or 0) > left:
        raise _too_much(left)
    if upload["video_id"] is not None:
        if left:
            raise HTTPException(409, f"this upload goes on at {upload['size_bytes']}, not at {offset}")
        return
    try:
        async with contextmanager_in_threadpool(here.storage.resumable(uploads.key(upload_id)).append()) as tail:
            await run_in_threadpool(here.begin, upload_id, tail, offset)
            await _write(request, here, upload, tail, offset)
    except Conflict:
        raise HTTPException(423, "another request is writing to this upload") from None


async def _write(request: Request, here: _Uploads, upload: RowMapping, tail: Tail, offset: int) -> None:
    digest = _Digest.of(request.headers.get("upload-checksum"))
    at = kept = offset
    try:
        async for block in blocks(request):
            await run_in_threadpool(_write_block, tail, digest, block, left_bytes=upload["size_bytes"] - at)
            at += len(block)
            if digest is None and at - kept >= _KEEP_EVERY_BYTES:
                await run_in_threadpool(here.keep, upload["id"], tail, at)
                kept = at
    except (ClientDisconnect, HTTPException):
        if digest is None:  # with one, a part of the bytes cannot be told from wrong ones
            await run_in_threadpool(here.keep, upload["id"], tail, at)
        raise
    if digest and not digest.is_right():
        raise HTTPException(460, "the bytes that arrived are not those of Upload-Checksum; please send them again")
    await run_in_threadpool(here.keep, upload["id"], tail, at)


def _write_block(tail: Tail, digest: "_Digest | None", block: bytes, *, left_bytes: int) -> None:
    if len(block) > left_bytes:
        raise _too_much(left_bytes)
    tail.write(block)
    if digest:
        digest.sum.update(block)


def _too_much(left_bytes: int) -> HTTPException:
    return HTTPException(413, f"only {max(0, left_bytes)} bytes are left of this upload")


@dataclass(frozen=True, slots=True)
class _Digest:
    """What a body must add up to."""

    sum: "hashlib._Hash"
    wanted: bytes

    @classmethod
    def of(cls, header: str | None) -> "_Digest | None":
        """Raises HTTP 400 for a kind that is not offered."""
        if header is None:
            return None
        name, _, wanted = header.partition(" ")
        if name not in _HASHES:
            raise HTTPException(400, f"Upload-Checksum may be of {' or '.join(_HASHES)}")
        return cls(hashlib.new(name, usedforsecurity=False), _decode(wanted))

    def is_right(self) -> bool:
        return self.sum.digest() == self.wanted


def _read_metadata(header: str) -> dict[str, str]:
    """Upload-Metadata: names, each with a value in base64 or without one, separated by commas."""
    pairs = (pair.strip().partition(" ") for pair in header.split(",") if pair.strip())
    return {name: _decode(value).decode("utf-8", "replace") for name, _, value in pairs}


def _decode(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise HTTPException(400, "this is not base64") from None


def _encode(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _describe(upload: RowMapping, offset: int) -> dict[str, str]:
    """How far it is, and when it ends or which page shows what it became."""
    if upload["video_id"] is not None:
        return {"Upload-Offset": str(offset), "Content-Location": f"/videos/{upload['video_id']}"}
    return {"Upload-Offset": str(offset), "Upload-Expires": format_datetime(upload["expires_at"], usegmt=True)}
