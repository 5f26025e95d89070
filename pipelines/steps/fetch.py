"""Brings the bytes of a video into storage."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from core.errors import NotFound, Transient
from db import videos
from db.base.videos import RequestStatus, VideoStatus
from db.videos import FileKind, NewFile
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers.base import Delivery, Fetched, Wanted, get_video_provider
from pipelines.steps.accounts import token_of

_CHECKPOINT_SECONDS = 30


@step(queue="io")
def fetch(ctx: Context) -> object:
    """Fetch the file that the ingest request names, and hash it."""
    video_id, request_id = ctx.args["video_id"], ctx.args["request_id"]
    with ctx.read() as session:
        request = videos.get_request(session, request_id)
    provider = get_video_provider(request["provider"])
    if provider.is_outside:
        ctx.calls(request["provider"])
    with ctx.write() as session:
        videos.update_request(session, request_id, status=RequestStatus.DOWNLOADING, started_at=datetime.now(UTC))
    wanted = Wanted(
        request["source_path"],
        request["source_file_name"],
        request["source_file_size"],
        ctx.args["version"],
        ctx.args["revision"],
    )
    delivery = _delivery(ctx, request["provider"])
    fetched = provider.fetch(wanted, delivery)
    ctx.log(f"fetched {fetched.size_bytes} bytes, SHA-256 {fetched.sha256}")
    result = {"size_bytes": fetched.size_bytes, "sha256": fetched.sha256}
    with ctx.complete(result) as session:
        if provider.is_outside:
            _note(session, ctx, request["provider"], fetched, is_new=fetched.key in {delivery.key, delivery.lasting_key})
        videos.keep_files(session, video_id, [NewFile(FileKind.SOURCE, fetched.key, fetched.size_bytes, fetched.sha256)])
        videos.update_video(
            session, video_id, status=VideoStatus.UPLOADING, storage_path=fetched.key, file_size=fetched.size_bytes
        )
        videos.update_request(session, request_id, status=RequestStatus.PROCESSING, downloaded_path=fetched.key)
    return result


def _delivery(ctx: Context, provider: str) -> Delivery:
    """The first attempt's key is every attempt's lasting one: what it left is kept as long as the job may need it."""
    kept = ctx.last_checkpoint or {"key": ctx.key("source")}

    def known(version: str) -> Fetched | None:
        with ctx.read() as session:
            taken = videos.find_taken(session, user_id=ctx.held.owner_id, provider=provider, version=version)
        return Fetched(taken["key"], taken["size_bytes"], taken["sha256"]) if taken and _is_stored(ctx, taken["key"]) else None

    given = {"token": token_of(ctx, ctx.args["connection_id"])} if ctx.args["connection_id"] else {}
    progress = _progress(ctx, kept)
    return Delivery(ctx.storage, ctx.key("source"), kept["key"], progress, ctx.run, lambda: ctx.folder, known=known, **given)


def _is_stored(ctx: Context, key: str) -> bool:
    try:
        ctx.storage.size(key)
    except NotFound:
        return False
    return True


def _note(session: Session, ctx: Context, provider: str, fetched: Fetched, *, is_new: bool) -> None:
    """Know these bytes again. Where they are another video's, that one may have been removed since they were found."""
    if not is_new and not videos.lock_source(session, fetched.key):
        raise Transient("the video that had the same bytes was removed: they are fetched", retry_after=timedelta(0))
    if fetched.path is None or fetched.version is None:
        return
    videos.note_taken(
        session,
        user_id=ctx.held.owner_id,
        provider=provider,
        path=fetched.path,
        version=fetched.version,
        sha256=fetched.sha256,
    )


def _progress(ctx: Context, kept: dict[str, str]) -> Callable[[float], None]:
    """Tells how far it is, and at the start and now and then keeps the lasting key: with that, a lost worker lost nothing."""
    kept_at = -float("inf")

    def tell(share: float) -> None:
        nonlocal kept_at
        ctx.progress(share, "fetching the file")
        if time.monotonic() - kept_at > _CHECKPOINT_SECONDS:
            ctx.checkpoint(kept)
            kept_at = time.monotonic()

    return tell
