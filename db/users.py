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


def ensure_user(session: Session, user_id: str) -> str | None:
    """Let there be a user of this id, and tell their address. One who is new may do what earlier clients let such do."""
    found = session.execute(text("SELECT email FROM public.users WHERE id = :id"), {"id": user_id}).first()
    if found is None:
        statement = "INSERT INTO public.users (id, role) VALUES (:id, 'creative') ON CONFLICT (id) DO NOTHING"
        session.execute(text(statement), {"id": user_id})
        return None
    address: str | None = found.email
    return address


def keep_address(session: Session, user_id: str, address: str) -> bool:
    """Whether this verified address is the user's from now on: one that another user has stays theirs."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(lower(:address), 0))"), {"address": address})
    statement = text("""
        UPDATE public.users SET email = :address WHERE id = :id
            AND NOT EXISTS (SELECT 1 FROM public.users o WHERE lower(o.email) = lower(:address) AND o.id <> :id) RETURNING 1
    """)
    return session.scalar(statement, {"id": user_id, "address": address}) is not None


def ensure_user_of_address(session: Session, email: str, *, first_name: str | None, last_name: str | None) -> str:
    """The id of whoever has this verified address, made if need be."""
    found: str | None = session.scalar(
        text("SELECT id FROM public.users WHERE lower(email) = lower(:email) ORDER BY created_at LIMIT 1"), {"email": email}
    )
    if found is not None:
        return found
    statement = text("""
        INSERT INTO public.users (email, first_name, last_name, role) VALUES (:email, :first_name, :last_name, 'creative')
        ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id
    """)
    made: str = session.execute(statement, {"email": email, "first_name": first_name, "last_name": last_name}).scalar_one()
    return made


def is_known(session: Session, user_id: str) -> bool:
    """Whether there is a user of this id."""
    return session.execute(text("SELECT 1 FROM public.users WHERE id = :id"), {"id": user_id}).first() is not None


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
    return insert_session(session, user_id)


def insert_session(session: Session, user_id: str) -> str:
    """The secret of a new session of this user."""
    secret = secrets.token_urlsafe(32)
    session.execute(
        text("""
        INSERT INTO public.sessions (sid, sess, expire)
        VALUES (:sid, jsonb_build_object('user_id', CAST(:user_id AS text)), now() + :lifetime)
        """),
        {"sid": _hash(secret), "user_id": user_id, "lifetime": SESSION_LIFETIME},
    )
    return secret


def delete_session(session: Session, secret: str) -> None:
    """End this session; it is well if there is none."""
    session.execute(text("DELETE FROM public.sessions WHERE sid = :sid"), {"sid": _hash(secret)})


def find_session_user(session: Session, secret: str) -> str | None:
    """Whose session this is, if it is one and has not expired."""
    user_id: str | None = session.scalar(
        text("SELECT sess->>'user_id' FROM public.sessions WHERE sid = :sid AND expire > now()"), {"sid": _hash(secret)}
    )
    return user_id


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
