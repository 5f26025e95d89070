"""Signing in with Google or Clerk, and out; what pages ask about who is signed in."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import RowMapping
from starlette.exceptions import HTTPException

from api_stub.auth import COOKIE, REMOTE_COOKIE, DatabaseHere, SettingsHere, User, keep_session
from api_stub.browser import is_same_origin, mark, origin, read_mark
from api_stub.contract import Shown
from core.settings import Settings
from db import oauth_states, people, users
from pipelines.providers import consent, google

router = APIRouter(tags=["sign-in"])
_PROVIDER = "google_sign_in"


class ClerkConfig(Shown):
    """What Clerk's page needs; empty where Clerk is not used."""

    publishable_key: str


class UserShown(Shown):
    """Who is signed in."""

    id: str
    email: str | None
    first_name: str | None
    last_name: str | None
    profile_image_url: str | None
    role: str
    default_channel_id: int | None
    notes: str | None
    created_at: datetime
    updated_at: datetime


@router.get("/api/clerk-config")
def get_clerk_config(config: SettingsHere) -> ClerkConfig:
    """For pages before anybody has signed in."""
    return ClerkConfig(publishable_key=config.clerk_publishable_key)


@router.get("/api/auth/user", response_model=UserShown)
def get_auth_user(user: User, database: DatabaseHere) -> RowMapping:
    """Who is signed in."""
    with database.jobs() as session:
        return people.get_person(session, user)


def _back_to(request: Request, config: Settings) -> str:
    return f"{origin(request, config)}/sign-in/google/callback"


@router.get("/sign-in/google", include_in_schema=False)
def begin_google(request: Request, database: DatabaseHere, config: SettingsHere) -> Response:
    """To Google's page; nobody is known yet."""
    if google.SIGN_IN.find_client(config) is None:
        raise HTTPException(404, "Signing in with Google is not set up here: GOOGLE_CLIENT_ID and its secret are not set.")
    redirect_uri = _back_to(request, config)
    with database.jobs() as session:
        begun = oauth_states.begin(session, _PROVIDER, None)
    url = consent.page_url(google.SIGN_IN, config, state=begun.state, verifier=begun.verifier, redirect_uri=redirect_uri)
    answer = RedirectResponse(url, 303)
    mark(answer, begun.browser, secure=redirect_uri.startswith("https:"))
    return answer


@router.get("/sign-in/google/callback", include_in_schema=False)
def finish_google(
    request: Request,
    database: DatabaseHere,
    config: SettingsHere,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    """The way back: a session for whoever has the address that Google verified."""
    with database.jobs() as session:
        came = oauth_states.take(session, _PROVIDER, state, read_mark(request))
    if came is None or not code:
        raise HTTPException(401, "This was used, has expired, or was begun in another browser. Please sign in again.")
    redirect_uri = _back_to(request, config)
    granted = consent.exchange(google.SIGN_IN, config, code=code, verifier=came.verifier, redirect_uri=redirect_uri)
    who = google.identify(granted.access_token)
    with database.jobs() as session:
        user_id = users.ensure_user_of_address(session, who.email, first_name=who.first_name, last_name=who.last_name)
        secret = users.insert_session(session, user_id)
    answer = RedirectResponse("/", 303)
    keep_session(answer, secret, config)
    return answer


@router.post("/sign-out", include_in_schema=False, status_code=204)
def sign_out(request: Request, database: DatabaseHere) -> Response:
    """End this browser's session. Raises HTTP 403 where another site's page asked for it."""
    if not is_same_origin(request):
        raise HTTPException(403, "this request came from another site's page")
    answer = Response(status_code=204)
    for name in (COOKIE, REMOTE_COOKIE):
        if secret := request.cookies.get(name):
            with database.jobs() as session:
                users.delete_session(session, secret)
            answer.delete_cookie(name, path="/", secure=name == REMOTE_COOKIE, httponly=True, samesite="lax")
    return answer
