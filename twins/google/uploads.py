"""Google's media protocol: resumable sessions that survive breaks and kills, and one multipart request."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from twins.base import Refused, reply
from twins.store import Record, Store

_CONTENT_RANGE = re.compile(r"bytes (?:(?P<first>\d+)-(?P<last>\d+)|\*)/(?P<size>\d+|\*)")


class Uploads:
    """Upload sessions of one API; what has arrived of each is the length of its file."""

    def __init__(self, store: Store, service: str) -> None:
        self._store = store
        self._sessions = store.table(f"{service}.uploads")

    def path(self, upload_id: str) -> Path:
        return self._store.blob(f"upload-{upload_id}")

    def verb(self, request: Request) -> str:
        """With what the method was called: a piece of a session is PUT, whatever began the session."""
        upload_id = request.query_params.get("upload_id")
        return request.method if upload_id is None else str(self._find(upload_id)["verb"])

    def begin(self, request: Request, parameters: Mapping[str, list[str]], body: Record) -> Response:
        """Open a session; its address is in Location."""
        upload_id = secrets.token_urlsafe(24)
        size = request.headers.get("x-upload-content-length")
        self.path(upload_id).touch()
        self._sessions[upload_id] = {
            "id": upload_id,
            "verb": request.method,
            "parameters": dict(parameters),
            "body": body,
            "type": request.headers.get("x-upload-content-type", "application/octet-stream"),
            "size": None if size is None else int(size),
        }
        location = str(request.url.include_query_params(upload_id=upload_id))
        return Response(status_code=200, headers={"Location": location, "X-GUploader-UploadID": upload_id})

    async def receive(self, request: Request, upload_id: str) -> Record | Response:
        """Take what a PUT carries: the session once everything is there, else the answer 308. Bytes had already are skipped."""
        session = self._find(upload_id)
        if "answer" in session:
            await request.body()
            return session
        said = _CONTENT_RANGE.fullmatch(request.headers.get("content-range", "bytes 0-0/*"))
        if said is None:
            raise Refused(reply({"error": {"code": 400, "message": "Failed to parse Content-Range header."}}, 400))
        if said["size"] != "*":
            session["size"] = int(said["size"])
        path = self.path(upload_id)
        if said["first"] is not None and int(said["first"]) <= path.stat().st_size:
            await _append(request, path, skip_bytes=path.stat().st_size - int(said["first"]))
        else:
            await request.body()
        if "content-range" not in request.headers:
            session["size"] = path.stat().st_size
        self._sessions[upload_id] = session
        had = path.stat().st_size
        if had == session["size"]:
            return session
        return Response(status_code=308, headers={"Range": f"bytes=0-{had - 1}"} if had else {})

    def _find(self, upload_id: str) -> Record:
        session = self._sessions.get(upload_id)
        if session is None:
            raise Refused(reply({"error": {"code": 404, "message": "Upload session not found", "errors": []}}, 404))
        return session

    def finish(self, session: Record) -> None:
        """Remember the answer: asked again, the session gives it again."""
        self._sessions[session["id"]] = session

    def keep(self, content: bytes) -> Path:
        """Bytes that came in one piece, as a file."""
        path = self.path(secrets.token_urlsafe(24))
        path.write_bytes(content)
        return path

    def take_multipart(self, content_type: str, raw: bytes) -> tuple[bytes, Path, str]:
        """The JSON, the file and the file's type of a multipart/related body; line ends may be bare, as Python's client sends."""
        boundary = re.search(r'boundary="?([^";]+)"?', content_type)
        parts = raw.split(b"--" + boundary[1].encode()) if boundary else []
        if len(parts) != 4:  # before, JSON, file, after  # noqa: PLR2004
            raise Refused(reply({"error": {"code": 400, "message": "Malformed multipart body.", "errors": []}}, 400))
        _, text = _split_part(parts[1])
        head, content = _split_part(parts[2])
        kind = re.search(rb"(?im)^content-type:\s*(\S+)", head)
        return text, self.keep(content), kind[1].decode("latin-1") if kind else "application/octet-stream"


def _split_part(part: bytes) -> tuple[bytes, bytes]:
    """Headers and content of one part, without the line ends that frame it."""
    head, _, content = re.sub(rb"\A\r?\n", b"", part, count=1).partition(b"\n\n")
    if b"\r\n\r\n" in part and (not content or len(head) > part.index(b"\r\n\r\n")):
        head, _, content = part.partition(b"\r\n\r\n")
    return head, re.sub(rb"\r?\n\Z", b"", content)


async def _append(request: Request, path: Path, *, skip_bytes: int) -> None:
    """Write piece by piece: what arrived before a break stays."""
    with path.open("ab", buffering=0) as file:
        async for piece in request.stream():
            file.write(piece[skip_bytes:])
            skip_bytes = max(0, skip_bytes - len(piece))
