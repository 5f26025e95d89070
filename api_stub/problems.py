"""Every error as problem details (RFC 9457), in the error tree's words."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from core.errors import AskStephenError, Conflict, Invalid, NotFound, Refused
from core.log import get_logger

_log = get_logger(__name__)
_STATUS: tuple[tuple[type[AskStephenError], int], ...] = ((NotFound, 404), (Conflict, 409), (Invalid, 422), (Refused, 422))


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer of media type application/problem+json; `message` is for older clients."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "message": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _known(_request: Request, error: Exception) -> JSONResponse:
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return problem(status, kind.__name__, str(error))
    _log.error("request.failed", exc_info=error)
    return problem(500, "Internal error", "something went wrong here; the log tells more")


def _malformed(_request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    words = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in found)
    return problem(422, "Invalid", words)


def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return _known(_request, error)
    return problem(error.status_code, error.detail, error.detail, dict(error.headers or {}))


def _database(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DBAPIError) and not error.connection_invalidated and getattr(error.orig, "sqlstate", None):
        return _known(_request, error)
    return problem(503, "Unavailable", "the database cannot be reached; try again shortly", {"Retry-After": "2"})


def install(app: FastAPI) -> None:
    """Answer every error of this app in this form."""
    app.add_exception_handler(AskStephenError, _known)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeout, _database)
