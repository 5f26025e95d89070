"""POST /api/upload: one video in one request, written where it stays while it arrives."""

from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, SettingsHere, StorageHere, User
from api_stub.body import blocks, check_room, declared_bytes, too_large
from api_stub.videos import Video, show_one
from core.errors import Conflict, Refused
from core.ids import new_id
from core.storage import Storage
from db import uploads, videos
from db.engine import Database
from pipelines import ingest
from pipelines.providers.base import check_file_name

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # it is there for type checkers only

router = APIRouter(prefix="/api", tags=["videos"])
_ENVELOPE_BYTES = 1 << 16  # of a form beside its file
LONGEST_MIME_TYPE = 255


class FormFile:
    """The one file of a multipart form, fed block by block and written on at once. Fields that are no file are passed over."""

    def __init__(self, boundary: bytes, target: BinaryIO, *, limit_bytes: int) -> None:
        self.name: str | None = None
        self.mime_type: str | None = None
        self.size_bytes = 0
        self._target = target
        self._limit_bytes = limit_bytes
        self._headers: dict[bytes, bytes] = {}
        self._header = (bytearray(), bytearray())
        self._inside = False
        self._complete = False
        self._parser = self._open_parser(boundary)

    def _open_parser(self, boundary: bytes) -> MultipartParser:
        callbacks: MultipartCallbacks = {
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_part,
            "on_part_data": self._take,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            return MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def feed(self, block: bytes) -> None:
        """Take the next block of the body. Raises Refused for the name, HTTP 413 and 400, DiskFull."""
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def end(self) -> str:
        """The file's name; nothing more comes. Raises Refused where nothing was in it, HTTP 400 where none came whole."""
        if not self._complete:
            raise _malformed("it ends early")
        if self.name is None:
            raise HTTPException(400, "This form holds no file. Please choose one and send it again.")
        if self.size_bytes == 0:
            raise Refused("This file is empty. Please check it and send it again.")
        return self.name

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        file_name = options.get(b"filename")
        if file_name:  # an input without a chosen file sends an empty name
            if self.name is not None:
                raise HTTPException(400, "This form holds more than one file. Please send them one at a time.")
            self.name = check_file_name(file_name.decode("utf-8", "replace"))
            self.mime_type = self._headers.get(b"content-type", b"").decode("latin-1")[:LONGEST_MIME_TYPE] or None
            self._inside = True
        self._headers = {}

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self.size_bytes += end - start
            if self.size_bytes > self._limit_bytes:
                raise too_large(self._limit_bytes)
            self._target.write(memoryview(data)[start:end])

    def _end_part(self) -> None:
        self._inside = False

    def _end(self) -> None:
        self._complete = True


def _malformed(words: str) -> HTTPException:
    return HTTPException(400, f"this body is not a form (multipart/form-data) with a file: {words}")


_FORM = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}
TAKES_A_FORM: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}},
}


@router.post(
    "/upload",
    status_code=201,
    response_model=Video,
    responses={303: {"description": "To the video's page, for a browser that accepts text/html."}},
    openapi_extra=TAKES_A_FORM,
)
async def upload_video(
    request: Request, user: User, database: DatabaseHere, storage: StorageHere, config: SettingsHere
) -> Response:
    """Take in one video as a form's file, in a field of any name. A browser that sends a page's form goes on to the video's page."""
    upload_id = new_id()
    try:
        form = await _receive(request, storage, upload_id, limit_bytes=config.upload_limit_bytes)
    except BaseException:
        await run_in_threadpool(storage.remove_tree, uploads.folder(upload_id))
        raise
    video = await run_in_threadpool(_take_in, database, user, upload_id, form)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/videos/{video.id}", 303)
    return JSONResponse(video.model_dump(mode="json"), 201, {"Location": f"/api/videos/{video.id}"})


async def _receive(request: Request, storage: Storage, upload_id: UUID, *, limit_bytes: int) -> FormFile:
    boundary = form_boundary(request, limit_bytes=limit_bytes)
    check_room(storage, declared_bytes(request) or 0)
    async with contextmanager_in_threadpool(storage.writer(uploads.key(upload_id))) as target:
        return await read_form(request, target, boundary, limit_bytes=limit_bytes)


def form_boundary(request: Request, *, limit_bytes: int) -> bytes:
    """What divides the parts of this form. Raises HTTP 400 where it is none, 413 where it says that it is too large."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise _malformed("its Content-Type says so")
    if (declared_bytes(request) or 0) > limit_bytes + _ENVELOPE_BYTES:
        raise too_large(limit_bytes)
    return options[b"boundary"]


async def read_form(request: Request, target: BinaryIO, boundary: bytes, *, limit_bytes: int) -> FormFile:
    """Write the form's one file to `target` while it arrives. Raises what FormFile does."""
    form = FormFile(boundary, target, limit_bytes=limit_bytes)
    async for block in blocks(request):
        await run_in_threadpool(form.feed, block)
    form.end()
    return form


def _take_in(database: Database, user: str, upload_id: UUID, form: FormFile) -> Video:
    name = form.end()
    with database.tenant(user) as session:
        uploads.insert_upload(
            session, upload_id, user_id=user, file_name=name, mime_type=form.mime_type, size_bytes=form.size_bytes
        )
        return show_one(session, become_video(session, uploads.get_upload(session, upload_id)))


def become_video(session: Session, upload: RowMapping) -> int:
    """Write the video, its request and its job for an upload whose bytes are under its key; returns the video's id."""
    source = videos.Source(
        "upload",
        uploads.key(upload["id"]),
        upload["file_name"],
        size_bytes=upload["size_bytes"],
        mime_type=upload["mime_type"],
    )
    started = ingest.start(session, source, user_id=upload["user_id"])
    if started is None:
        raise Conflict(f"upload {upload['id']} was taken in already")
    uploads.end_upload(session, upload["id"], video_id=started.video_id)
    return started.video_id
