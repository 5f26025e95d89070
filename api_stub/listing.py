"""The bare arrays that earlier clients read: whole, and sent while they are read, or with `limit` a page whose `Link` names the next."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from fastapi import Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from db.base.rows import MOST

_JSON = "application/json"


class Listed(Protocol):
    """A row as it is shown."""

    @property
    def id(self) -> int:
        """By which the next page goes on."""
        ...


ReadPage = Callable[[int | None, int], Sequence[Listed]]  # from below this id, so many; in a transaction of its own


def bare_array(read: ReadPage, path: str, *, cursor: int | None = None, limit: int | None = None) -> Response:
    """The array. Without a limit one page of it is in memory at a time, and no transaction is open while the client reads."""
    first = read(cursor, limit or MOST)
    if limit is None and len(first) == MOST:
        return StreamingResponse(_joined(_pages(read, first)), media_type=_JSON)
    named = f'<{path}?limit={limit}&cursor={first[-1].id}>; rel="next"' if limit and len(first) == limit else None
    return Response(to_json(list(first)), media_type=_JSON, headers={"Link": named} if named else None)


def _pages(read: ReadPage, page: Sequence[Listed]) -> Iterator[Sequence[Listed]]:
    while page:
        yield page
        page = read(page[-1].id, MOST) if len(page) == MOST else ()


def _joined(pages: Iterable[Sequence[Listed]]) -> Iterator[bytes]:
    divider = b"["
    for page in pages:
        yield divider + to_json(list(page))[1:-1]
        divider = b","
    yield b"]"
