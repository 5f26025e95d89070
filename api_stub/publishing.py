"""Publishing: a video goes to a channel, and who may publish where."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from api_stub.admin import ChannelId, KnownChannel
from api_stub.auth import Asker, DatabaseHere, Person, in_area
from api_stub.contract import Id, Sent, Shown, Success
from api_stub.videos import Video, show_one
from core.errors import Forbidden, NotFound
from db import channels, publishing, videos
from db.base.videos import Privacy
from db.permissions import AREAS, Area
from pipelines import publish

router = APIRouter(prefix="/api", tags=["publishing"])
Publisher = Annotated[Asker, Depends(in_area(Area.PUBLISH))]
_CHANNELS = [Depends(in_area(Area.CHANNELS))]


class Wanted(BaseModel):
    """Where to publish, and to whom to show it; without a word the video's own `privacyStatus` holds."""

    model_config = ConfigDict(extra="ignore")

    channel_id: ChannelId | None = None
    privacy: Privacy | None = None


class NewChannel(Sent):
    """A channel by YouTube's id of it."""

    id: ChannelId
    name: Annotated[str, Field(min_length=1, max_length=200)]


class Channels(Shown):
    """What is known after it, in words and as a list."""

    message: str
    channels: list[KnownChannel]


class PublishInfo(Shown):
    """What the page that publishes shows."""

    role: str
    can_publish: bool
    show_channel_selector: bool
    channels: list[KnownChannel]
    default_channel: KnownChannel | None


@router.post("/videos/{video_id}/publish")
def publish_video(video_id: Id, person: Publisher, database: DatabaseHere, wanted: Wanted | None = None) -> Video:
    """Publish it. The answer says `publishing`; the video is private until the check of its content has passed."""
    asked = wanted or Wanted()
    with database.tenant(person.id) as session:
        begin_publishing(session, person, video_id, channel_id=asked.channel_id, privacy=asked.privacy)
        return show_one(session, video_id)


def begin_publishing(
    session: Session, person: Asker, video_id: int, *, channel_id: str | None = None, privacy: Privacy | None = None
) -> None:
    """Write the job in the caller's transaction. Raises NotFound, Forbidden, Refused, Conflict."""
    video = videos.get_video(session, video_id)
    channel = _channel(session, person, channel_id)
    wanted = privacy or Privacy(video["privacy_status"])
    publish.start(session, video_id, user_id=person.id, privacy=wanted, channel_id=channel)


def _channel(session: Session, person: Asker, asked: str | None) -> str | None:
    """Where this person may publish to: who chooses among channels, where they said; others to their own default."""
    default = channels.find_default(session, person.id)
    if Area.CHANNELS not in AREAS[person.role]:
        if default is None:
            raise Forbidden("you have no channel to publish to: ask an administrator to choose one for you")
        return str(default["channel_id"])
    if asked is None:
        return str(default["channel_id"]) if default else None
    if asked not in {row["channel_id"] for row in channels.list_every_channel(session)}:
        raise NotFound(f"there is no channel {asked}")
    return asked


@router.get("/my-channels")
def get_my_channels(person: Person, database: DatabaseHere) -> list[KnownChannel]:
    """Those that who asks may publish to."""
    with database.tenant(person.id) as session:
        return _list(session, person)


@router.get("/me/publish-info")
def get_publish_info(person: Person, database: DatabaseHere) -> PublishInfo:
    """Whether and where who asks may publish."""
    with database.tenant(person.id) as session:
        default, known = channels.find_default(session, person.id), _list(session, person)
    chooses = Area.CHANNELS in AREAS[person.role]
    return PublishInfo(
        role=person.role.value,
        can_publish=Area.PUBLISH in AREAS[person.role] and (chooses or default is not None),
        show_channel_selector=chooses,
        channels=known,
        default_channel=_show(default) if default else None,
    )


def _list(session: Session, person: Asker) -> list[KnownChannel]:
    chooses = Area.CHANNELS in AREAS[person.role]
    return [_show(row) for row in (channels.list_every_channel if chooses else channels.list_channels)(session)]


def _show(row: RowMapping) -> KnownChannel:
    return KnownChannel(id=row["channel_id"], name=row["title"])


@router.get("/admin/channels", dependencies=_CHANNELS)
def get_channels(person: Person, database: DatabaseHere) -> list[KnownChannel]:
    """Every channel."""
    with database.tenant(person.id) as session:
        return _list(session, person)


@router.post("/admin/channels", status_code=201, dependencies=_CHANNELS)
def post_channel(person: Person, database: DatabaseHere, channel: NewChannel) -> KnownChannel:
    """Make a channel known."""
    with database.tenant(person.id) as session:
        return _show(channels.add_channel(session, channel.id, channel.name))


@router.delete("/admin/channels/{channel_id}", dependencies=_CHANNELS)
def delete_channel(channel_id: str, person: Person, database: DatabaseHere) -> Success:
    """Forget a channel; one that is not known is fine."""
    with database.tenant(person.id) as session:
        channels.forget_channel(session, channel_id)
    return Success()


@router.post("/admin/seed", dependencies=_CHANNELS)
def seed_channels(person: Person, database: DatabaseHere) -> Channels:
    """Make the channels of the accounts known that who asks has connected."""
    with database.tenant(person.id) as session:
        accounts = publishing.list_accounts(session)
        for account in accounts:
            channels.keep_channel(session, account["channel_id"], {"title": account["name"]})
        known: list[Any] = _list(session, person)
    return Channels(message=f"{len(accounts)} channels of connected accounts are known", channels=known)
