"""Brings the bytes of a video into storage."""

from datetime import UTC, datetime

from db import videos
from db.base.videos import RequestStatus, VideoStatus
from db.videos import FileKind, NewFile
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers.base import Wanted, get_video_provider


@step(queue="io")
def fetch(ctx: Context) -> object:
    """Fetch the file that the ingest request names, and hash it."""
    video_id, request_id = ctx.args["video_id"], ctx.args["request_id"]
    with ctx.write() as session:
        request = videos.get_request(session, request_id)
        videos.update_request(session, request_id, status=RequestStatus.DOWNLOADING, started_at=datetime.now(UTC))
    wanted = Wanted(request["source_path"], request["source_file_name"], request["source_file_size"], ctx.args["version"])
    provider = get_video_provider(request["provider"])
    fetched = provider.fetch(
        wanted, ctx.storage, ctx.key("source"), progress=lambda share: ctx.progress(share, "fetching the file")
    )
    ctx.log(f"fetched {fetched.size_bytes} bytes, SHA-256 {fetched.sha256}")
    result = {"size_bytes": fetched.size_bytes, "sha256": fetched.sha256}
    with ctx.complete(result) as session:
        videos.keep_files(session, video_id, [NewFile(FileKind.SOURCE, fetched.key, fetched.size_bytes, fetched.sha256)])
        videos.update_video(
            session, video_id, status=VideoStatus.UPLOADING, storage_path=fetched.key, file_size=fetched.size_bytes
        )
        videos.update_request(session, request_id, status=RequestStatus.PROCESSING, downloaded_path=fetched.key)
    return result
