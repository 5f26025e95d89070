"""Accounts elsewhere, as their owners let us in: the page where they agree, the exchange of its code, what is known of them, and the end."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

from core.errors import Misconfigured, NotFound, Refused, Unavailable
from core.settings import Settings
from db.base.connections import CloudProvider

_TIMEOUT_SECONDS = 15
_GOOGLE = "https://www.googleapis.com/auth/"
_IDENTITY = ("openid", "email")


@dataclass(frozen=True, slots=True)
class Service:
    """Where an owner agrees, to no more than is needed, and which settings name us there."""

    name: str
    page: str
    token_url: str
    scopes: tuple[str, ...]
    client: str  # settings
    secret: str
    asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_google(self) -> bool:
        """Whether it is one of Google's."""
        return self.client == "google_client_id"

    def is_set_up(self, config: Settings) -> bool:
        """Whether this installation is known there."""
        return bool(getattr(config, self.client) and getattr(config, self.secret).get_secret_value())


def _google(name: str, *scopes: str, offline: bool = True) -> Service:
    # Google gives a refresh token only with a consent that was just given.
    asked = {"access_type": "offline", "prompt": "consent"} if offline else {"prompt": "select_account"}
    return Service(
        name,
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        (*_IDENTITY, *scopes),
        "google_client_id",
        "google_client_secret",
        asked,
    )


SIGN_IN = _google("google", "profile", offline=False)
# Captions, and showing a private video to others, need force-ssl; uploads alone do not.
YOUTUBE = _google("youtube", f"{_GOOGLE}youtube.upload", f"{_GOOGLE}youtube.force-ssl")
_SERVICES = {
    "google_drive": _google("google_drive", f"{_GOOGLE}drive.readonly"),
    "youtube": YOUTUBE,
    "dropbox": Service(
        "dropbox",
        "https://www.dropbox.com/oauth2/authorize",
        "https://api.dropboxapi.com/oauth2/token",
        ("account_info.read", "files.metadata.read", "files.content.read"),
        "dropbox_app_key",
        "dropbox_app_secret",
        {"token_access_type": "offline"},
    ),
}


@dataclass(frozen=True, slots=True)
class Granted:
    """What an owner's agreement gave."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime


def get_service(provider: str) -> Service:
    """The service of that name. Raises NotFound."""
    if provider not in _SERVICES:
        raise NotFound(f"no accounts of {provider!r} are connected; there are: {', '.join(sorted(_SERVICES))}")
    return _SERVICES[provider]


def service_of(stored: str) -> Service:
    """The service that a connection's row names. Raises NotFound."""
    return get_service(CloudProvider.GOOGLE_DRIVE if stored == CloudProvider.GDRIVE else stored)


def page_url(service: Service, config: Settings, *, state: str, verifier: str, redirect_uri: str) -> str:
    """The page where the owner agrees. Raises Misconfigured."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": _client(service, config)[0],
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
    client_id, secret = _client(service, config)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
    form |= {"client_id": client_id, "client_secret": secret.get_secret_value()}
    said = _ask(service, "POST", service.token_url, data=form)
    missing = set(service.scopes) - {*_IDENTITY, "profile"} - set(str(said.get("scope", "")).split())
    if missing:
        raise Refused(f"Not everything that is needed was allowed ({', '.join(sorted(missing))}). Please connect it again.")
    expires_at = datetime.now(UTC) + timedelta(seconds=int(said.get("expires_in", 3600)))
    return Granted(str(said["access_token"]), said.get("refresh_token"), expires_at)


def describe(service: Service, access_token: str) -> dict[str, str | None]:
    """What is known of the account, by the columns that keep it. Raises Refused, Unavailable, NotFound."""
    headers = {"Authorization": f"Bearer {access_token}"}
    if service.is_google:
        return _describe_google(service, headers)
    _check_dropbox(service)
    url = "https://api.dropboxapi.com/2/users/get_current_account"
    said = _ask(service, "POST", url, headers={**headers, "Content-Type": "application/json"}, content=b"null")
    return {"account_id": said["account_id"], "account_email": said["email"], "account_name": said["name"]["display_name"]}


def _describe_google(service: Service, headers: Mapping[str, str]) -> dict[str, str | None]:
    said = _ask(service, "GET", "https://openidconnect.googleapis.com/v1/userinfo", headers=headers)
    known = {"account_id": said["sub"], "account_email": said.get("email"), "account_name": said.get("name")}
    if service is YOUTUBE:
        query = {"part": "snippet", "mine": "true"}
        found = _ask(service, "GET", "https://www.googleapis.com/youtube/v3/channels", headers=headers, params=query)
        if not found.get("items"):
            raise Refused("This Google account has no YouTube channel. Please make one there, or take another account.")
        channel = found["items"][0]
        known |= {"channel_id": channel["id"], "account_name": channel["snippet"]["title"]}
    return known


def _check_dropbox(service: Service) -> None:
    """A token goes to nobody but who gave it. Raises NotFound for a service that nothing here speaks to."""
    if service.name != CloudProvider.DROPBOX:
        raise NotFound(f"accounts of {service.name} are not spoken to yet: say in {__name__} how")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in, by an address that Google verified."""

    email: str
    first_name: str | None
    last_name: str | None


def identify(access_token: str) -> Identity:
    """Who has this token. Raises Refused where the address is not verified, Unavailable."""
    headers = {"Authorization": f"Bearer {access_token}"}
    said = _ask(SIGN_IN, "GET", "https://openidconnect.googleapis.com/v1/userinfo", headers=headers)
    if said.get("email_verified") is not True or not said.get("email"):
        raise Refused("Google has not verified the address of this account. Please verify it there first.")
    return Identity(said["email"], said.get("given_name"), said.get("family_name"))


def revoke(service: Service, *, access_token: str | None, refresh_token: str | None) -> bool:
    """Whether the provider has ended what the owner agreed to. Raises NotFound."""
    try:
        if service.is_google:
            form = {"token": refresh_token or access_token or ""}
            answer = httpx.post("https://oauth2.googleapis.com/revoke", data=form, timeout=_TIMEOUT_SECONDS)
            return answer.is_success or "invalid_token" in answer.text
        _check_dropbox(service)
        headers = {"Authorization": f"Bearer {access_token}", "Content-Type": "application/json"}
        url = "https://api.dropboxapi.com/2/auth/token/revoke"
        return httpx.post(url, headers=headers, content=b"null", timeout=_TIMEOUT_SECONDS).is_success
    except httpx.HTTPError:
        return False


def _client(service: Service, config: Settings) -> tuple[str, SecretStr]:
    client_id, secret = getattr(config, service.client), getattr(config, service.secret)
    if not client_id or not secret.get_secret_value():
        raise Misconfigured(f"set {service.client.upper()} and {service.secret.upper()} to let {service.name} accounts in")
    return client_id, secret


def _ask(service: Service, method: str, url: str, **sent: Any) -> dict[str, Any]:  # noqa: ANN401  (of httpx)
    """The document answered. Its words stay out of errors: some providers repeat what was sent."""
    try:
        answer = httpx.request(method, url, timeout=_TIMEOUT_SECONDS, **sent)
        said: dict[str, Any] = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"{service.name} cannot be reached now ({type(error).__name__})", provider=service.name) from None
    if answer.is_success:
        return said
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise Unavailable(f"{service.name} is away (HTTP {answer.status_code})", provider=service.name)
    raise Refused(f"{service.name} did not accept it (HTTP {answer.status_code}). Please begin again.")
