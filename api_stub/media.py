"""/media: what was made of a video, to play and to keep. Only files that a row of the user's own video names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, StorageHere, User
from api_stub.contract import Id
from api_stub.etag import matches
from core.errors import NotFound
from core.storage import Storage
from db import videos
from db.videos import FileKind

router = APIRouter(prefix="/media/videos", tags=["media"])
_BLOCK_BYTES = 1 << 18
_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/mp4",
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".vtt": "text/vtt; charset=utf-8",
    ".srt": "application/x-subrip",
    ".json": "application/json",
}
_ENDINGS: dict[str, str] = {
    FileKind.MP4: ".mp4",
    FileKind.POSTER: ".jpg",
    FileKind.CAPTIONS_VTT: ".vtt",
    FileKind.CAPTIONS_SRT: ".srt",
    FileKind.TRANSCRIPT: ".json",
}
_PICTURES: set[str] = {FileKind.THUMBNAIL, FileKind.SPEAKER_IMAGE}  # of several types: the key ends as their type does
_KEPT: set[str] = {FileKind.CAPTIONS_SRT, FileKind.TRANSCRIPT}  # nothing plays them: browsers save them
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}},
    206: {"description": "The bytes that Range names."},
    304: {"description": "It is as the ETag in If-None-Match says."},
}


@dataclass(frozen=True, slots=True)
class _File:
    key: str
    size_bytes: int
    sha256: str
    media_type: str
    save_as: str | None = None


@router.head("/{video_id}/ladder/{path:path}", include_in_schema=False)
@router.get("/{video_id}/ladder/{path:path}", responses=_ANSWERS, response_class=Response)
def get_ladder_file(
    video_id: Id,
    path: str,
    request: Request,
    *,
    user: User,
    database: DatabaseHere,
    storage: StorageHere,
    range_: Annotated[str | None, Header(alias="range")] = None,
) -> Response:
    """A playlist or segment of the ladder, by a name that the ladder lists."""
    with database.tenant(user) as session:
        videos.get_video(session, video_id)
        ladder = videos.list_files(session, video_id).get(FileKind.LADDER)
    parts = ladder["details"]["files"] if ladder and ladder["details"] else []
    part = next((part for part in parts if part["name"] == path), None)
    if ladder is None or part is None:
        raise NotFound(f"the ladder of video {video_id} has no such file")
    key = f"{ladder['key'].rpartition('/')[0]}/{path}"
    return _serve(request, storage, _File(key, part["size_bytes"], part["sha256"], _type(path)), range_)


@router.head("/{video_id}/{kind}", include_in_schema=False)
@router.get("/{video_id}/{kind}", responses=_ANSWERS, response_class=Response)
def get_media_file(
    video_id: Id,
    kind: Annotated[str, Path(description=f"One of {', '.join([*_ENDINGS, *sorted(_PICTURES)])}.")],
    request: Request,
    *,
    user: User,
    database: DatabaseHere,
    storage: StorageHere,
    range_: Annotated[str | None, Header(alias="range")] = None,
    download: bool = False,
) -> Response:
    """The MP4, pictures, captions or the transcript; `download` asks browsers to save rather than show it."""
    with database.tenant(user) as session:
        video = videos.get_video(session, video_id)
        files = videos.list_files(session, video_id)
    # A thumbnail that is being drawn has an address already.
    row = files.get(kind) or (files.get(FileKind.POSTER) if kind == FileKind.THUMBNAIL else None)
    ending = row["key"][row["key"].rfind(".") :] if row and kind in _PICTURES else _ENDINGS.get(kind)
    if row is None or ending is None:
        raise NotFound(f"video {video_id} has no {kind}")
    name = f"{video['original_filename'].rpartition('.')[0] or video['original_filename']}{ending}"
    save_as = name if download or kind in _KEPT else None
    return _serve(request, storage, _File(row["key"], row["size_bytes"], row["sha256"], _TYPES[ending], save_as), range_)


def _type(name: str) -> str:
    return _TYPES.get(name[name.rfind(".") :], "application/octet-stream")


def _serve(request: Request, storage: Storage, file: _File, wanted: str | None) -> Response:
    if storage.size(file.key) != file.size_bytes:
        raise NotFound("this file is damaged in storage: run the video's job again from the step that made it")
    tag = f'"{file.sha256}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache", "Content-Type": file.media_type}
    if file.save_as:
        headers["Content-Disposition"] = _attachment(file.save_as)
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    part = _read_range(wanted, file.size_bytes) if request.headers.get("if-range", tag) == tag else None
    start, end = part or (0, file.size_bytes)
    headers["Content-Length"] = str(end - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
    content = iter(()) if request.method == "HEAD" else _blocks(storage, file.key, start, end)
    return StreamingResponse(content, 206 if part else 200, headers)


def _read_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """Where the wanted part starts, and where it has ended. None for all of it: also where several parts are asked for,
    or something that is no range, which a server may pass over (RFC 9110 §14.2). Raises HTTP 416.
    """
    found = _RANGE.fullmatch(header.replace(" ", "")) if header and len(header) < 100 else None  # noqa: PLR2004  (two numbers)
    first, last = found.groups() if found else ("", "")
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(size_bytes, int(last) + 1) if last else size_bytes
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise HTTPException(416, f"there are {size_bytes} bytes", {"Content-Range": f"bytes */{size_bytes}"})
    return start, end


def _blocks(storage: Storage, key: str, start: int, end: int) -> Iterator[bytes]:
    with storage.open(key) as file:
        file.seek(start)
        while start < end and (block := file.read(min(_BLOCK_BYTES, end - start))):
            start += len(block)
            yield block


def _attachment(name: str) -> str:
    """A name that no header and no file system takes amiss, in both of the spellings of RFC 6266."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name).strip(". ")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
