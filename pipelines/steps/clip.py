"""Cuts a clip out of its parent's film, with what was said in that part."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import RowMapping

from core.errors import Refused
from db import videos
from db.base.videos import VideoStatus
from db.jobs import Needs
from db.videos import FileKind, NewFile
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers import ffmpeg
from pipelines.steps.extras import shifted
from pipelines.transcript import Stretch, Transcript
from pipelines.transcript.captions import make_cues, to_srt, to_webvtt


def needs_of_cut(ctx: Context) -> Needs:
    """A part is at most as long as the whole, and of twice its rate."""
    film = _parent(ctx)[1].get(FileKind.MP4)
    return Needs(disk_bytes=3 * film["size_bytes"] if film else 0)


@step(queue="media", max_attempts=3, needs=needs_of_cut)
def cut(ctx: Context) -> object:
    """Make the clip's own film, poster, transcript and captions; it can be edited then."""
    video_id = ctx.args["video_id"]
    clip, files = _parent(ctx)
    if FileKind.MP4 not in files:
        raise Refused("The video that this clip is a part of has no film any more.")
    start_ms, end_ms = clip["start_sec"] * 1000, clip["end_sec"] * 1000
    target, poster = ctx.folder / "clip.mp4", ctx.folder / "poster.jpg"
    film = ctx.storage.local(files[FileKind.MP4]["key"])
    made = ffmpeg.make_cut(ctx.run, film, start_ms, end_ms, target, progress=lambda share: ctx.progress(share, "cutting"))
    found = ffmpeg.probe(ctx.run, target)
    ffmpeg.make_poster(ctx.run, target, target, made.seconds, poster)
    ctx.log(f"cut {made.seconds:.2f} s, {made.frames} frames")
    spoken = _spoken(ctx, files, start_ms, start_ms + round(made.seconds * 1000))
    of = {"film_sha256": files[FileKind.MP4]["sha256"], "start_ms": start_ms, "end_ms": end_ms}
    source = stored(ctx, FileKind.SOURCE, target.name, found.as_json())
    kept = [
        source,
        replace(source, kind=FileKind.MP4, details={"of_sha256": source.sha256, "cut_of": of}),
        stored(ctx, FileKind.POSTER, poster.name),
        *_written(ctx, spoken),
    ]
    with ctx.complete({"seconds": made.seconds, "frames": made.frames, "sha256": source.sha256}) as session:
        videos.keep_files(session, video_id, kept)
        videos.update_video(
            session,
            video_id,
            status=VideoStatus.READY_TO_EDIT,
            error_message=None,
            duration_ms=round(made.seconds * 1000),
            storage_path=source.key,
            file_size=source.size_bytes,
            mime_type="video/mp4",
            transcript=spoken.text if spoken else None,
            captions=list(_cues_of(ctx, clip, start_ms, end_ms)),
        )
    return None


def _parent(ctx: Context) -> tuple[RowMapping, Mapping[str, RowMapping]]:
    """The clip, and the files of the video that it is a part of."""
    with ctx.read() as session:
        clip = videos.get_video(session, ctx.args["video_id"])
        return clip, videos.list_files(session, clip["parent_video_id"])


def stored(ctx: Context, kind: FileKind, name: str, details: Mapping[str, Any] | None = None) -> NewFile:
    """A file of the attempt's folder, moved into storage."""
    path = ctx.folder / name
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    key = ctx.key(name)
    return NewFile(kind, key, ctx.storage.put(key, path), sha256, details)


def _spoken(ctx: Context, files: Mapping[str, RowMapping], start_ms: int, end_ms: int) -> Transcript | None:
    """What is said in the part, on its own clock. A word over an edge belongs to the part: it can be heard."""
    if FileKind.TRANSCRIPT not in files:
        return None
    with ctx.storage.open(files[FileKind.TRANSCRIPT]["key"]) as file:
        whole = Transcript.from_json(json.load(file))
    first, last = start_ms / 1000, end_ms / 1000

    def within(start: float, end: float) -> tuple[float, float] | None:
        return (max(start, first) - first, min(end, last) - first) if start < last and end > first else None

    words = [
        replace(word, start_seconds=at[0], end_seconds=at[1])
        for word in whole.words
        if (at := within(word.start_seconds, word.end_seconds))
    ]
    speech = [Stretch(*at) for one in whole.speech if (at := within(one.start_seconds, one.end_seconds))]
    return Transcript(tuple(words), tuple(speech), last - first, whole.language, whole.engine)


def _written(ctx: Context, spoken: Transcript | None) -> list[NewFile]:
    if spoken is None:
        return []
    cues = make_cues(spoken)
    contents = {
        FileKind.TRANSCRIPT: ("transcript.json", json.dumps(spoken.as_json())),
        FileKind.CAPTIONS_VTT: ("captions.vtt", to_webvtt(cues)),
        FileKind.CAPTIONS_SRT: ("captions.srt", to_srt(cues)),
    }
    for name, content in contents.values():
        (ctx.folder / name).write_text(content)
    return [stored(ctx, kind, name) for kind, (name, _) in contents.items()]


def _cues_of(ctx: Context, clip: RowMapping, start_ms: int, end_ms: int) -> list[dict[str, object]]:
    """The parent's captions, with what people have changed in them."""
    with ctx.read() as session:
        captions = videos.get_video(session, clip["parent_video_id"])["captions"]
    cues = shifted(captions, start_ms, end_ms)
    return [{"startMs": cue.start_ms, "endMs": cue.end_ms, "text": "\n".join(cue.lines)} for cue in cues]
