"""What a twin is, and what its handlers raise and answer."""

from collections.abc import Callable, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from twins.faults import Fault


class Twin(Protocol):
    """One service: answers its requests, and knows how it says each kind of failure."""

    name: str
    refusals: Mapping[str, Callable[[Fault], Response]]

    @property
    def hosts(self) -> tuple[str, ...]: ...

    def serves(self, path: str) -> bool:
        """Whether a path on one of its hosts is this twin's: some hosts have several services."""

    async def answer(self, request: Request) -> Response: ...


class Refused(Exception):
    """A handler's answer that is not a success."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class WrongAnswer(Exception):
    """A twin was about to answer what its service's published types do not allow: a bug of the twin."""


def reply(body: object, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return JSONResponse(body, status, headers=dict(headers or {}))
