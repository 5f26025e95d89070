"""Looks at a source, and makes of it what players can play."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from db import videos
from db.base.videos import RequestStatus, VideoStatus
from db.jobs import Needs
from db.videos import FileKind, NewFile
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers import ffmpeg

_MASTER = "master.m3u8"
_SINGLE = {"video.mp4": FileKind.MP4, "poster.jpg": FileKind.POSTER}


@step(queue="io")  # it mostly reads, and bad input should not wait behind a long transcode to be refused
def probe(ctx: Context) -> object:
    """Refuse what is not video, and measure what is."""
    video_id = ctx.args["video_id"]
    with ctx.read() as session:
        source = videos.list_files(session, video_id)[FileKind.SOURCE]
    ctx.progress(None, "looking at the file")
    found = ffmpeg.probe(ctx.run, ctx.storage.local(source["key"]))
    video = found.video
    ctx.log(
        f"{found.duration_seconds:.2f} s of {video.codec}, {video.width}x{video.height}, {float(video.fps):g} frames a second"
        f"{', sound: ' + found.audio.codec if found.audio else ', no sound'}"
    )
    result = found.as_json()
    with ctx.complete(result) as session:
        file = NewFile(FileKind.SOURCE, source["key"], source["size_bytes"], source["sha256"], details=result)
        videos.keep_files(session, video_id, [file])
        duration_ms = round(found.duration_seconds * 1000)
        videos.update_video(session, video_id, status=VideoStatus.TRANSCRIBING, duration_ms=duration_ms)
        if request_id := ctx.args.get("request_id"):
            videos.update_request(session, request_id, status=RequestStatus.TRANSCRIBING)
    return result


def needs_of_transcode(ctx: Context) -> Needs:
    """Ladder, MP4 and what is written on the way to them: three times the source."""
    with ctx.read() as session:
        source = videos.list_files(session, ctx.args["video_id"])[FileKind.SOURCE]
    return Needs(disk_bytes=3 * source["size_bytes"])


@step(queue="media", max_attempts=3, needs=needs_of_transcode)
def transcode(ctx: Context) -> object:
    """Make the ladder, the MP4 and the poster, and prove that they play as the source did."""
    video_id = ctx.args["video_id"]
    source, found = find_source(ctx)
    folder = ctx.folder / "ladder"
    folder.mkdir(exist_ok=True)
    ladder = ffmpeg.make_ladder(ctx.run, source, found, folder, progress=lambda share: ctx.progress(share * 0.9, "transcoding"))
    ctx.progress(0.9, "checking what was made")
    verification = ffmpeg.verify_ladder(ctx.run, folder, ladder, found)
    sizes = ", ".join(f"{rung.width}x{rung.height}" for rung in ladder.rungs)
    ctx.log(f"made {sizes}; {verification.frames} frames decode without an error")
    for complaint in ladder.complaints:
        ctx.log(f"the source is damaged in part: {complaint}", level="warning")
    ctx.progress(0.95, "storing")
    files = list(_store(ctx, folder))
    result = {"ladder": ladder.as_json(), "verification": verification.as_json()}
    with ctx.complete(result) as session:
        of_sha256 = videos.list_files(session, video_id)[FileKind.SOURCE]["sha256"]
        videos.keep_files(session, video_id, list(_kept(files, result, of_sha256)))
    return result


def find_source(ctx: Context) -> tuple[Path, ffmpeg.Probe]:
    """The video's source on this machine, and what `probe` found in it."""
    with ctx.read() as session:
        source = videos.list_files(session, ctx.args["video_id"])[FileKind.SOURCE]
    return ctx.storage.local(source["key"]), ffmpeg.Probe.from_json(source["details"])


def _store(ctx: Context, folder: Path) -> Iterator[NewFile]:
    """Move what was made into storage, in the order of names; every file is one of the ladder until `_kept` sorts them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            name = path.relative_to(folder).as_posix()
            key = ctx.key(f"ladder/{name}")
            yield NewFile(FileKind.LADDER, key, ctx.storage.put(key, path), sha256, {"name": name})
            ctx.check()


def _kept(files: list[NewFile], result: dict[str, Any], of_sha256: str) -> Iterator[NewFile]:
    """The rows: MP4 and poster for themselves with the content they are of, everything that the master leads to in one."""
    parts = {}
    for file in files:
        name = (file.details or {})["name"]
        if kind := _SINGLE.get(name):
            yield NewFile(kind, file.key, file.size_bytes, file.sha256, {"of_sha256": of_sha256})
        else:
            parts[name] = file
    listed = [{"name": name, "size_bytes": part.size_bytes, "sha256": part.sha256} for name, part in parts.items()]
    size_bytes = sum(part.size_bytes for part in parts.values())
    master = parts[_MASTER]
    yield NewFile(FileKind.LADDER, master.key, size_bytes, master.sha256, {**result, "files": listed})
