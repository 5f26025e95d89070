"""Connected accounts whose folder is followed: how far, when next, and through which channels. A connection's own user chooses."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound, Refused, Transient
from db.base.connections import CloudProvider, cloud_connections
from db.base.rows import find_row, get_row, update_row

_CHOOSE = text("""
INSERT INTO jobs.syncs (connection_id, user_id, folder) VALUES (:connection_id, :user_id, :folder)
ON CONFLICT (connection_id) DO UPDATE SET folder = excluded.folder, choice = syncs.choice + 1, cursor = NULL, problem = NULL,
    next_look_at = now()
""")
_SAVE = text("""
UPDATE jobs.syncs SET cursor = :cursor WHERE connection_id = :connection_id AND choice = :choice RETURNING 1
""")
_LIST_DUE = text("""
SELECT s.connection_id, s.user_id FROM jobs.syncs s JOIN public.cloud_connections c ON c.id = s.connection_id
WHERE s.next_look_at <= now() AND c.is_active::text = 'true' ORDER BY s.next_look_at LIMIT :most
""")
_TAKE_DUE = text("""
UPDATE jobs.syncs SET next_look_at = now() + :every WHERE connection_id = :id AND next_look_at <= now() RETURNING 1
""")


@dataclass(frozen=True, slots=True)
class Followed:
    """A connection and its user."""

    connection_id: int
    user_id: str


def choose_folder(session: Session, connection_id: int, *, user_id: str, folder: str, name: str | None) -> RowMapping:
    """Follow this folder of the account from now on, beginning with what is in it; returns the connection. Raises NotFound, Refused."""
    if get_row(session, cloud_connections, connection_id)["user_id"] != user_id:
        raise Refused("only who connected this account may choose its folder")
    session.execute(_CHOOSE, {"connection_id": connection_id, "user_id": user_id, "folder": folder})
    return update_row(session, cloud_connections, connection_id, {"selected_folder_path": folder, "selected_folder_name": name})


def find_connected(session: Session, user_id: str, provider: str) -> RowMapping | None:
    """The account of this provider that the user connected last, if it still is."""
    same = (CloudProvider.GOOGLE_DRIVE, CloudProvider.GDRIVE) if provider == CloudProvider.GOOGLE_DRIVE else (provider,)
    columns = cloud_connections.c
    return find_row(
        session, cloud_connections, columns.user_id == user_id, columns.provider.in_(same), columns.is_active.is_(True)
    )


def get_sync(session: Session, connection_id: int) -> RowMapping:
    """How far the connection is followed. Raises NotFound where no folder was chosen."""
    sync = find_sync(session, connection_id)
    if sync is None:
        raise NotFound(f"no folder of connection {connection_id} was chosen")
    return sync


def find_sync(session: Session, connection_id: int) -> RowMapping | None:
    """The same, or None."""
    statement = text("SELECT * FROM jobs.syncs WHERE connection_id = :id")
    return session.execute(statement, {"id": connection_id}).mappings().one_or_none()


def save_cursor(session: Session, sync: RowMapping, cursor: str | None) -> None:
    """Go on from here, next time. Raises Transient when another folder was chosen since `sync` was read."""
    named = {"connection_id": sync["connection_id"], "choice": sync["choice"], "cursor": cursor}
    if session.execute(_SAVE, named).first() is None:
        raise Transient("another folder was chosen meanwhile", retry_after=timedelta(0))


def note_end(session: Session, connection_id: int, *, problem: str | None, look_again: timedelta | None = None) -> None:
    """Keep how the last look ended; with `look_again`, the next is not before."""
    session.execute(
        text("""
        UPDATE jobs.syncs SET problem = :problem, looked_at = CASE WHEN CAST(:problem AS text) IS NULL THEN now() ELSE looked_at END,
            next_look_at = coalesce(now() + CAST(:later AS interval), next_look_at) WHERE connection_id = :id
        """),
        {"problem": problem, "later": look_again, "id": connection_id},
    )
    if problem is None:
        session.execute(text("UPDATE cloud_connections SET last_synced_at = now() WHERE id = :id"), {"id": connection_id})


def list_due(session: Session, *, most: int = 100) -> list[Followed]:
    """Connections that are due for a look; for the role of the job core."""
    return [Followed(row.connection_id, row.user_id) for row in session.execute(_LIST_DUE, {"most": most})]


def take_due(session: Session, connection_id: int, *, every: timedelta) -> None:
    """Let the next look be `every` later. Raises Conflict where another has done so. After its job is inserted: a look locks so."""
    if session.execute(_TAKE_DUE, {"id": connection_id, "every": every}).first() is None:
        raise Conflict(f"connection {connection_id} is looked at already")


def list_followed(session: Session, provider: str, account_ids: Sequence[str]) -> list[Followed]:
    """The followed connections of these accounts; for the role of the job core."""
    statement = text("""
        SELECT s.connection_id, s.user_id FROM jobs.syncs s JOIN public.cloud_connections c ON c.id = s.connection_id
        WHERE c.provider = :provider AND c.account_id = ANY(:accounts) AND c.is_active::text = 'true'
    """)
    rows = session.execute(statement, {"provider": provider, "accounts": list(account_ids)})
    return [Followed(row.connection_id, row.user_id) for row in rows]


def insert_channel(session: Session, sync: RowMapping, *, channel_id: str, secret: str, lifetime: timedelta) -> None:
    """Know a channel that is about to be asked for, and forget those of this connection that are over."""
    session.execute(
        text("DELETE FROM jobs.watch_channels WHERE connection_id = :id AND expires_at < now()"), {"id": sync["connection_id"]}
    )
    session.execute(
        text("""
        INSERT INTO jobs.watch_channels (id, connection_id, user_id, secret_hash, expires_at)
        VALUES (:id, :connection_id, :user_id, :secret_hash, now() + :lifetime)
        """),
        {
            "id": channel_id,
            "connection_id": sync["connection_id"],
            "user_id": sync["user_id"],
            "secret_hash": hash_secret(secret),
            "lifetime": lifetime,
        },
    )


def note_channel(session: Session, channel_id: str, *, resource: str, expires_at: datetime) -> None:
    """Keep what was answered."""
    statement = text("UPDATE jobs.watch_channels SET resource = :resource, expires_at = :expires_at WHERE id = :id")
    session.execute(statement, {"id": channel_id, "resource": resource, "expires_at": expires_at})


def list_channels(session: Session, connection_id: int) -> list[RowMapping]:
    """Channels of a connection that were answered for, the one that lives longest first."""
    statement = text("""
        SELECT * FROM jobs.watch_channels WHERE connection_id = :id AND resource IS NOT NULL ORDER BY expires_at DESC
    """)
    return list(session.execute(statement, {"id": connection_id}).mappings())


def delete_channel(session: Session, channel_id: str) -> None:
    """Take no more messages of it."""
    session.execute(text("DELETE FROM jobs.watch_channels WHERE id = :id"), {"id": channel_id})


def find_channel(session: Session, channel_id: str) -> Any | None:  # noqa: ANN401  (a row)
    """Whose channel this is, and the hash of its secret; for the role of the job core."""
    statement = text(
        "SELECT connection_id, user_id, secret_hash FROM jobs.watch_channels WHERE id = :id AND expires_at > now()"
    )
    return session.execute(statement, {"id": channel_id}).one_or_none()


def hash_secret(secret: str) -> str:
    """What is kept of a channel's secret: it is random, so that a plain hash does."""
    return hashlib.sha256(secret.encode()).hexdigest()
