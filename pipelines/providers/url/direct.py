"""A video file that lies on a web server: told by what the server says of it, read by ranges."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx

from core.errors import NotFound, Refused, Transient, Unavailable
from core.guard import Guard
from core.guard.client import client
from pipelines.providers.base import Wanted, is_video_name
from pipelines.providers.ranged import RemoteFile, headers_from

if TYPE_CHECKING:
    from requests import Response

_DEADLINE_SECONDS = 6 * 3600.0
_PLAYLISTS = ("mpegurl", "dash+xml", "f4m", "sstr")
_LONGEST_WAIT_SECONDS = 3600
_GONE = {404, 410}
_NOT_FOR_US = {401, 402, 403, 407, 451}


@contextmanager
def find_file(wanted: Wanted, guard: Guard, limit_bytes: int) -> Iterator[RemoteFile | None]:
    """The file at the URL, or None where there is something else: a page, a playlist, or a stream of unknown length.

    Raises Refused, NotFound, Unavailable.
    """
    with client(guard=guard, deadline_seconds=_DEADLINE_SECONDS) as session:
        yield _file(session, wanted, _look(session, wanted.path), limit_bytes)


def _look(session: httpx.Client, url: str) -> httpx.Response:
    """The head of what is there. A server that does not answer HEAD is asked for the file, of which nothing is read."""
    try:
        answer = _ask(session, "HEAD", url, headers_from(0))
    except (Refused, Transient):
        answer = _ask(session, "GET", url, headers_from(0))
    answer.close()
    return answer


def _file(session: httpx.Client, wanted: Wanted, answer: httpx.Response, limit_bytes: int) -> RemoteFile | None:
    length = answer.headers.get("content-length", "")
    if not _is_video(answer) or not length.isdecimal() or "content-encoding" in answer.headers:
        return None
    size_bytes = int(length)
    if size_bytes > limit_bytes:
        raise Refused(f"This video is {size_bytes / 1e9:.1f} GB; at most {limit_bytes / 1e9:.1f} GB are taken.")
    mark = answer.headers.get("etag") or answer.headers.get("last-modified") or ""
    version = hashlib.sha256(f"{wanted.path}\n{mark}\n{size_bytes}".encode()).hexdigest()
    if wanted.version not in {None, version}:
        raise Refused("This file has changed since it was asked for. Please ask for it again.")

    def begin(first_byte: int) -> "Response":
        condition = {"If-Range": mark} if first_byte and mark and not mark.startswith("W/") else {}
        there = _ask(session, "GET", wanted.path, headers_from(first_byte) | condition)
        return cast(
            "Response",
            SimpleNamespace(status_code=there.status_code, headers=there.headers, raw=_Raw(there), close=there.close),
        )

    return RemoteFile(wanted.path, version, size_bytes, lambda: _Version(version), begin, "url")


class _Version:
    """A web server does not tell what its bytes hash to: what pins them is that the answers say the same of themselves."""

    def __init__(self, version: str) -> None:
        self._version = version

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str:
        return self._version


class _Raw:
    """A body as `ranged` reads it."""

    def __init__(self, answer: httpx.Response) -> None:
        self._blocks = answer.iter_raw()

    def read1(self, _most: int) -> bytes:
        try:
            return next(self._blocks, b"")
        except httpx.HTTPError as error:
            raise OSError(str(error)) from error


def _is_video(answer: httpx.Response) -> bool:
    kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
    if any(part in kind for part in _PLAYLISTS):
        return False
    return kind.startswith("video/") or (
        kind in {"application/octet-stream", "binary/octet-stream", ""} and is_video_name(answer.url.path)
    )


def _ask(session: httpx.Client, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
    """An answer whose body was not read yet; its status is 200 or 206."""
    try:
        answer = session.send(session.build_request(method, url, headers=headers), stream=True)
    except httpx.TooManyRedirects:
        raise Refused("This address is redirected too often, so it is not opened.") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise Refused("This is not a web address that can be opened. Please check it.") from None
    except httpx.HTTPError as error:
        raise Unavailable(f"the site could not be read: {error}", provider="url", of_owner=True) from error
    if answer.status_code in {200, 206}:
        return answer
    answer.close()
    raise _error(answer)


def _error(answer: httpx.Response) -> Exception:
    status, host = answer.status_code, answer.url.host
    if status in _GONE:
        return NotFound(f"{host} says that there is nothing at this address ({status}).")
    if status in _NOT_FOR_US:
        return Refused(f"{host} does not give this to everybody ({status}). Please download it there and upload the file.")
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Unavailable(f"{host} says: later ({status})", provider="url", retry_after=_wait(answer), of_owner=True)
    return Transient(f"{host} answers with {status}")


def _wait(answer: Any) -> timedelta | None:  # noqa: ANN401
    seconds = answer.headers.get("retry-after", "")
    return timedelta(seconds=min(int(seconds), _LONGEST_WAIT_SECONDS)) if seconds.isdecimal() else None
