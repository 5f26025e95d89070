"""Session tokens of Clerk: signed by a key of the issuer's set, for one of our own pages, and not over; and whose address is whose."""

import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import jwt

from core.errors import Refused, Unavailable
from core.log import get_logger

_log = get_logger(__name__)
_TIMEOUT_SECONDS = 3
_SKEW_SECONDS = 5
_FRESH_SECONDS = 3600.0  # a set this old is asked for again; the keys known go on while the issuer is away
_PAUSE_SECONDS = 10.0  # between two askings, whatever keys tokens name
_API = "https://api.clerk.com/v1"
_ADDRESS_FRESH_SECONDS = 3600.0  # a user's address is asked for again after this, so that changes are followed
_MOST_ADDRESSES = 10_000  # users whose asking is remembered
_REQUIRED = ["exp", "iat", "nbf", "iss", "sub", "sid"]


class Clerk:
    """One issuer, its keys as last seen, and the pages (origins) whose tokens are taken."""

    def __init__(self, issuer: str, parties: frozenset[str], secret_key: str = "") -> None:
        self._issuer = issuer.rstrip("/")
        self._secret_key = secret_key
        self._ask_address_after: dict[str, float] = {}
        self._parties = parties
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fresh_until = self._ask_after = 0.0
        self._is_away = False
        self._asking = threading.Lock()

    def read(self, token: str) -> dict[str, Any]:
        """What a good token claims. Raises Refused for any other, Unavailable where its key cannot be had now.

        A token without `azp` was not made for a page: programs send such.
        """
        try:
            header = jwt.get_unverified_header(token)
            key = self._get_key(str(header.get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],  # of ours, never of the token's header
                issuer=self._issuer,
                leeway=_SKEW_SECONDS,
                options={"require": _REQUIRED, "verify_aud": False},
            )
        except jwt.InvalidTokenError as error:
            raise Refused(f"This session token is not good ({type(error).__name__}). Please sign in again.") from None
        if claims.get("azp") is not None and claims["azp"] not in self._parties:
            raise Refused("This session token was made for another site. Please sign in here.")
        if claims.get("sts") == "pending":
            raise Refused("This sign-in is not complete yet. Please finish it.")
        return claims

    def find_address(self, claims: Mapping[str, Any]) -> str | None:
        """The address that Clerk verified of whom this token is, or None where it is not known or not due to be asked for.

        The token tells it where its claims were customised so, else Clerk's Backend API. An address that is not verified opens
        invitations to anybody who types it: it counts as none.
        """
        told = claims.get("email")
        if isinstance(told, str):
            return told if told and claims.get("email_verified") in {True, "true"} else None
        user_id, now = str(claims["sub"]), time.monotonic()
        if not self._secret_key or now < self._ask_address_after.get(user_id, 0.0):
            return None
        if len(self._ask_address_after) >= _MOST_ADDRESSES:
            self._ask_address_after.clear()
        self._ask_address_after[user_id] = now + _PAUSE_SECONDS
        try:
            answer = httpx.get(
                f"{_API}/users/{quote(user_id, safe='')}",
                headers={"Authorization": f"Bearer {self._secret_key}"},
                timeout=_TIMEOUT_SECONDS,
            ).raise_for_status()
            address = _primary_address(answer.json())
        except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
            _log.warning("clerk.address_not_had", user_id=user_id, error=type(error).__name__)
            return None
        self._ask_address_after[user_id] = now + _ADDRESS_FRESH_SECONDS
        return address

    def _get_key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys or time.monotonic() > self._fresh_until:
            self._ask(kid)
        if kid in self._keys:
            return self._keys[kid]
        if self._is_away:
            raise Unavailable("Clerk's keys cannot be had now", provider="clerk", retry_after=timedelta(seconds=_PAUSE_SECONDS))
        raise Refused("This session token is signed by a key that its issuer does not have. Please sign in again.")

    def _ask(self, kid: str) -> None:
        with self._asking:
            now = time.monotonic()
            if now < self._ask_after or (kid in self._keys and now <= self._fresh_until):
                return
            self._ask_after = now + _PAUSE_SECONDS
            try:
                answer = httpx.get(f"{self._issuer}/.well-known/jwks.json", timeout=_TIMEOUT_SECONDS).raise_for_status()
                keys = jwt.PyJWKSet.from_dict(answer.json()).keys
            except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
                self._is_away = True
                _log.warning("clerk.keys_not_had", error=type(error).__name__)
                return
            self._is_away = False
            self._keys = {key.key_id: key for key in keys if key.key_id and key.key_type == "RSA"}
            self._fresh_until = now + _FRESH_SECONDS


def _primary_address(user: Mapping[str, Any]) -> str | None:
    for one in user["email_addresses"]:
        if one["id"] == user["primary_email_address_id"] and (one["verification"] or {}).get("status") == "verified":
            return str(one["email_address"])
    return None
