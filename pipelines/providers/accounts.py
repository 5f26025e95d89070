"""Access tokens of connected accounts, renewed when they are over or were refused."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import RowMapping, Table

from core.crypto import KeyRing
from core.errors import Misconfigured, NotFound, Refused, Unavailable
from core.ids import new_id
from core.settings import settings
from db import connections, leases
from db.base.connections import cloud_connections
from db.engine import Database
from pipelines.providers.consent import Service, service_of

_EARLY = timedelta(seconds=60)  # a token that ends while it is used is as good as over
_TIMEOUT_SECONDS = 20
_LEASE = timedelta(seconds=25)  # longer than the one call may take
_LOOK_SECONDS = 0.05
_PROVIDER = {"cloud_connections": "provider", "user_social_accounts": "platform"}  # the column that names who gives the tokens
_AGAIN = "This account no longer lets us in. Please connect it again."


def access_token(database: Database, connection_id: int, *, refused: str | None = None, of: Table = cloud_connections) -> str:
    """A token that the provider should take; another than `refused`, which it did not. Nothing is held while it is renewed.

    Of several that find it over, one renews it and the others wait for what it gets. Raises Refused where the account has to be
    connected again (and marks it so), Unavailable, Misconfigured.
    """
    ring = KeyRing.of(settings())
    with database.jobs() as session:
        user_id = connections.get_user(session, connection_id, of)
    account = _Account(database, ring, user_id, connection_id, of)
    deadline = time.monotonic() + _LEASE.total_seconds() + 1
    while (token := account.find_token(refused)) is None:
        holder = new_id()
        with database.jobs() as session:
            is_ours = leases.take_lease(session, of.name, connection_id, holder, length=_LEASE)
        if is_ours:
            try:
                # Whoever held the lease until now may have renewed it since we looked.
                token = account.find_token(refused) or account.renew()
            finally:
                with database.jobs() as session:
                    leases.give_back_lease(session, of.name, connection_id, holder)
            return token
        if time.monotonic() > deadline:
            raise Unavailable(
                f"another is renewing the token of connection {connection_id} and does not come to an end", provider=of.name
            )
        time.sleep(_LOOK_SECONDS)
    return token


@dataclass(frozen=True, slots=True)
class _Account:
    database: Database
    ring: KeyRing
    user_id: str
    connection_id: int
    of: Table

    def find_token(self, refused: str | None) -> str | None:
        """The token that is kept, unless it is over or refused. Raises Refused."""
        row, token, _ = self._read()
        is_over = row["token_expires_at"] is not None and row["token_expires_at"] - datetime.now(UTC) < _EARLY
        return None if is_over or token == refused else token

    def renew(self) -> str:
        """A new token, kept with the refresh token that came with it, if one did. Raises Refused, Unavailable, Misconfigured."""
        row, _, refresh_token = self._read()
        answered = _renew(row[_PROVIDER[self.of.name]], refresh_token) if refresh_token else None
        if answered is None:
            with self.database.tenant(self.user_id) as session:
                connections.end_connection(session, self.connection_id, self.of)
            raise Refused(_AGAIN)
        token, rotated = str(answered["access_token"]), answered.get("refresh_token")
        expires_at = datetime.now(UTC) + timedelta(seconds=int(answered.get("expires_in", 3600)))
        with self.database.tenant(self.user_id) as session:
            connections.keep_tokens(session, self.ring, self.connection_id, token, rotated, expires_at=expires_at, of=self.of)
        return token

    def _read(self) -> tuple[RowMapping, str | None, str | None]:
        with self.database.tenant(self.user_id) as session:
            found = connections.get_tokens(session, self.ring, self.connection_id, self.of)
        if not found[0]["is_active"]:
            raise Refused(_AGAIN)
        return found


def _renew(provider: str, refresh_token: str) -> dict[str, Any] | None:
    """What the provider answers, or None where it takes this refresh token no longer."""
    service, config = _service(provider), settings()
    secret: SecretStr = getattr(config, service.secret)
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": getattr(config, service.client)}
    form["client_secret"] = secret.get_secret_value()
    try:
        answer = httpx.post(service.token_url, data=form, timeout=_TIMEOUT_SECONDS)
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


def _service(provider: str) -> Service:
    try:
        return service_of(provider)
    except NotFound:
        raise Misconfigured(f"no tokens are known for {provider}") from None
