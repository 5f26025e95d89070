"""Who asks. Local mode: one owner on this machine, by a one-time link that sets a session cookie."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from api_stub.problems import problem
from db import users
from db.engine import Database

COOKIE = "askstephen_session"
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
_SAFE = {"GET", "HEAD", "OPTIONS"}
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "media-src 'self' blob:; worker-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class Guard(BaseHTTPMiddleware):
    """Refuses names that are not this machine's and writes that another site's page sent; sets the security headers."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        host = request.headers.get("host", "")
        name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
        if name not in _LOOPBACK:
            return problem(421, "Misdirected request", "this page answers to 127.0.0.1 and localhost only")
        site = request.headers.get("sec-fetch-site", "none")
        if request.method not in _SAFE and site not in {"same-origin", "none"}:
            return problem(403, "Forbidden", "this request came from another site's page")
        response = await call_next(request)
        response.headers.setdefault("Content-Security-Policy", _CONTENT_POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response


def get_database(request: Request) -> Database:
    """The process's pool."""
    database: Database = request.app.state.database
    return database


DatabaseHere = Annotated[Database, Depends(get_database)]


def get_user(request: Request, database: DatabaseHere) -> str:
    """The id of the signed-in user. Raises HTTP 401."""
    secret = request.cookies.get(COOKIE)
    if secret:
        with database.jobs() as session:
            user_id = users.find_session_user(session, secret)
        if user_id:
            return user_id
    raise HTTPException(401, "Open the link that `./askstephen up` printed; `./askstephen link` prints a new one.")


User = Annotated[str, Depends(get_user)]


def sign_in(token: str, database: DatabaseHere) -> Response:
    """Trade the link's token for a session cookie and go to the first page."""
    with database.jobs() as session:
        secret = users.sign_in(session, token)
    if secret is None:
        raise HTTPException(401, "This link was used or has expired; `./askstephen link` prints a new one.")
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE, secret, max_age=int(users.SESSION_LIFETIME.total_seconds()), httponly=True, samesite="strict", path="/"
    )
    return answer
