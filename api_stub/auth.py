"""Who asks, and what a handler is given.

An API key (`Authorization: Bearer ask_…`), the cookie of a session, or a session token of Clerk says who. In local mode, on
loopback only, a one-time link sets the session cookie of this machine's one owner.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_stub.browser import SAFE_METHODS, is_same_origin
from api_stub.clerk import Clerk
from api_stub.door import RatesHere, count
from api_stub.problems import INTERNAL, Problem
from core.errors import Refused
from core.ids import new_id
from core.log import get_logger
from core.settings import Settings
from core.storage import Storage
from db import api_keys, users
from db.base.accounts import UserRole
from db.engine import Database
from db.permissions import Area, require_area, user_role

_log = get_logger(__name__)
COOKIE = "askstephen_session"  # of a local installation, without TLS
REMOTE_COOKIE = "__Host-askstephen_session"
_CLERK_COOKIE = "__session"
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
_UNTOLD = {"/livez", "/readyz"}  # asked every few seconds
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "media-src 'self' blob:; worker-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Guard:
    """The outermost of ours: refuses in local mode what another site could send, sets headers, tells each request's end.

    Plain ASGI, because the framework's middleware class hides from a handler that its client has hung up.
    """

    def __init__(self, app: ASGIApp, *, local: bool) -> None:
        self._app = app
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = Request(scope).state.request_id = new_id().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._answer(scope, receive, send, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began, status = time.perf_counter(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _set_headers(scope, message, request_id)
            await send(message)

        refused = self._refuse(Headers(scope=scope), scope["method"]) if self._local else None
        answer = refused.answer(Request(scope)) if refused else self._app
        try:
            await answer(scope, receive, send_on)
        except ClientDisconnect:
            pass
        except Exception:  # noqa: BLE001  (the last door: whatever it is, the client gets an answer and the log the trace)
            _log.exception("request.failed")
            if status == 0:
                await INTERNAL.answer(Request(scope))(scope, receive, send_on)
        finally:
            _tell(scope, status, time.perf_counter() - began)

    def _refuse(self, headers: Headers, method: str) -> Problem | None:
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
        if name not in _LOOPBACK:
            return Problem(421, "Misdirected request", "this page answers to 127.0.0.1 and localhost only")
        # A key is sent by programs alone; with one, no cookie is looked at.
        site = "none" if "authorization" in headers else headers.get("sec-fetch-site", "none")
        if method not in SAFE_METHODS and site not in {"same-origin", "none"}:
            return Problem(403, "Forbidden", "this request came from another site's page")
        return None


def _set_headers(scope: Scope, message: Message, request_id: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers["X-Request-Id"] = request_id
    if scope["path"].startswith("/files"):
        headers["Tus-Resumable"] = "1.0.0"  # on refusals too


def _tell(scope: Scope, status: int, seconds: float) -> None:
    """The route rather than the path, and no query: neither ids nor tokens belong in a log of requests."""
    tell = _log.debug if scope["path"] in _UNTOLD else _log.info
    route = getattr(scope.get("route"), "path", None)
    tell("request.ended", method=scope["method"], route=route, status=status or None, ms=round(seconds * 1000, 1))


def get_database(request: Request) -> Database:
    """The process's pool."""
    database: Database = request.app.state.database
    return database


def get_storage(request: Request) -> Storage:
    """Where files are."""
    storage: Storage = request.app.state.storage
    return storage


def get_settings(request: Request) -> Settings:
    """The settings of this process."""
    config: Settings = request.app.state.settings
    return config


DatabaseHere = Annotated[Database, Depends(get_database)]
StorageHere = Annotated[Storage, Depends(get_storage)]
SettingsHere = Annotated[Settings, Depends(get_settings)]
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False, description="An API key."))]


