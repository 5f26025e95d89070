"""Every error as problem details (RFC 9457) or, for a browser, as a page: in the error tree's words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from api_stub.dashboard.rendering import render
from core.errors import AskStephenError, Conflict, DiskFull, Forbidden, Invalid, NotFound, Refused, Transient
from core.log import get_logger

_log = get_logger(__name__)
_METHOD = HTTPStatus.METHOD_NOT_ALLOWED
_STATUS: tuple[tuple[type[AskStephenError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (Forbidden, 403),
    (Invalid, 422),
    (Refused, 422),
    (DiskFull, 507),
)
_SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("type", "title", "detail", "message")}
    | {"status": {"type": "integer"}},
    "required": ["type", "title", "status", "detail", "message"],
}
_DECLARED = {"description": "What went wrong, and what to do.", "content": {"application/problem+json": {"schema": _SCHEMA}}}
# 422 is named because the framework declares another form for it otherwise.
DECLARED: dict[int | str, dict[str, Any]] = {"4XX": _DECLARED, "422": _DECLARED, "5XX": _DECLARED}


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, and what to do."""

    status: int
    title: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self, request: Request) -> Response:
        """As a page where a browser asks for one, else as problem details."""
        if "text/html" in request.headers.get("accept", ""):
            page = render(request, "problem.html", problem=self)
            page.status_code = self.status
            page.headers.update(self.headers)
            return page
        body = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        body["message"] = self.detail  # for older clients
        return JSONResponse(body, self.status, dict(self.headers), media_type="application/problem+json")


INTERNAL = Problem(500, "Internal error", "something went wrong here; the log tells more")  # only the log may


def _known(_request: Request, error: Exception) -> Problem:
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return Problem(status, kind.__name__, str(error))
    if isinstance(error, Transient):  # of a service that a request had to ask
        seconds = 5 if error.retry_after is None else max(1, int(error.retry_after.total_seconds()))
        return Problem(503, "Unavailable", str(error), {"Retry-After": str(seconds)})
    _log.error("request.failed", exc_info=error)
    return INTERNAL


def _malformed(request: Request, error: Exception) -> Problem:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    if any(item["loc"][0] == "path" for item in found) and request.method not in (known := _methods(request)):
        return _not_allowed(known)
    words = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in found)
    return Problem(422, "Invalid", words)


def _http(request: Request, error: Exception) -> Problem:
    if not isinstance(error, HTTPException):
        return _known(request, error)
    if error.status_code == _METHOD:
        return _not_allowed(_methods(request) - {request.method}, error.detail, error.headers or {})
    title = next((known.phrase for known in HTTPStatus if known == error.status_code), error.detail)
    detail = f"there is nothing at {request.url.path}" if error.detail == HTTPStatus.NOT_FOUND.phrase else error.detail
    return Problem(error.status_code, title, detail, error.headers or {})


def _not_allowed(methods: set[str], detail: str = _METHOD.phrase, headers: Mapping[str, str] = MappingProxyType({})) -> Problem:
    return Problem(_METHOD, _METHOD.phrase, detail, {**headers, "Allow": ", ".join(sorted(methods))})


def _methods(request: Request) -> set[str]:
    """All that this path knows: each of its methods is a route, and the framework tells the first one's only.

    Of routes that match, those that leave least of the path open: `/v1/competitors/changes` is no competitor.
    """
    matching = [route for route in iter_route_contexts(request.app.routes) if route.path_regex.match(request.url.path)]
    fewest = min((route.path_regex.groups for route in matching), default=0)
    return {method for route in matching if route.path_regex.groups == fewest for method in route.methods or ()}


def _unstorable(_request: Request, error: Exception) -> Problem:
    _log.warning("request.unstorable", error=type(error).__name__)
    return Problem(422, "Invalid", "a value is too large, or holds a character that cannot be stored")


_TOO_LONG = "this took longer than a request may; ask for less, or try again shortly"
_REFUSED_BY_DATABASE: dict[str, Problem] = {
    "42501": Problem(403, "Forbidden", "this is not yours to write so, or it names a row that is not there or not yours"),
    "23503": Problem(409, "Conflict", "it names a row that is gone, or other rows still need it"),
    "23505": Problem(409, "Conflict", "there is one like it already"),
    "23502": Problem(422, "Invalid", "a value that must be there is missing"),
    "23514": Problem(422, "Invalid", "a value is not one of those that may stand there"),
    "53100": Problem(
        507, "Insufficient Storage", "the database has no room for this now; try again later", {"Retry-After": "60"}
    ),
    "53300": Problem(503, "Unavailable", "the database serves as many as it can; try again shortly", {"Retry-After": "2"}),
    "57014": Problem(503, "Unavailable", _TOO_LONG, {"Retry-After": "2"}),  # a statement's time-out
    "55P03": Problem(503, "Unavailable", _TOO_LONG, {"Retry-After": "2"}),  # a lock's
    "40P01": Problem(503, "Unavailable", "another request was in the way; try again", {"Retry-After": "1"}),  # a deadlock
}


def _database(request: Request, error: Exception) -> Problem:
    if isinstance(error, DBAPIError) and not error.connection_invalidated:
        code = getattr(error.orig, "sqlstate", None)
        if code in _REFUSED_BY_DATABASE:
            _log.info("request.refused_by_database", sqlstate=code)
            return _REFUSED_BY_DATABASE[code]
        if code:
            return _known(request, error)
    return Problem(503, "Unavailable", "the database cannot be reached; try again shortly", {"Retry-After": "2"})


_HANDLERS: tuple[tuple[type[Exception], Callable[[Request, Exception], Problem]], ...] = (
    (AskStephenError, _known),
    (RequestValidationError, _malformed),
    (HTTPException, _http),
    (DataError, _unstorable),
    (UnicodeEncodeError, _unstorable),  # half of a surrogate pair, which JSON can carry
    (DBAPIError, _database),
    (PoolTimeout, _database),
)


def install(app: FastAPI) -> None:
    """Answer every error of this app in this form."""
    for kind, look in _HANDLERS:
        app.add_exception_handler(kind, partial(_answer, look))


def _answer(look: Callable[[Request, Exception], Problem], request: Request, error: Exception) -> Response:
    found = look(request, error)
    if found.status == HTTPStatus.UNPROCESSABLE_ENTITY and request.url.path.startswith("/api/"):
        found = replace(found, status=400)  # earlier clients know no other
    return found.answer(request)
