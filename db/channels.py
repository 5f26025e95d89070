"""YouTube channels, which are for who runs the installation, and those that a user may publish to (given by `db.people`)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import Conflict
from db.base.accounts import users
from db.base.rows import require_only
from db.base.videos import user_channels, youtube_channels
from db.engine import Role, acting_as

_DESCRIBED = frozenset(column.name for column in youtube_channels.columns) - {"id", "channel_id", "created_at", "updated_at"}


def keep_channel(session: Session, channel_id: str, details: Mapping[str, Any]) -> RowMapping:
    """Describe a channel by YouTube's own id of it; one that is there is brought up to date. Raises Invalid."""
    require_only(details, _DESCRIBED)
    statement = insert(youtube_channels).values(channel_id=channel_id, **details)
    upsert = statement.on_conflict_do_update(
        index_elements=[youtube_channels.c.channel_id], set_={**details, "last_synced_at": func.now()}
    )
    with acting_as(session, Role.JOBS):
        return session.execute(upsert.returning(youtube_channels)).mappings().one()


def list_channels(session: Session) -> list[RowMapping]:
    """Those that the user may publish to, the default first, each with `is_default`."""
    shown = select(youtube_channels, user_channels.c.is_default).join(
        user_channels, user_channels.c.channel_id == youtube_channels.c.id
    )
    return list(session.execute(shown.order_by(user_channels.c.is_default.desc(), youtube_channels.c.id)).mappings())


def list_every_channel(session: Session) -> list[RowMapping]:
    """All that are known, in the order of their names. Whoever calls this has asked for `Area.CHANNELS`."""
    with acting_as(session, Role.JOBS):
        ordered = select(youtube_channels).order_by(youtube_channels.c.title, youtube_channels.c.id)
        return list(session.execute(ordered).mappings())


def add_channel(session: Session, channel_id: str, title: str) -> RowMapping:
    """A channel that was not known. Raises Conflict. Whoever calls this has asked for `Area.CHANNELS`."""
    statement = insert(youtube_channels).values(channel_id=channel_id, title=title).on_conflict_do_nothing()
    with acting_as(session, Role.JOBS):
        row = session.execute(statement.returning(youtube_channels)).mappings().one_or_none()
    if row is None:
        raise Conflict(f"channel {channel_id} is known already")
    return row


def forget_channel(session: Session, channel_id: str) -> None:
    """Nobody publishes there any more; one that is not known is fine. Whoever calls this has asked for `Area.CHANNELS`."""
    with acting_as(session, Role.JOBS):
        session.execute(delete(youtube_channels).where(youtube_channels.c.channel_id == channel_id))


def find_default(session: Session, user_id: str) -> RowMapping | None:
    """Where this user publishes when they name no channel: chosen for them, else the default among their own."""
    chosen = select(youtube_channels).join(users, users.c.default_channel_id == youtube_channels.c.id)
    own = select(youtube_channels).join(user_channels, user_channels.c.channel_id == youtube_channels.c.id)
    ways = (chosen.where(users.c.id == user_id), own.where(user_channels.c.user_id == user_id, user_channels.c.is_default))
    with acting_as(session, Role.JOBS):
        found = [session.execute(way.limit(1)).mappings().one_or_none() for way in ways]
    return next((row for row in found if row is not None), None)
