"""Accounts elsewhere, as their owners let us in: the page where they agree, the exchange of its code, and the end. Found as `ACCOUNT` of a module."""

import base64
import hashlib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

from core.errors import Misconfigured, NotFound, Refused, Unavailable
from core.settings import Settings
from pipelines import providers
from pipelines.providers.clouds import cloud_name

TIMEOUT_SECONDS = 15
_OF_OPENID = {"openid", "email", "profile", "offline_access"}  # some services do not name these among what was allowed


@dataclass(frozen=True, slots=True)
class Service:
    """Where an owner agrees, to no more than is needed, and how the account is spoken to.

    `describe` tells what is known of a token's account, by the columns that keep it (`account_id` and more), and raises as `ask`.
    `revoke` gets the access and the refresh token and tells whether their service has ended the agreement; None: it ends none.
    """

    name: str
    page: str
    token_url: str
    scopes: tuple[str, ...]
    describe: Callable[[str], dict[str, str | None]]
    revoke: Callable[[str | None, str | None], bool] | None = None
    settings: tuple[str, str] | None = None  # that hold our client id and secret there; None: OAUTH_CLIENTS does, by its name
    asked: Mapping[str, str] = field(default_factory=dict)

    def find_client(self, config: Settings) -> tuple[str, SecretStr] | None:
        """Our id and secret there, where this installation is known there."""
        if self.settings is None:
            client = config.oauth_clients.get(self.name)
            return (client.id, client.secret) if client else None
        client_id, secret = (getattr(config, name) for name in self.settings)
        return (client_id, secret) if client_id and secret.get_secret_value() else None

    def get_client(self, config: Settings) -> tuple[str, SecretStr]:
        """The same. Raises Misconfigured where it is not."""
        client = self.find_client(config)
        if client is None:
            names = " and ".join(name.upper() for name in self.settings or ("oauth_clients",))
            raise Misconfigured(f"set {names} to let {self.name} accounts in")
        return client


@dataclass(frozen=True, slots=True)
class Granted:
    """What an owner's agreement gave."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime


def get_service(provider: str) -> Service:
    """The service of that name, or of what a connection's row says. Raises NotFound."""
    modules = sorted(module.name for module in pkgutil.iter_modules(providers.__path__))
    found = _find_service(name) if (name := cloud_name(provider)) in modules else None
    if found is None:
        there = ", ".join(module for module in modules if _find_service(module))
        raise NotFound(f"no accounts of {provider!r} are connected; there are: {there}")
    return found


def _find_service(module: str) -> Service | None:
    service: Service | None = getattr(importlib.import_module(f"{providers.__name__}.{module}"), "ACCOUNT", None)
    return service


def page_url(service: Service, config: Settings, *, state: str, verifier: str, redirect_uri: str) -> str:
    """The page where the owner agrees. Raises Misconfigured."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": service.get_client(config)[0],
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "scope": " ".join(service.scopes),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **service.asked,
    }
    return f"{service.page}?{urlencode(query)}"


def exchange(service: Service, config: Settings, *, code: str, verifier: str, redirect_uri: str) -> Granted:
    """The tokens for a code. Raises Refused where it is not taken or less was agreed to, Unavailable, Misconfigured."""
    client_id, secret = service.get_client(config)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
    form |= {"client_id": client_id, "client_secret": secret.get_secret_value()}
    said = ask(service.name, "POST", service.token_url, data=form)
    missing = set(service.scopes) - _OF_OPENID - set(str(said.get("scope", "")).split())
    if missing:
        raise Refused(f"Not everything that is needed was allowed ({', '.join(sorted(missing))}). Please connect it again.")
    expires_at = datetime.now(UTC) + timedelta(seconds=int(said.get("expires_in", 3600)))
    return Granted(str(said["access_token"]), said.get("refresh_token"), expires_at)


def revoke(service: Service, *, access_token: str | None, refresh_token: str | None) -> bool:
    """Whether the provider has ended what the owner agreed to."""
    try:
        return service.revoke is not None and service.revoke(access_token, refresh_token)
    except httpx.HTTPError:
        return False


def ask(service: str, method: str, url: str, **sent: Any) -> dict[str, Any]:  # noqa: ANN401  (of httpx)
    """The document answered. Its words stay out of errors: some providers repeat what was sent. Raises Refused, Unavailable."""
    try:
        answer = httpx.request(method, url, timeout=TIMEOUT_SECONDS, **sent)
        said: dict[str, Any] = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"{service} cannot be reached now ({type(error).__name__})", provider=service) from None
    if answer.is_success:
        return said
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise Unavailable(f"{service} is away (HTTP {answer.status_code})", provider=service)
    raise Refused(f"{service} did not accept it (HTTP {answer.status_code}). Please begin again.")
