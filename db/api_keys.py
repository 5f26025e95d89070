"""API keys: shown once, kept as hashes."""

import hashlib
import secrets
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.ids import new_id

PREFIX = "ask_"
_HINT_LENGTH = len(PREFIX) + 6


def insert_api_key(session: Session, *, user_id: str, name: str) -> str:
    """A new key that acts as this user; nobody can read it again. Raises NotFound."""
    api_key = PREFIX + secrets.token_urlsafe(32)
    statement = text("""
        INSERT INTO jobs.api_keys (id, user_id, name, hint, key_hash)
        SELECT :id, id, :name, :hint, :hash FROM public.users WHERE id = :user_id RETURNING 1
    """)
    params = {"id": new_id(), "user_id": user_id, "name": name, "hint": api_key[:_HINT_LENGTH], "hash": _hash(api_key)}
    if session.execute(statement, params).first() is None:
        raise NotFound(f"there is no user {user_id!r}")
    return api_key


def find_api_key_user(session: Session, api_key: str) -> str | None:
    """Whose key this is, if it is one and was not revoked; notes its use, to the minute."""
    statement = text("""
        SELECT id, user_id, last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS unnoted
        FROM jobs.api_keys WHERE key_hash = :hash AND revoked_at IS NULL
    """)
    row = session.execute(statement, {"hash": _hash(api_key)}).one_or_none()
    if row is None:
        return None
    if row.unnoted:
        session.execute(text("UPDATE jobs.api_keys SET last_used_at = now() WHERE id = :id"), {"id": row.id})
    user_id: str = row.user_id
    return user_id


def list_api_keys(session: Session) -> list[RowMapping]:
    """Every key, oldest first, revoked ones too; of the key itself only its start."""
    statement = text("SELECT id, user_id, name, hint, created_at, last_used_at, revoked_at FROM jobs.api_keys ORDER BY id")
    return list(session.execute(statement).mappings())


def revoke_api_key(session: Session, key_id: UUID) -> None:
    """Let a key open nothing from now on. Raises NotFound, Conflict."""
    row = session.execute(text("SELECT revoked_at FROM jobs.api_keys WHERE id = :id FOR UPDATE"), {"id": key_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no API key {key_id}")
    if row.revoked_at is not None:
        raise Conflict(f"API key {key_id} was revoked already")
    session.execute(text("UPDATE jobs.api_keys SET revoked_at = now() WHERE id = :id"), {"id": key_id})


def _hash(api_key: str) -> str:
    # A plain hash is enough: the key is 256 random bits, there is nothing to guess.
    return hashlib.sha256(api_key.encode()).hexdigest()
