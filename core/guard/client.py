"""An HTTP client whose every request, redirects as well, goes through the guard, with limits on size and time."""

import contextlib
import os
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self

import httpcore
import httpx

from core.errors import Refused, Transient
from core.guard.policy import Guard, get_guard
from core.guard.stream import Backend

_REDIRECTS = 5
_CONNECTIONS = httpx.Limits(max_connections=8, max_keepalive_connections=4)
_CODINGS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whatever its status. `body` is decoded; `url` is where redirects led."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes


def fetch(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    limit_bytes: int = 5_000_000,
    deadline_seconds: float = 20.0,
    guard: Guard | None = None,
) -> Answer:
    """What is at a URL. At most `limit_bytes` of it, counted once decoded; all of it within `deadline_seconds`.

    Raises Refused when the URL, or one it redirects to, is not to be followed, or when there is more than the limit;
    Transient when the server cannot be reached, breaks off or is too slow.
    """
    sent = {**(headers or {}), "Accept-Encoding": "gzip, deflate"}
    try:
        with (
            client(guard=guard, deadline_seconds=deadline_seconds) as session,
            session.stream("GET", url, headers=sent) as answer,
        ):
            body = b"".join(_decoded(answer, limit_bytes))
            return Answer(str(answer.url), answer.status_code, answer.headers, body)
    except httpx.InvalidURL as error:
        raise Refused(f"This address cannot be opened: {error}.") from None
    except httpx.TooManyRedirects:
        raise Refused(f"This address is redirected more than {_REDIRECTS} times, so it is not opened.") from None
    except httpx.UnsupportedProtocol:
        raise Refused("This address cannot be opened: it must begin with http:// or https://.") from None
    except httpx.HTTPError as error:
        raise Transient(f"{_host(url)} could not be read: {str(error) or type(error).__name__}") from error


def client(*, guard: Guard | None = None, deadline_seconds: float = 20.0) -> httpx.Client:
    """An httpx client that reaches what the guard lets it: all its requests together end within `deadline_seconds`.

    Follows redirects, keeps no cookies of other sites, takes nothing from the environment. A request raises Refused, and
    what httpx raises; what answers are limited to is up to the caller (see `fetch`).
    """
    return httpx.Client(
        transport=_Transport(guard or get_guard(), deadline_seconds),
        follow_redirects=True,
        max_redirects=_REDIRECTS,
        timeout=min(10.0, deadline_seconds),
        trust_env=False,
    )


class _Transport(httpx.BaseTransport):
    def __init__(self, guard: Guard, deadline_seconds: float) -> None:
        self._guard = guard
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trust(os.environ.get("SSL_CERT_FILE")),
            max_connections=_CONNECTIONS.max_connections,
            max_keepalive_connections=_CONNECTIONS.max_keepalive_connections,
            network_backend=Backend(guard, time.monotonic() + deadline_seconds),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._guard.check_url(str(request.url))
        url = request.url
        wanted = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _translated():
            answer = self._pool.handle_request(wanted)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._pool.__exit__(kind, error, traceback)

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """What httpcore raises, as httpx calls it: by the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error


def _decoded(answer: httpx.Response, limit_bytes: int) -> Iterator[bytes]:
    """The body in pieces of bounded size, whatever it was packed to. Raises Refused, httpx.HTTPError."""
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", "", *_CODINGS}:
        raise Refused(f"This page is packed in a way that was not asked for ({coding[:40]}), so it is not opened.")
    unpack = zlib.decompressobj(_CODINGS[coding]) if coding in _CODINGS else None
    left = limit_bytes
    for packed in answer.iter_raw(_PIECE_BYTES):
        for piece in _unpacked(unpack, packed) if unpack else (packed,):
            left -= len(piece)
            if left < 0:
                raise Refused(f"This page is larger than {limit_bytes / 1_000_000:g} MB, so it is not read.")
            yield piece


def _unpacked(unpack: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    try:
        while packed and not unpack.eof:
            yield unpack.decompress(packed, _PIECE_BYTES)
            packed = unpack.unconsumed_tail
    except zlib.error as error:
        raise httpx.DecodingError(f"the body cannot be unpacked: {error}") from error


@cache
def _trust(_bundle: str | None) -> ssl.SSLContext:
    """The authorities of this machine, or those that the environment names (SSL_CERT_FILE)."""
    return httpx.create_ssl_context()


def _host(url: str) -> str:
    with contextlib.suppress(httpx.InvalidURL):
        return httpx.URL(url).host
    return "the site"
