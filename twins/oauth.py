"""Accounts and their tokens, as the OAuth endpoints of Google and Dropbox give them: codes with PKCE, refresh, expiry, revocation."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twins.base import Refused, reply
from twins.store import Record, Store

_CODE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom an access token speaks for, and what it may."""

    account: str
    scopes: tuple[str, ...]


class Tokens:
    """Codes, refresh tokens and access tokens of one service."""

    def __init__(self, store: Store, service: str, *, lifetime_seconds: int) -> None:
        self._access = store.table(f"{service}.access_tokens")
        self._refresh = store.table(f"{service}.refresh_tokens")
        self._codes = store.table(f"{service}.codes")
        # {"rotation": {}}: a refresh token opens once, and comes with the next one.
        self._rules = store.table(f"{service}.rules")
        self._lifetime_seconds = lifetime_seconds

    def grant(self, account: str, scopes: tuple[str, ...], *, lifetime_seconds: int | None = None) -> Record:
        """A new refresh token with its first access token, as if a person had agreed."""
        refresh_token = f"refresh-{secrets.token_urlsafe(24)}"
        self._refresh[refresh_token] = {"account": account, "scopes": scopes}
        return {**self._issue(account, scopes, lifetime_seconds), "refresh_token": refresh_token}

    def find(self, access_token: str) -> Grant | None:
        """Whom this token speaks for, unless it is unknown or over."""
        kept = self._access.get(access_token)
        if kept is None or kept["expires_at"] <= time.time():
            return None
        return Grant(kept["account"], tuple(kept["scopes"]))

    def expire(self) -> None:
        """End every access token now; refresh tokens stay."""
        self._access.clear()

    def revoke(self, token: str) -> bool:
        """End what this token (either kind) opened. False: it is unknown."""
        kept = self._refresh.get(token) or self._access.get(token)
        if kept is None:
            return False
        for table in (self._refresh, self._access):
            for key, other in table.rows():
                if other["account"] == kept["account"]:
                    del table[key]
        return True

    def consent(self, request: Request, *, account: str) -> Response:
        """The consent page, answered by a person who agrees at once: back to the client with a code."""
        asked = request.query_params
        code = secrets.token_urlsafe(24)
        self._codes[code] = {
            "account": asked.get("login_hint", account),
            "scopes": asked.get("scope", "").split(),
            "challenge": asked.get("code_challenge"),
            "redirect_uri": asked.get("redirect_uri"),
            "made_at": time.time(),
        }
        back = {"code": code, "state": asked.get("state", ""), "scope": asked.get("scope", "")}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", 302)

    def exchange(self, form: Mapping[str, str]) -> Record:
        """The token endpoint. Raises Refused as RFC 6749 words it."""
        match form.get("grant_type"):
            case "authorization_code":
                return self._exchange_code(form)
            case "refresh_token":
                kept = self._refresh.get(form.get("refresh_token", ""))
                if kept is None:
                    raise _refused("invalid_grant", "refresh token is unknown or revoked")
                if "rotation" in self._rules:
                    del self._refresh[form["refresh_token"]]
                    return self.grant(kept["account"], tuple(kept["scopes"]))
                return self._issue(kept["account"], tuple(kept["scopes"]), None)
            case other:
                raise _refused("unsupported_grant_type", f"grant_type {other!r}")

    def _exchange_code(self, form: Mapping[str, str]) -> Record:
        code = form.get("code", "")
        kept = self._codes.pop(code, None)  # a code opens once
        if kept is None or kept["made_at"] + _CODE_SECONDS < time.time():
            raise _refused("invalid_grant", "code is unknown, used or over")
        if kept["redirect_uri"] != form.get("redirect_uri"):
            raise _refused("redirect_uri_mismatch", "redirect_uri is not the one of the consent")
        if kept["challenge"] is not None:
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != kept["challenge"]:
                raise _refused("invalid_grant", "code_verifier does not fit")
        return self.grant(kept["account"], tuple(kept["scopes"]))

    def _issue(self, account: str, scopes: tuple[str, ...], lifetime_seconds: int | None) -> Record:
        lifetime = self._lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        token = f"access-{secrets.token_urlsafe(24)}"
        self._access[token] = {"account": account, "scopes": scopes, "expires_at": time.time() + lifetime}
        return {"access_token": token, "token_type": "Bearer", "expires_in": lifetime, "scope": " ".join(scopes)}


def bearer(request: Request) -> str:
    """The access token of a request; empty without one."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else ""


def _refused(error: str, description: str) -> Refused:
    return Refused(reply({"error": error, "error_description": description}, 400))
