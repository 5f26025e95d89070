"""Users and their sign-in: one-time links and browser sessions. Tokens are kept as hashes only."""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.errors import NotFound

LOCAL_OWNER = "local-owner"
LINK_LIFETIME = timedelta(hours=12)
SESSION_LIFETIME = timedelta(days=30)


def ensure_local_owner(session: Session) -> str:
    """The id of the one user of a local installation, made if need be."""
    session.execute(
        text("INSERT INTO public.users (id, first_name, role) VALUES (:id, 'Owner', 'superadmin') ON CONFLICT (id) DO NOTHING"),
        {"id": LOCAL_OWNER},
    )
    return LOCAL_OWNER


def get_role(session: Session, user_id: str) -> str:
    """What the product lets this user do: `superadmin`, `admin`, … Raises NotFound."""
    role: str | None = session.scalar(text("SELECT role FROM public.users WHERE id = :id"), {"id": user_id})
    if role is None:
        raise NotFound(f"there is no user {user_id}")
    return role


def insert_sign_in_token(session: Session, user_id: str) -> str:
    """A token for a link that signs this user in once."""
    token = secrets.token_urlsafe(24)
    session.execute(
        text("INSERT INTO jobs.sign_in_tokens (token_hash, user_id, expires_at) VALUES (:hash, :user_id, now() + :lifetime)"),
        {"hash": _hash(token), "user_id": user_id, "lifetime": LINK_LIFETIME},
    )
    return token


def sign_in(session: Session, token: str) -> str | None:
    """Use the token up and return a new session's secret, or None when the token is not valid (any more)."""
    user_id = session.scalar(
        text("DELETE FROM jobs.sign_in_tokens WHERE token_hash = :hash AND expires_at > now() RETURNING user_id"),
        {"hash": _hash(token)},
    )
    if user_id is None:
        return None
    secret = secrets.token_urlsafe(32)
    session.execute(
        text("""
        INSERT INTO public.sessions (sid, sess, expire)
        VALUES (:sid, jsonb_build_object('user_id', CAST(:user_id AS text)), now() + :lifetime)
        """),
        {"sid": _hash(secret), "user_id": user_id, "lifetime": SESSION_LIFETIME},
    )
    return secret


def find_session_user(session: Session, secret: str) -> str | None:
    """Whose session this is, if it is one and has not expired."""
    user_id: str | None = session.scalar(
        text("SELECT sess->>'user_id' FROM public.sessions WHERE sid = :sid AND expire > now()"), {"sid": _hash(secret)}
    )
    return user_id


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
