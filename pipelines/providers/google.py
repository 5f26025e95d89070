"""Accounts of Google, as Drive, YouTube and the sign-in know them."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from core.errors import Refused
from pipelines.providers.consent import TIMEOUT_SECONDS, Service, ask

SCOPE = "https://www.googleapis.com/auth/"
_USER_INFO = "https://openidconnect.googleapis.com/v1/userinfo"


def describe(access_token: str) -> dict[str, str | None]:
    """What is known of the account."""
    said = ask("google", "GET", _USER_INFO, headers={"Authorization": f"Bearer {access_token}"})
    return {"account_id": said["sub"], "account_email": said.get("email"), "account_name": said.get("name")}


def _revoke(access_token: str | None, refresh_token: str | None) -> bool:
    form = {"token": refresh_token or access_token or ""}
    answer = httpx.post("https://oauth2.googleapis.com/revoke", data=form, timeout=TIMEOUT_SECONDS)
    return answer.is_success or "invalid_token" in answer.text


def account(
    name: str, *scopes: str, describe: Callable[[str], dict[str, str | None]] = describe, offline: bool = True
) -> Service:
    """Accounts of Google that are let in for these scopes."""
    return Service(
        name,
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        ("openid", "email", *scopes),
        describe,
        _revoke,
        ("google_client_id", "google_client_secret"),
        # Google gives a refresh token only with a consent that was just given.
        {"access_type": "offline", "prompt": "consent"} if offline else {"prompt": "select_account"},
    )


SIGN_IN = account("google", "profile", offline=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in, by an address that Google verified."""

    email: str
    first_name: str | None
    last_name: str | None


def identify(access_token: str) -> Identity:
    """Who has this token. Raises Refused where the address is not verified, Unavailable."""
    said = ask("google", "GET", _USER_INFO, headers={"Authorization": f"Bearer {access_token}"})
    if said.get("email_verified") is not True or not said.get("email"):
        raise Refused("Google has not verified the address of this account. Please verify it there first.")
    return Identity(said["email"], said.get("given_name"), said.get("family_name"))
