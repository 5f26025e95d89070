"""Follows the chosen folder of a connected account: what is new there is taken in, and its place asked to tell of more."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.errors import Refused
from core.settings import settings
from db import syncs, videos
from db.base.connections import cloud_connections
from db.base.rows import get_row
from pipelines import ingest
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers.clouds import Channel, Channels, Cloud, CursorReset, Entry, cloud_name, get_cloud
from pipelines.steps.accounts import token_of

_LIFETIME = timedelta(days=7)  # as long as Drive allows for changes
_RENEW_BEFORE = timedelta(days=1)


@step(queue="io")
def drain(ctx: Context) -> object:
    """Start an ingest for every video that is new or changed; each page's are written together with how far it was read."""
    connection, sync = _read(ctx)
    provider = cloud_name(connection["provider"])
    ctx.calls(provider)
    cloud = get_cloud(provider)
    try:
        started = _take_in(ctx, cloud, provider, sync, sync["cursor"])
    except CursorReset as error:
        ctx.log(f"{error}: everything in the folder is looked at", level="warning")
        with ctx.write() as session:
            syncs.save_cursor(session, sync, None)
        started = _take_in(ctx, cloud, provider, sync, None)
    with ctx.complete({"started": started}) as session:
        syncs.note_end(session, sync["connection_id"], problem=None)
    return {"started": started}


def _read(ctx: Context) -> tuple[RowMapping, RowMapping]:
    connection_id = ctx.args["connection_id"]
    with ctx.read() as session:
        connection, sync = get_row(session, cloud_connections, connection_id), syncs.get_sync(session, connection_id)
    if not connection["is_active"]:
        raise Refused("This account is no longer connected. Please connect it again.")
    return connection, sync


def _take_in(ctx: Context, cloud: Cloud, provider: str, sync: RowMapping, cursor: str | None) -> int:
    started = 0
    for page in cloud.list_changes(token_of(ctx, sync["connection_id"]), sync["folder"], cursor):
        ctx.progress(None, "looking for new videos")
        with ctx.write() as session:
            started += _start(session, page.videos, provider, sync)
            if page.cursor is not None:
                syncs.save_cursor(session, sync, page.cursor)
        ctx.checkpoint({"started": started})  # two workers lost are no reason to give up while it gets on
    return started


def _start(session: Session, found: Sequence[Entry], provider: str, sync: RowMapping) -> int:
    started = 0
    for video in found:
        source = videos.Source(
            provider,
            video.id,
            video.name,
            size_bytes=video.size_bytes,
            mime_type=video.mime_type,
            version=video.version,
            revision=video.revision,
            connection_id=sync["connection_id"],
        )
        started += ingest.start(session, source, user_id=sync["user_id"]) is not None
    return started


@step(queue="io", optional=True, max_attempts=3)  # without it, the sweep finds what is new
def watch(ctx: Context) -> object:
    """Have a channel that lives for another day at least, where the place has to be asked for one and can reach us."""
    connection, sync = _read(ctx)
    provider = cloud_name(connection["provider"])
    channels = get_cloud(provider).channels
    if channels is None or not settings().public_url:
        return None
    with ctx.read() as session:
        open_now = syncs.list_channels(session, sync["connection_id"])
    if open_now and open_now[0]["expires_at"] - datetime.now(UTC) > _RENEW_BEFORE:
        return None
    ctx.calls(provider)
    made = _open(ctx, channels, provider, sync)
    for old in open_now:  # only now: between the two nothing would be told
        channels.stop(token_of(ctx, sync["connection_id"]), Channel(old["id"], old["resource"], old["expires_at"]))
        with ctx.write() as session:
            syncs.delete_channel(session, old["id"])
    return {"expires_at": made.expires_at.isoformat()}


def _open(ctx: Context, channels: Channels, provider: str, sync: RowMapping) -> Channel:
    """No effect in the ledger's sense: one that was lost in a crash is told of twice, and two messages are one look."""
    channel_id, secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    with ctx.write() as session:
        syncs.insert_channel(session, sync, channel_id=channel_id, secret=secret, lifetime=_LIFETIME)
    made = channels.open(
        token_of(ctx, sync["connection_id"]),
        cursor=sync["cursor"],
        address=f"{settings().public_url.rstrip('/')}/webhooks/{provider}",
        channel_id=channel_id,
        secret=secret,
        lifetime=_LIFETIME,
    )
    with ctx.write() as session:
        syncs.note_channel(session, made.id, resource=made.resource, expires_at=made.expires_at)
    return made