def get_user(request: Request, database: DatabaseHere, config: SettingsHere, bearer: _Bearer) -> str:
    """The id of the user who asks. Raises HTTP 401, and 503 where that cannot be found out now."""
    if "authorization" in request.headers:
        return _find_bearer_user(request, database, bearer)
    secret = request.cookies.get(COOKIE if config.local_mode else REMOTE_COOKIE)
    # In local mode the guard has looked where an unsafe request comes from.
    if secret and (config.local_mode or is_same_origin(request)):
        with database.jobs() as session:
            user_id = users.find_session_user(session, secret)
        if user_id:
            return user_id
    token = request.cookies.get(_CLERK_COOKIE)
    if token and request.app.state.clerk and is_same_origin(request):
        return _find_clerk_user(request, database, token)
    if config.local_mode:
        raise _unknown("Open the link that `./askstephen up` printed; `./askstephen link` prints a new one.")
    raise _unknown("Sign in, or send an API key as `Authorization: Bearer ask_…`; `./askstephen key new` makes one.")


def _find_bearer_user(request: Request, database: Database, bearer: HTTPAuthorizationCredentials | None) -> str:
    if bearer and request.app.state.clerk and not bearer.credentials.startswith(api_keys.PREFIX):
        return _find_clerk_user(request, database, bearer.credentials)
    if bearer:
        with database.jobs() as session:
            found = api_keys.find_usable(session, bearer.credentials)
        if found:
            _require_scope(request, found.scope)
            return found.user_id
    raise _unknown("This API key is not known, has expired, or was revoked; `./askstephen key new` makes one.")


def _require_scope(request: Request, scope: api_keys.Scope) -> None:
    if scope is api_keys.Scope.READ and request.method not in SAFE_METHODS:
        raise HTTPException(403, "This API key may only read.")
    if scope is not api_keys.Scope.OPS and request.url.path.startswith(("/ops", "/v1/api-keys")):
        raise HTTPException(403, "This API key has not the scope ops.")


def _find_clerk_user(request: Request, database: Database, token: str) -> str:
    clerk: Clerk = request.app.state.clerk
    try:
        claims = clerk.read(token)
    except Refused as error:
        raise _unknown(str(error)) from None
    user_id = str(claims["sub"])
    with database.jobs() as session:
        known = users.ensure_user(session, user_id)
    address = clerk.find_address(claims)
    if address and address != known:
        with database.jobs() as session:
            is_kept = users.keep_address(session, user_id, address)
        if not is_kept:
            _log.warning("user.address_taken", user_id=user_id)
    return user_id


def _unknown(words: str) -> HTTPException:
    return HTTPException(401, words, {"WWW-Authenticate": "Bearer"})


def get_admitted(request: Request, user: Annotated[str, Depends(get_user)], rates: RatesHere) -> str:
    """The id of the user who asks, who has not asked too often. Raises HTTP 401 and 429."""
    count(request, user, rates)
    return user


User = Annotated[str, Depends(get_admitted)]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and what the product lets them do."""

    id: str
    role: UserRole


def get_person(user: User, database: DatabaseHere) -> Asker:
    """Who asks, with their role as it is now. Raises HTTP 401."""
    with database.jobs() as session:
        return Asker(user, user_role(users.get_role(session, user)))


Person = Annotated[Asker, Depends(get_person)]


def in_area(area: Area) -> Callable[[Asker], Asker]:
    """A dependency: who asks, who may enter this area. Raises Forbidden."""

    def enter(person: Person) -> Asker:
        require_area(person.role, area)
        return person

    return enter


def sign_in(token: str, database: DatabaseHere, config: SettingsHere) -> Response:
    """Trade the link's token for a session cookie and go to the first page."""
    with database.jobs() as session:
        secret = users.sign_in(session, token)
    if secret is None:
        raise HTTPException(401, "This link was used or has expired; `./askstephen link` prints a new one.")
    answer = RedirectResponse("/", 303)
    keep_session(answer, secret, config)
    return answer


def keep_session(answer: Response, secret: str, config: Settings) -> None:
    """Let this browser be signed in from now on."""
    name, age = COOKIE if config.local_mode else REMOTE_COOKIE, int(users.SESSION_LIFETIME.total_seconds())
    # Lax: whoever comes back from connecting an account comes by a link of another site. Unsafe requests are looked at besides.
    answer.set_cookie(name, secret, max_age=age, httponly=True, samesite="lax", secure=not config.local_mode, path="/")
