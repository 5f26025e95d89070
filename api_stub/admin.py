"""/api/admin: users and everybody's videos, for who runs the installation."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from api_stub import export
from api_stub.auth import DatabaseHere, Person, SettingsHere, in_area
from api_stub.contract import Cursor, Email, Limit, Sent, Shown
from api_stub.listing import bare_array
from api_stub.videos import Video, show
from db import people
from db.base.accounts import UserRole
from db.operators import record_action
from db.permissions import Area

router = APIRouter(prefix="/api", tags=["administration"])
_USERS = [Depends(in_area(Area.USERS))]
_VIDEOS = [Depends(in_area(Area.ALL_VIDEOS))]
Role = Literal["admin", "creative", "search"]
ChannelId = Annotated[str, Field(min_length=1, max_length=200)]


class KnownChannel(Shown):
    """A channel by YouTube's id of it."""

    id: str
    name: str | None


class UserShown(Shown):
    """A user."""

    id: str
    email: str | None
    first_name: str | None
    last_name: str | None
    profile_image_url: str | None
    role: str
    default_channel_id: str | None
    notes: str | None
    created_at: datetime
    updated_at: datetime


class UserWithChannels(UserShown):
    """A user, and where they may publish."""

    channels: list[KnownChannel]


class Told(Shown):
    """What was done, in words."""

    message: str


class BootstrappedUser(Told):
    """Who is a superadmin now."""

    user: UserShown


class ChangedUser(Sent):
    """What may be set of a user; `channelIds` replaces those that they have."""

    email: Email | None = None
    role: Role | None = None
    first_name: str | None = None
    last_name: str | None = None
    notes: str | None = None
    default_channel_id: ChannelId | None = None
    channel_ids: list[ChannelId] | None = None


class NewUser(ChangedUser):
    """A user that who runs the installation makes."""

    email: Email
    role: Role


def _show(row: RowMapping) -> UserWithChannels:
    return UserWithChannels.model_validate({**row, "default_channel_id": row["default_channel"]})


def _show_alone(row: RowMapping) -> UserShown:
    return UserShown.model_validate({**row, "default_channel_id": row["default_channel"]})


@router.get("/admin/users", dependencies=_USERS)
def list_users(database: DatabaseHere) -> list[UserWithChannels]:
    """Everybody, with the channels that they may publish to."""
    with database.jobs() as session:
        return [_show(row) for row in people.list_people(session)]


@router.post("/admin/users", status_code=201, dependencies=_USERS)
def post_user(new: NewUser, who: Person, database: DatabaseHere) -> UserWithChannels:
    """Make a user, who has that role when they sign in with that address."""
    with database.jobs() as session:
        user_id = people.insert_person(session, _columns(new))
        return _settle(session, user_id, new, who.id, "user made")


@router.patch("/admin/users/{user_id}", dependencies=_USERS)
def patch_user(user_id: str, changed: ChangedUser, who: Person, database: DatabaseHere) -> UserWithChannels:
    """Change what is sent."""
    with database.jobs() as session:
        people.update_person(session, user_id, _columns(changed))
        return _settle(session, user_id, changed, who.id, "user changed")


def _columns(sent: ChangedUser) -> dict[str, Any]:
    values = sent.model_dump(exclude_unset=True, exclude={"channel_ids", "default_channel_id"})
    if values.get("role", "") is None or values.get("email", "") is None:
        raise HTTPException(400, "a user keeps an address and a role: send others, or leave them out")
    return values


def _settle(session: Session, user_id: str, sent: ChangedUser, by: str, deed: str) -> UserWithChannels:
    if sent.channel_ids is not None:
        people.set_channels(session, user_id, sent.channel_ids)
    if "default_channel_id" in sent.model_fields_set:
        people.choose_channel(session, user_id, sent.default_channel_id)
    record_action(session, by, deed, f"user {user_id}", sent.model_dump(mode="json", exclude_unset=True))
    return _show(people.get_person(session, user_id))


@router.patch("/admin/users/{user_id}/role", dependencies=_USERS)
def patch_role(user_id: str, role: Annotated[Role, Body(embed=True)], who: Person, database: DatabaseHere) -> UserShown:
    """Give a user another role."""
    with database.jobs() as session:
        people.update_person(session, user_id, {"role": role})
        record_action(session, who.id, "user changed", f"user {user_id}", {"role": role})
        return _show_alone(people.get_person(session, user_id))


