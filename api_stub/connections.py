"""/v1/connections: accounts elsewhere are connected on the service's own page, and disconnected here and there."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import Table
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, SettingsHere, User, in_area
from api_stub.browser import mark, origin, read_mark
from api_stub.contract import Id
from core.crypto import KeyRing
from db import connections, oauth_states
from db.base.connections import cloud_connections, user_social_accounts
from db.permissions import Area
from pipelines.providers import consent

router = APIRouter(tags=["connected accounts"])
_ENTER = [Depends(in_area(Area.CONNECTIONS))]
_TABLES: dict[str, Table] = {"cloud": cloud_connections, "social": user_social_accounts}


class ConsentPage(BaseModel):
    """Where the browser goes now."""

    url: str


class Disconnected(BaseModel):
    """What became of it. Where the provider could not be asked, the owner ends it in the account's own settings."""

    is_revoked: bool


def _back_to(request: Request, config: SettingsHere, provider: str) -> str:
    return f"{origin(request, config)}/v1/connections/{provider}/callback"


@router.post("/v1/connections/{provider}/start", dependencies=_ENTER, response_model=ConsentPage)
def start_connection(provider: str, request: Request, user: User, database: DatabaseHere, config: SettingsHere) -> Response:
    """The page where the account's owner agrees; only this browser may come back from it, within ten minutes."""
    service = consent.get_service(provider)
    if service.find_client(config) is None:
        raise HTTPException(404, f"Accounts of {provider} are not set up here: our client id and secret there are not set.")
    redirect_uri = _back_to(request, config, provider)
    with database.jobs() as session:
        begun = oauth_states.begin(session, provider, user)
    url = consent.page_url(service, config, state=begun.state, verifier=begun.verifier, redirect_uri=redirect_uri)
    answer = JSONResponse({"url": url})
    mark(answer, begun.browser, secure=redirect_uri.startswith("https:"))
    return answer


class Came(BaseModel):
    """What the service adds to the address; without a code its owner did not agree."""

    state: Annotated[str, Field(max_length=200)] = ""
    code: Annotated[str, Field(max_length=4096)] = ""


@router.get("/v1/connections/{provider}/callback", include_in_schema=False)
def finish_connection(
    provider: str, request: Request, database: DatabaseHere, config: SettingsHere, back: Annotated[Came, Query()]
) -> Response:
    """The way back from there. Whose it is the state tells, and the mark of the browser that began."""
    service = consent.get_service(provider)
    with database.jobs() as session:
        came = oauth_states.take(session, provider, back.state, read_mark(request))
    if came is None or came.user_id is None:
        raise HTTPException(401, "This was used, has expired, or was begun in another browser. Please connect it again.")
    if not back.code:
        raise HTTPException(403, f"{provider} was not allowed to let us in; nothing was connected.")
    granted = consent.exchange(
        service, config, code=back.code, verifier=came.verifier, redirect_uri=_back_to(request, config, provider)
    )
    shown = service.describe(granted.access_token)
    with database.tenant(came.user_id) as session:
        connections.connect(
            session,
            KeyRing.of(config),
            user_id=came.user_id,
            provider=provider,
            tokens=(granted.access_token, granted.refresh_token),
            expires_at=granted.expires_at,
            shown=shown,
            of=user_social_accounts if provider == "youtube" else cloud_connections,
        )
    return RedirectResponse("/", 303)


@router.delete("/v1/connections/{kind}/{connection_id}", dependencies=_ENTER)
def disconnect(kind: str, connection_id: Id, user: User, database: DatabaseHere, config: SettingsHere) -> Disconnected:
    """Forget the tokens of a `cloud` or `social` account, and end at the provider what its owner agreed to."""
    if kind not in _TABLES:
        raise HTTPException(404, "There are connections of the kinds cloud and social.")
    with database.tenant(user) as session:
        ended = connections.disconnect(session, KeyRing.of(config), connection_id, of=_TABLES[kind])
    if ended.is_shared or (ended.access_token is None and ended.refresh_token is None):
        return Disconnected(is_revoked=False)
    service = consent.get_service(ended.provider)
    is_revoked = consent.revoke(service, access_token=ended.access_token, refresh_token=ended.refresh_token)
    return Disconnected(is_revoked=is_revoked)
