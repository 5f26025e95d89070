"""Bodies too large to hold: read block by block while they arrive."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from core.storage import Storage

BLOCK_BYTES = 1 << 20
_SILENCE_SECONDS = 60.0


async def blocks(request: Request, *, silence_seconds: float = _SILENCE_SECONDS) -> AsyncIterator[bytes]:
    """The body in blocks of a MiB and a bit, the last one shorter; whatever arrived is yielded before an error.

    Raises ClientDisconnect when the client hangs up, HTTP 408 when it is silent for this long.
    """
    stream, gathered = request.stream(), bytearray()
    problem: Exception | None = None
    while problem is None:
        try:
            async with asyncio.timeout(silence_seconds):
                chunk = await anext(stream, None)
        except ClientDisconnect as error:
            problem = error
        except TimeoutError:
            problem = HTTPException(408, f"nothing arrived for {silence_seconds:g} seconds", {"Connection": "close"})
        else:
            if chunk is None:
                break
            gathered += chunk
            if len(gathered) >= BLOCK_BYTES:
                yield bytes(gathered)
                gathered.clear()
    if gathered:
        yield bytes(gathered)
    if problem:
        raise problem


def declared_bytes(request: Request) -> int | None:
    """How long the body says it is."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() else None


def too_large(limit_bytes: int, headers: dict[str, str] | None = None) -> HTTPException:
    """The refusal of what is larger than the limit."""
    words = f"This file is too large: at most {_words(limit_bytes)} ({limit_bytes} bytes) are taken."
    return HTTPException(413, words, headers)


def check_room(storage: Storage, size_bytes: int) -> None:
    """Raise HTTP 507 where a file of this size does not fit in now."""
    if size_bytes > storage.free_bytes():
        raise HTTPException(507, f"There is no room for {_words(size_bytes)} here now. Please try again later.")


def _words(size_bytes: int) -> str:
    for unit, name in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.3g} {name}"
    return f"{size_bytes} bytes"
