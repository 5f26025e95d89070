"""Access tokens of connected accounts, renewed when they are over or were refused."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import Table

from core.crypto import KeyRing
from core.errors import Misconfigured, Refused, Unavailable
from core.settings import Settings, settings
from db import connections
from db.base.connections import CloudProvider, cloud_connections
from db.engine import Database

_EARLY = timedelta(seconds=60)  # a token that ends while it is used is as good as over
_TIMEOUT_SECONDS = 20
_PROVIDER = {"cloud_connections": "provider", "user_social_accounts": "platform"}  # the column that names who gives the tokens
_AGAIN = "This account no longer lets us in. Please connect it again."


@dataclass(frozen=True, slots=True)
class _Issuer:
    """Where tokens of a provider are renewed, and as which client of it."""

    url: str
    client_id: str
    client_secret: SecretStr


def access_token(database: Database, connection_id: int, *, refused: str | None = None, of: Table = cloud_connections) -> str:
    """A token that the provider should take; another than `refused`, which it did not. Nothing is held while it is renewed.

    Two that renew at once both get a good one: these providers keep a refresh token as it is. Raises Refused where the
    account has to be connected again (and marks it so), Unavailable, Misconfigured.
    """
    ring = KeyRing.of(settings())
    with database.jobs() as session:
        user_id = connections.get_user(session, connection_id, of)
    with database.tenant(user_id) as session:
        row, token, refresh_token = connections.get_tokens(session, ring, connection_id, of)
    if not row["is_active"]:
        raise Refused(_AGAIN)
    is_over = row["token_expires_at"] is not None and row["token_expires_at"] - datetime.now(UTC) < _EARLY
    if token is not None and token != refused and not is_over:
        return token
    if refresh_token is None:
        return _end(database, user_id, connection_id, of)
    answered = _renew(row[_PROVIDER[of.name]], refresh_token)
    if answered is None:
        return _end(database, user_id, connection_id, of)
    expires_at = datetime.now(UTC) + timedelta(seconds=int(answered.get("expires_in", 3600)))
    renewed = str(answered["access_token"])
    with database.tenant(user_id) as session:
        connections.keep_tokens(session, ring, connection_id, renewed, None, expires_at=expires_at, of=of)
    return renewed


def _end(database: Database, user_id: str, connection_id: int, of: Table) -> str:
    with database.tenant(user_id) as session:
        connections.end_connection(session, connection_id, of)
    raise Refused(_AGAIN)


def _renew(provider: str, refresh_token: str) -> dict[str, Any] | None:
    """What the provider answers, or None where it takes this refresh token no longer."""
    issuer = _issuer(provider, settings())
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": issuer.client_id}
    form["client_secret"] = issuer.client_secret.get_secret_value()
    try:
        answer = httpx.post(issuer.url, data=form, timeout=_TIMEOUT_SECONDS)
        said = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"no token could be had from {provider} ({type(error).__name__})", provider=provider) from None
    if answer.is_success and "access_token" in said:
        return dict(said)
    match said.get("error"):
        case "invalid_grant":
            return None
        case "invalid_client" | "unauthorized_client":
            raise Misconfigured(f"{provider} does not know this client: look at its client id and secret in the settings")
    raise Unavailable(f"{provider} gives no tokens now (HTTP {answer.status_code})", provider=provider)


def _issuer(provider: str, config: Settings) -> _Issuer:
    if provider in {CloudProvider.GOOGLE_DRIVE, CloudProvider.GDRIVE, "youtube"}:
        return _Issuer("https://oauth2.googleapis.com/token", config.google_client_id, config.google_client_secret)
    if provider == CloudProvider.DROPBOX:
        return _Issuer("https://api.dropboxapi.com/oauth2/token", config.dropbox_app_key, config.dropbox_app_secret)
    raise Misconfigured(f"no tokens are known for {provider}")
