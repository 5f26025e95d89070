"""Accounts elsewhere that a user has connected, and their tokens, which are sealed before they get here."""

from datetime import datetime

from sqlalchemy import RowMapping, Table, select
from sqlalchemy.orm import Session

from core.crypto import KeyRing, Place
from core.errors import NotFound
from db.base.connections import cloud_connections, user_social_accounts
from db.base.rows import get_row, insert_row, update_row

_TOKENS = ("access_token", "refresh_token")


def insert_connection(
    session: Session,
    ring: KeyRing,
    *,
    user_id: str,
    provider: str,
    access_token: str,
    refresh_token: str | None,
    expires_at: datetime | None,
    **shown: object,
) -> RowMapping:
    """A new connection; `shown` is what is known of the account (`account_id`, `account_email`, …)."""
    row = insert_row(session, cloud_connections, {"user_id": user_id, "provider": provider, **shown})
    return keep_tokens(session, ring, row["id"], access_token, refresh_token, expires_at=expires_at)


def insert_account(
    session: Session,
    ring: KeyRing,
    *,
    user_id: str,
    platform: str,
    access_token: str,
    refresh_token: str | None,
    expires_at: datetime | None,
    **shown: object,
) -> RowMapping:
    """A new account that videos are published to; `shown` is what is known of it (`account_id`, `channel_id`, …)."""
    row = insert_row(session, user_social_accounts, {"user_id": user_id, "platform": platform, **shown})
    return keep_tokens(session, ring, row["id"], access_token, refresh_token, expires_at=expires_at, of=user_social_accounts)


def keep_tokens(
    session: Session,
    ring: KeyRing,
    connection_id: int,
    access_token: str,
    refresh_token: str | None,
    *,
    expires_at: datetime | None,
    of: Table = cloud_connections,
) -> RowMapping:
    """Use these tokens from now on."""
    tokens = {"access_token": access_token, "refresh_token": refresh_token}
    sealed = {name: ring.seal(value, _place(of, connection_id, name)) for name, value in tokens.items() if value is not None}
    return update_row(session, of, connection_id, {**sealed, "token_expires_at": expires_at})


def get_user(session: Session, connection_id: int, of: Table = cloud_connections) -> str:
    """Whose connection it is; for the role of the job core. Raises NotFound."""
    user_id = session.scalar(select(of.c.user_id).where(of.c.id == connection_id))
    if user_id is None:
        raise NotFound(f"there is no connection {connection_id}")
    return str(user_id)


def get_tokens(
    session: Session, ring: KeyRing, connection_id: int, of: Table = cloud_connections
) -> tuple[RowMapping, str | None, str | None]:
    """The connection, its access and its refresh token. An earlier product kept them as they are."""
    row = get_row(session, of, connection_id)
    opened = [
        ring.unseal(row[name], _place(of, connection_id, name)) if (row[name] or "").startswith("v1:") else row[name]
        for name in _TOKENS
    ]
    return row, opened[0], opened[1]


def end_connection(session: Session, connection_id: int, of: Table = cloud_connections) -> None:
    """The account no longer lets us in: until it is connected again, nothing of it is looked at."""
    update_row(session, of, connection_id, {"is_active": False})


def _place(of: Table, connection_id: int, column: str) -> Place:
    return Place(of.name, str(connection_id), column)
