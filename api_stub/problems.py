"""Every error as problem details (RFC 9457), in the error tree's words."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from core.errors import AskStephenError, Conflict, DiskFull, Invalid, NotFound, Refused
from core.log import get_logger

_log = get_logger(__name__)
_STATUS: tuple[tuple[type[AskStephenError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
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


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer of media type application/problem+json; `message` is for older clients."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "message": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def internal() -> JSONResponse:
    """What a client is told where only the log may tell more."""
    return problem(500, "Internal error", "something went wrong here; the log tells more")


def _known(_request: Request, error: Exception) -> JSONResponse:
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return problem(status, kind.__name__, str(error))
    _log.error("request.failed", exc_info=error)
    return internal()


def _malformed(request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    words = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in found)
    # Earlier clients know 400 only.
    return problem(400 if request.url.path.startswith("/api/") else 422, "Invalid", words)


def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return _known(_request, error)
    title = next((known.phrase for known in HTTPStatus if known == error.status_code), error.detail)
    return problem(error.status_code, title, error.detail, dict(error.headers or {}))


def _unstorable(_request: Request, error: Exception) -> JSONResponse:
    _log.warning("request.unstorable", error=type(error).__name__)
    return problem(422, "Invalid", "a value is too large, or holds a character that cannot be stored")


def _database(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DBAPIError) and not error.connection_invalidated and getattr(error.orig, "sqlstate", None):
        return _known(_request, error)
    return problem(503, "Unavailable", "the database cannot be reached; try again shortly", {"Retry-After": "2"})


def install(app: FastAPI) -> None:
    """Answer every error of this app in this form."""
    app.add_exception_handler(AskStephenError, _known)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(UnicodeEncodeError, _unstorable)  # half of a surrogate pair, which JSON can carry
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeout, _database)
