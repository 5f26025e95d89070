"""Access tokens of connected accounts, renewed when they are over or were refused."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import RowMapping, Table
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.crypto import KeyRing
from core.errors import Misconfigured, NotFound, Refused, Unavailable
from core.ids import new_id
from core.log import get_logger
from core.settings import settings
from db import connections, leases
from db.base.connections import cloud_connections
from db.engine import Database
from db.leases import Lease
from pipelines.providers.consent import Service, get_service

_log = get_logger(__name__)
_EARLY = timedelta(seconds=60)  # a token that ends while it is used is as good as over
_TIMEOUT_SECONDS = 20
_LEASE = timedelta(seconds=25)  # longer than the one call may take
_LOOK_SECONDS = 0.05
_PROVIDER = {"cloud_connections": "provider", "user_social_accounts": "platform"}  # the column that names who gives the tokens
_KEEP_SECONDS = 60  # how long what a provider has given is held while the database is away: it is given once
_KEEP_AGAIN_SECONDS = 0.5
_AGAIN = "This account no longer lets us in. Please connect it again."
_LOST = "We were interrupted while this account gave us a new key, and the old one opens it no longer. Please connect it again."


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
        if (token := account.find_renewed(refused)) is not None:
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

    def find_renewed(self, refused: str | None) -> str | None:
        """A new token, or None while another renews it or where the account was given others meanwhile. Raises as `access_token`."""
        holder = new_id()
        with self.database.jobs() as session:
            lease = leases.take_lease(session, self.of.name, self.connection_id, holder, length=_LEASE)
        if lease is None:
            return None
        end = leases.leave_lease
        try:
            # Whoever held the lease until now may have renewed it since we looked.
            token = self.find_token(refused) or self._renew(lease)
            end = leases.give_back_lease
        except Refused:
            end = leases.give_back_lease
            raise
        finally:
            with self.database.jobs() as session:
                end(session, self.of.name, self.connection_id, holder)
        return token

    def _renew(self, lease: Lease) -> str | None:
        row, _, refresh_token = self._read()
        answered = _renew(row[_PROVIDER[self.of.name]], refresh_token) if refresh_token else None
        if refresh_token is None or answered is None:
            with self.database.tenant(self.user_id) as session:
                is_over = connections.end_connection(session, self.ring, self.connection_id, refused=refresh_token, of=self.of)
            if is_over:
                raise Refused(_LOST if lease is Lease.LEFT and refresh_token else _AGAIN)
            return None
        token = str(answered["access_token"])
        return token if self._keep(token, answered, refresh_token) else None

    def _keep(self, token: str, answered: dict[str, Any], asked_with: str) -> bool:
        """Whether it is kept, with the refresh token that came with it, if one did. That one may be the only one that opens the account."""
        expires_at = datetime.now(UTC) + timedelta(seconds=int(answered.get("expires_in", 3600)))
        tokens = (token, answered.get("refresh_token"))
        deadline = time.monotonic() + _KEEP_SECONDS
        while True:
            try:
                with self.database.tenant(self.user_id) as session:
                    return connections.keep_renewed(
                        session,
                        self.ring,
                        self.connection_id,
                        tokens,
                        asked_with=asked_with,
                        expires_at=expires_at,
                        of=self.of,
                    )
            except (OperationalError, PoolTimeout) as error:
                if time.monotonic() > deadline:
                    raise
                _log.warning("token.not_kept_yet", connection_id=self.connection_id, error=type(error).__name__)
            time.sleep(_KEEP_AGAIN_SECONDS)

    def _read(self) -> tuple[RowMapping, str | None, str | None]:
        with self.database.tenant(self.user_id) as session:
            found = connections.get_tokens(session, self.ring, self.connection_id, self.of)
        if not found[0]["is_active"]:
            raise Refused(_AGAIN)
        return found


def _renew(provider: str, refresh_token: str) -> dict[str, Any] | None:
    """What the provider answers, or None where it takes this refresh token no longer."""
    service = _service(provider)
    client_id, secret = service.get_client(settings())
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    form |= {"client_id": client_id, "client_secret": secret.get_secret_value()}
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
        return get_service(provider)
    except NotFound:
        raise Misconfigured(f"no tokens are known for {provider}") from None
