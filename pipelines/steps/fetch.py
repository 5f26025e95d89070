"""Brings the bytes of a video into storage."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from db import videos
from db.base.videos import RequestStatus, VideoStatus
from db.videos import FileKind, NewFile
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers.base import Delivery, Wanted, get_video_provider

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
        ctx.args.get("revision"),
    )
    fetched = provider.fetch(wanted, _delivery(ctx))
    ctx.log(f"fetched {fetched.size_bytes} bytes, SHA-256 {fetched.sha256}")
    result = {"size_bytes": fetched.size_bytes, "sha256": fetched.sha256}
    with ctx.complete(result) as session:
        videos.keep_files(session, video_id, [NewFile(FileKind.SOURCE, fetched.key, fetched.size_bytes, fetched.sha256)])
        videos.update_video(
            session, video_id, status=VideoStatus.UPLOADING, storage_path=fetched.key, file_size=fetched.size_bytes
        )
        videos.update_request(session, request_id, status=RequestStatus.PROCESSING, downloaded_path=fetched.key)
    return result


def _delivery(ctx: Context) -> Delivery:
    """The first attempt's key is every attempt's lasting one: what it left is kept as long as the job may need it."""
    kept = ctx.last_checkpoint or {"key": ctx.key("source")}
    return Delivery(ctx.storage, ctx.key("source"), kept["key"], _progress(ctx, kept), ctx.run, lambda: ctx.folder)


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
