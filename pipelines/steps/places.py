"""Where a video is published: chosen once by the settings and the owner's accounts, opened by each step that calls there."""

from typing import Any

from sqlalchemy.orm import Session

from core.crypto import KeyRing, Place
from core.errors import Refused
from core.settings import PublishTo, Settings, settings
from db import publishing
from db.base.connections import user_social_accounts
from pipelines.context import Context
from pipelines.providers.accounts import access_token
from pipelines.providers.outbox import Outbox
from pipelines.providers.publisher import Publisher
from pipelines.providers.youtube import YouTube

_CONNECT = "Please connect it under Connections, then publish again."


def choose_place(session: Session, config: Settings, channel_id: str | None) -> dict[str, Any]:
    """The place, small JSON. Raises Refused where no account of the owner publishes to this channel."""
    account = publishing.find_account(session, channel_id)
    has_any = account is not None or publishing.find_account(session, None) is not None
    if config.publish_to is PublishTo.OUTBOX or (config.publish_to is PublishTo.AUTO and not has_any):
        return {"name": Outbox.name, "account_id": None, "channel_id": channel_id}
    if account is None:
        which = f"channel {channel_id}" if channel_id else "YouTube"
        raise Refused(f"No account that publishes to {which} is connected. {_CONNECT}")
    return {"name": YouTube.name, "account_id": account["id"], "channel_id": account["channel_id"]}


def open_place(ctx: Context, chosen: dict[str, Any]) -> Publisher:
    """The place that was chosen, under its limits and budgets. Raises Snoozed where those hold the step back."""
    config = settings()
    if chosen["name"] == Outbox.name:
        return Outbox(config.published)
    ctx.calls(YouTube.name)
    return YouTube(
        lambda refused: access_token(ctx.database, chosen["account_id"], refused=refused, of=user_social_accounts),
        spend=lambda budget, units: ctx.spend(budget, units=units),
        chunk_bytes=config.publish_chunk_bytes,
    )


def seal(address: str, ctx: Context) -> str:
    """The address of an upload as it may be kept: whoever knows it may write there."""
    return KeyRing.of(settings()).seal(address, _kept_in(ctx))


def unseal(sealed: str, ctx: Context) -> str:
    """The address that was sealed."""
    return KeyRing.of(settings()).unseal(sealed, _kept_in(ctx))


def _kept_in(ctx: Context) -> Place:
    return Place("job_steps", str(ctx.held.step_id), "checkpoint")
