"""API keys: shown once, kept as hashes."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.ids import new_id

PREFIX = "ask_"
_HINT_LENGTH = len(PREFIX) + 6
_LIVE_AT_ONCE = 2
_USABLE = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"


class Scope(StrEnum):
    """What a key opens of all that its user may."""

    READ = "read"
    WRITE = "write"
    OPS = "ops"  # the platform and API keys too


@dataclass(frozen=True, slots=True)
class Usable:
    """Whose key it is, and what it opens."""

    user_id: str
    scope: Scope


def insert_api_key(
    session: Session, *, user_id: str, name: str, scope: Scope = Scope.OPS, expires_at: datetime | None = None
) -> str:
    """A new key that acts as this user; nobody can read it again.

    Raises NotFound, and Conflict where two of that name are good already: a new one beside the old is enough to change over.
    """
    session.execute(text("SELECT 1 FROM public.users WHERE id = :user_id FOR NO KEY UPDATE"), {"user_id": user_id})
    live = session.scalar(
        text(f"SELECT count(*) FROM jobs.api_keys WHERE user_id = :user_id AND name = :name AND {_USABLE}"),  # noqa: S608  (a constant)
        {"user_id": user_id, "name": name},
    )
    if live is not None and live >= _LIVE_AT_ONCE:
        raise Conflict(f"two API keys named {name!r} are good already: revoke the older one first")
    api_key = PREFIX + secrets.token_urlsafe(32)
    statement = text("""
        INSERT INTO jobs.api_keys (id, user_id, name, hint, key_hash, scope, expires_at)
        SELECT :id, id, :name, :hint, :hash, :scope, :expires_at FROM public.users WHERE id = :user_id RETURNING 1
    """)
    params = {"id": new_id(), "user_id": user_id, "name": name, "hint": api_key[:_HINT_LENGTH], "hash": _hash(api_key)}
    if session.execute(statement, {**params, "scope": scope, "expires_at": expires_at}).first() is None:
        raise NotFound(f"there is no user {user_id!r}")
    return api_key


def find_usable(session: Session, api_key: str) -> Usable | None:
    """Whose key this is, if it is one and is good; notes its use, to the minute."""
    statement = text(f"""
        SELECT id, user_id, scope, last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS unnoted
        FROM jobs.api_keys WHERE key_hash = :hash AND {_USABLE}
    """)  # noqa: S608  (a constant)
    row = session.execute(statement, {"hash": _hash(api_key)}).one_or_none()
    if row is None:
        return None
    if row.unnoted:
        session.execute(text("UPDATE jobs.api_keys SET last_used_at = now() WHERE id = :id"), {"id": row.id})
    return Usable(row.user_id, Scope(row.scope))


def list_api_keys(session: Session, *, user_id: str | None = None) -> list[RowMapping]:
    """Every key (of this user), oldest first, revoked ones too; of the key itself only its start."""
    statement = text("""
        SELECT id, user_id, name, hint, scope, created_at, expires_at, last_used_at, revoked_at FROM jobs.api_keys
        WHERE CAST(:user_id AS text) IS NULL OR user_id = :user_id ORDER BY id
    """)
    return list(session.execute(statement, {"user_id": user_id}).mappings())


def revoke_api_key(session: Session, key_id: UUID, *, user_id: str | None = None) -> None:
    """Let a key (of this user) open nothing from now on. Raises NotFound, Conflict."""
    statement = text("""
        SELECT revoked_at FROM jobs.api_keys WHERE id = :id AND (CAST(:user_id AS text) IS NULL OR user_id = :user_id) FOR UPDATE
    """)
    row = session.execute(statement, {"id": key_id, "user_id": user_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no API key {key_id}")
    if row.revoked_at is not None:
        raise Conflict(f"API key {key_id} was revoked already")
    session.execute(text("UPDATE jobs.api_keys SET revoked_at = now() WHERE id = :id"), {"id": key_id})


def _hash(api_key: str) -> str:
    # A plain hash is enough: the key is 256 random bits, there is nothing to guess.
    return hashlib.sha256(api_key.encode()).hexdigest()
