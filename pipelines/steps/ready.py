"""Ends an ingest: everything that was made is there, and the video can be worked with."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import RowMapping

from core.errors import NotFound, Permanent
from core.storage import Storage
from db import videos
from db.base.videos import RequestStatus, VideoStatus
from db.videos import INGESTED, FileKind
from pipelines.base import step
from pipelines.context import Context


@step(queue="io")
def finish(ctx: Context) -> object:
    """Look every output up in storage, then open the video for editing."""
    video_id = ctx.args["video_id"]
    with ctx.read() as session:
        files = videos.list_files(session, video_id)
    missing = sorted(INGESTED - set(files))
    if missing:
        raise Permanent(f"video {video_id} has no {', '.join(missing)}: run the job again from `probe`")
    size_bytes = sum(_sizes(ctx.storage, files))
    result = {"files": len(files), "size_bytes": size_bytes}
    with ctx.complete(result) as session:
        videos.update_video(session, video_id, status=VideoStatus.READY_TO_EDIT, error_message=None)
        videos.update_request(
            session, ctx.args["request_id"], status=RequestStatus.READY, completed_at=datetime.now(UTC), error_message=None
        )
    return result


def _sizes(storage: Storage, files: Mapping[str, RowMapping]) -> Iterator[int]:
    """The size of every file as storage has it. Raises Permanent when one is gone or another."""
    for kind, row in files.items():
        if kind == FileKind.LADDER:
            folder = row["key"].rpartition("/")[0]
            for part in row["details"]["files"]:
                yield _size(storage, f"{folder}/{part['name']}", part["size_bytes"])
        else:
            yield _size(storage, row["key"], row["size_bytes"])


def _size(storage: Storage, key: str, wanted: int) -> int:
    try:
        found = storage.size(key)
    except NotFound as error:
        raise Permanent(f"{error}: run the job again from the step that made it") from error
    if found != wanted:
        raise Permanent(f"{key} in storage is {found} bytes long, not {wanted}: run the job again from the step that made it")
    return found
