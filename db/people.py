"""Users as who runs the installation sees and changes them. Every call runs as the job core; its caller asked for `Area.USERS`."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from core.errors import Conflict, Invalid, NotFound
from db.base.accounts import users
from db.base.rows import require_only

_SET = {"email", "first_name", "last_name", "role", "notes"}
_PEOPLE = """
SELECT u.*, chosen.channel_id AS default_channel, coalesce(own.channels, '[]') AS channels
FROM public.users u
LEFT JOIN public.youtube_channels chosen ON chosen.id = u.default_channel_id
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('id', c.channel_id, 'name', c.title) ORDER BY c.id) AS channels
    FROM public.user_channels k JOIN public.youtube_channels c ON c.id = k.channel_id WHERE k.user_id = u.id
) own ON true
"""


def list_people(session: Session) -> list[RowMapping]:
    """Everybody with `channels` and `default_channel`, by YouTube's ids; who came last is first."""
    return list(session.execute(text(f"{_PEOPLE} ORDER BY u.created_at DESC, u.id")).mappings())


def get_person(session: Session, user_id: str) -> RowMapping:
    """One of them. Raises NotFound."""
    row = session.execute(text(f"{_PEOPLE} WHERE u.id = :id"), {"id": user_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no user {user_id}")
    return row


def insert_person(session: Session, values: Mapping[str, Any]) -> str:
    """The id of a new user, marked as made by hand. Raises Conflict for an address that is taken."""
    require_only(values, _SET)
    _require_free(session, values.get("email"))
    user_id = f"manual_{uuid4().hex}"
    session.execute(users.insert().values(id=user_id, **values))
    return user_id


def update_person(session: Session, user_id: str, values: Mapping[str, Any]) -> None:
    """Set these. Raises NotFound, Conflict for an address that is taken."""
    require_only(values, _SET)
    get_person(session, user_id)
    _require_free(session, values.get("email"), but=user_id)
    if values:
        session.execute(users.update().where(users.c.id == user_id).values(**values))


def delete_person(session: Session, user_id: str) -> None:
    """Remove a user and their sessions; it is well if there is none. Raises Conflict where rows of theirs remain."""
    owned = text("SELECT EXISTS (SELECT 1 FROM jobs.jobs WHERE owner_id = :id AND finished_at IS NULL)")
    if session.scalar(owned, {"id": user_id}):
        raise Conflict(f"work of {user_id} is still under way; cancel it first")
    session.execute(text("DELETE FROM public.sessions WHERE sess->>'user_id' = :id"), {"id": user_id})
    session.execute(users.delete().where(users.c.id == user_id))


def choose_channel(session: Session, user_id: str, channel: str | None) -> None:
    """Make this channel, by YouTube's id, the user's default, or leave them without one. Raises NotFound."""
    get_person(session, user_id)
    chosen = None if channel is None else _channel(session, channel)
    session.execute(users.update().where(users.c.id == user_id).values(default_channel_id=chosen))
    mark = text(
        "UPDATE public.user_channels SET is_default = (channel_id = :chosen) WHERE user_id = :id AND :chosen IS NOT NULL"
    )
    if chosen is not None:
        session.execute(mark, {"chosen": chosen, "id": user_id})


def add_channel(session: Session, user_id: str, channel: str) -> None:
    """Let the user publish to a channel, by YouTube's id of it. Raises NotFound."""
    get_person(session, user_id)
    statement = text("""
        INSERT INTO public.user_channels (user_id, channel_id) VALUES (:id, :channel) ON CONFLICT (user_id, channel_id) DO NOTHING
    """)
    session.execute(statement, {"id": user_id, "channel": _channel(session, channel)})


def remove_channel(session: Session, user_id: str, channel: str) -> None:
    """Take a channel away; it is well if they had it not."""
    statement = text("""
        DELETE FROM public.user_channels k USING public.youtube_channels c
        WHERE k.user_id = :id AND k.channel_id = c.id AND c.channel_id = :channel
    """)
    session.execute(statement, {"id": user_id, "channel": channel})


def set_channels(session: Session, user_id: str, channels: Collection[str]) -> None:
    """Let the user publish to these and no others. Raises Invalid for one that is not known."""
    for known in get_person(session, user_id)["channels"]:
        if known["id"] not in channels:
            remove_channel(session, user_id, known["id"])
    for channel in channels:
        try:
            add_channel(session, user_id, channel)
        except NotFound as error:
            raise Invalid(str(error)) from None


def list_emails(session: Session, user_ids: Collection[str]) -> dict[str, str | None]:
    """The addresses of these users."""
    statement = text("SELECT id, email FROM public.users WHERE id = ANY(:ids)")
    return {row.id: row.email for row in session.execute(statement, {"ids": list(user_ids)})}


def _channel(session: Session, channel: str) -> int:
    found: int | None = session.scalar(text("SELECT id FROM public.youtube_channels WHERE channel_id = :id"), {"id": channel})
    if found is None:
        raise NotFound(f"there is no channel {channel}")
    return found


def _require_free(session: Session, email: str | None, *, but: str = "") -> None:
    statement = text("SELECT 1 FROM public.users WHERE lower(email) = lower(:email) AND id <> :but")
    if email is not None and session.execute(statement, {"email": email, "but": but}).first():
        raise Conflict(f"somebody has the address {email} already")
