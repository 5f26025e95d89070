"""Accounts elsewhere that a user has connected, and their tokens, which are sealed before they get here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping, Table, select, text
from sqlalchemy.orm import Session

from core.crypto import KeyRing, Place
from core.errors import NotFound
from db.base.connections import cloud_connections, user_social_accounts
from db.base.rows import find_row, get_row, insert_row, update_row

_TOKENS = ("access_token", "refresh_token")
_GOOGLES = ("google_drive", "gdrive", "youtube")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


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
    return row, _open(ring, row, "access_token", of), _open(ring, row, "refresh_token", of)


def seal_anew(session: Session, ring: KeyRing, connection_id: int, of: Table = cloud_connections) -> int:
    """How many of its tokens were not sealed with the newest key, and are now. Raises Misconfigured, Permanent."""
    # Nobody renews them between our look and our word; a connection that is gone meanwhile has none.
    row = session.execute(select(of).where(of.c.id == connection_id).with_for_update()).mappings().one_or_none()
    older = [name for name in _TOKENS if row and row[name] and not ring.is_newest(row[name])]
    if row and older:
        opened = {name: _open(ring, row, name, of) for name in older}
        sealed = {name: ring.seal(value, _place(of, connection_id, name)) for name, value in opened.items() if value}
        update_row(session, of, connection_id, sealed)
    return len(older)


def keep_renewed(
    session: Session,
    ring: KeyRing,
    connection_id: int,
    tokens: tuple[str, str | None],
    *,
    asked_with: str,
    expires_at: datetime | None,
    of: Table = cloud_connections,
) -> bool:
    """Use the tokens that came for the refresh token `asked_with`; one that was held to be over lets us in again.

    False, and nothing is done, where the account has other tokens by now, or none: it was connected again or given up meanwhile.
    """
    if not _still_has(session, ring, connection_id, asked_with, of):
        return False
    update_row(session, of, connection_id, {"is_active": True})
    keep_tokens(session, ring, connection_id, *tokens, expires_at=expires_at, of=of)
    return True


def end_connection(session: Session, ring: KeyRing, connection_id: int, *, refused: str | None, of: Table) -> bool:
    """The account no longer lets us in: until it is connected again, nothing of it is looked at.

    False, and nothing is done, where its refresh token is another by now than the one that was `refused`.
    """
    if not _still_has(session, ring, connection_id, refused, of):
        return False
    update_row(session, of, connection_id, {"is_active": False})
    return True


def _still_has(session: Session, ring: KeyRing, connection_id: int, refresh_token: str | None, of: Table) -> bool:
    # Whoever else writes tokens waits until this transaction ends. The sealed text says nothing: it changes when keys are.
    row = session.execute(select(of).where(of.c.id == connection_id).with_for_update()).mappings().one_or_none()
    return row is not None and _open(ring, row, "refresh_token", of) == refresh_token


def connect(
    session: Session,
    ring: KeyRing,
    *,
    user_id: str,
    provider: str,
    tokens: tuple[str, str | None],
    expires_at: datetime | None,
    shown: Mapping[str, object],
    of: Table = cloud_connections,
) -> RowMapping:
    """The connection of this account, with these tokens from now on; one that was there before is taken up again.

    `shown` is what is known of the account: `account_id` and more.
    """
    session.execute(_LOCK, {"key": f"connect {of.name} {user_id} {provider}"})  # the same account twice at once is one row
    named = of.c.platform if of is user_social_accounts else of.c.provider
    ours = (of.c.user_id == user_id, named == provider, of.c.account_id == shown["account_id"])
    row = find_row(session, of, *ours) or insert_row(session, of, {"user_id": user_id, named.name: provider, **shown})
    update_row(session, of, row["id"], {**shown, "is_active": True})
    return keep_tokens(session, ring, row["id"], *tokens, expires_at=expires_at, of=of)


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection that was given up, with the tokens that it had; `is_shared`: another one lives on the same agreement."""

    provider: str
    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    is_shared: bool


def disconnect(session: Session, ring: KeyRing, connection_id: int, *, of: Table = cloud_connections) -> Ended:
    """Forget its tokens. Raises NotFound, or Refused where it is not one's own to end."""
    row, access_token, refresh_token = get_tokens(session, ring, connection_id, of)
    update_row(session, of, connection_id, {"is_active": False, "access_token": None, "refresh_token": None})
    provider = row["platform" if of is user_social_accounts else "provider"]
    return Ended(provider, access_token, refresh_token, provider in _GOOGLES and _has_google(session, row["account_id"]))


def _has_google(session: Session, account_id: str | None) -> bool:
    # Google ends a whole account's agreement at once, Drive with YouTube.
    for table, named in ((cloud_connections, "provider"), (user_social_accounts, "platform")):
        same = (table.c[named].in_(_GOOGLES), table.c.account_id == account_id, table.c.is_active.is_(True))
        if find_row(session, table, *same) is not None:
            return True
    return False


def _open(ring: KeyRing, row: RowMapping, name: str, of: Table) -> str | None:
    kept: str | None = row[name]
    return ring.unseal(kept, _place(of, row["id"], name)) if kept and ring.is_sealed(kept) else kept


def _place(of: Table, connection_id: int, column: str) -> Place:
    return Place(of.name, str(connection_id), column)
