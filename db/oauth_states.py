"""Sign-ins under way at another service: each comes back once, in time, to the browser that began it."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.orm import Session

_INSERT = text("""
INSERT INTO public.oauth_states (provider, user_id, state, code_verifier, browser_hash)
VALUES (:provider, :user_id, :state, :verifier, :browser)
""")
_TAKE = text("""
DELETE FROM public.oauth_states WHERE state = :state AND provider = :provider
RETURNING user_id, code_verifier, browser_hash, expires_at > now() AS is_in_time
""")


@dataclass(frozen=True, slots=True)
class Begun:
    """What goes to the service (`state`, the hash of `verifier`) and what stays in the browser (`browser`)."""

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Came:
    """Who came back (None: nobody yet), with what the code is exchanged."""

    user_id: str | None
    verifier: str = field(repr=False)


def begin(session: Session, provider: str, user_id: str | None) -> Begun:
    """Remember that a browser goes there, for the ten minutes that the table gives it."""
    session.execute(text("DELETE FROM public.oauth_states WHERE expires_at < now()"))  # of those who did not come back
    begun = Begun(secrets.token_urlsafe(32), secrets.token_urlsafe(48), secrets.token_urlsafe(32))
    params = {"provider": provider, "user_id": user_id, "state": _hash(begun.state), "verifier": begun.verifier}
    session.execute(_INSERT, {**params, "browser": _hash(begun.browser)})
    return begun


def take(session: Session, provider: str, state: str, browser: str) -> Came | None:
    """Use the state up; None when it is unknown, over, used, of another service or of another browser."""
    row = session.execute(_TAKE, {"provider": provider, "state": _hash(state)}).one_or_none()
    if row is None or not row.is_in_time or not hmac.compare_digest(row.browser_hash or "", _hash(browser)):
        return None
    return Came(row.user_id, row.code_verifier)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