@router.patch("/admin/users/{user_id}/default-channel", dependencies=_USERS)
def patch_default_channel(
    user_id: str,
    channel_id: Annotated[ChannelId | None, Body(embed=True, alias="channelId")],
    who: Person,
    database: DatabaseHere,
) -> UserShown:
    """Choose where a user publishes when they name no channel."""
    with database.jobs() as session:
        people.choose_channel(session, user_id, channel_id)
        record_action(session, who.id, "user changed", f"user {user_id}", {"default_channel_id": channel_id})
        return _show_alone(people.get_person(session, user_id))


@router.delete("/admin/users/{user_id}", dependencies=_USERS)
def delete_user(user_id: str, who: Person, database: DatabaseHere) -> Told:
    """Remove a user of whom nothing is left; HTTP 409 while rows of theirs are."""
    if user_id == who.id:
        raise HTTPException(400, "you cannot remove yourself")
    with database.jobs() as session:
        people.delete_person(session, user_id)
        record_action(session, who.id, "user removed", f"user {user_id}")
    return Told(message=f"user {user_id} is removed")


@router.post("/admin/users/{user_id}/channels", dependencies=_USERS)
def post_user_channel(
    user_id: str, channel_id: Annotated[ChannelId, Body(embed=True, alias="channelId")], who: Person, database: DatabaseHere
) -> list[KnownChannel]:
    """Let a user publish to a channel; all of theirs are returned."""
    with database.jobs() as session:
        people.add_channel(session, user_id, channel_id)
        record_action(session, who.id, "user changed", f"user {user_id}", {"added_channel": channel_id})
        return _show(people.get_person(session, user_id)).channels


@router.delete("/admin/users/{user_id}/channels/{channel_id}", dependencies=_USERS)
def delete_user_channel(user_id: str, channel_id: str, who: Person, database: DatabaseHere) -> list[KnownChannel]:
    """Take a channel away from a user; those that are left are returned."""
    with database.jobs() as session:
        people.remove_channel(session, user_id, channel_id)
        record_action(session, who.id, "user changed", f"user {user_id}", {"removed_channel": channel_id})
        return _show(people.get_person(session, user_id)).channels


@router.get("/admin/all-videos", dependencies=_VIDEOS, response_model=list[Video])
def list_all_videos(who: Person, database: DatabaseHere, cursor: Cursor = None, limit: Limit = None) -> Response:
    """Everybody's videos, newest first: all of them as they are read, or with `limit` a page, the next in `Link`."""

    def read(before: int | None, most: int) -> list[Video]:
        rows = export.list_every_video(database, who.id, before=before, limit=most)
        with database.tenant(who.id) as session:
            return show(session, rows)

    return bare_array(read, "/api/admin/all-videos", cursor=cursor, limit=limit)


@router.get(
    "/admin/export-csv",
    dependencies=_USERS,
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def export_csv(who: Person, database: DatabaseHere) -> StreamingResponse:
    """Everybody's videos for a spreadsheet, which takes no cell of it for a formula."""
    headers = {"Content-Disposition": 'attachment; filename="videos.csv"'}
    return StreamingResponse(export.as_csv(database, who.id), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/bootstrap-superadmin")
def bootstrap_superadmin(who: Person, database: DatabaseHere, config: SettingsHere) -> BootstrappedUser:
    """Make who signed in with the address of the setting SUPERADMIN_EMAIL a superadmin."""
    with database.jobs() as session:
        person = people.get_person(session, who.id)
        wanted = config.superadmin_email.lower()
        if not wanted or (person["email"] or "").lower() != wanted:
            raise HTTPException(403, "this is for who has the address that the setting SUPERADMIN_EMAIL names")
        people.update_person(session, who.id, {"role": UserRole.SUPERADMIN})
        record_action(session, who.id, "user changed", f"user {who.id}", {"role": UserRole.SUPERADMIN})
        return BootstrappedUser(message="you are a superadmin now", user=_show_alone(people.get_person(session, who.id)))
