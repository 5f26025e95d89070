"""What stands beside a published video: its thumbnail and its captions."""

from collections.abc import Iterator
from typing import Any

from db import videos
from db.videos import FileKind
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers.publisher import Publisher
from pipelines.steps.places import open_place
from pipelines.transcript.captions import Cue, to_srt

_LARGEST_THUMBNAIL_BYTES = 2_000_000  # what YouTube took before its discovery document said 50 MB


@step(queue="io", max_attempts=3, optional=True)
def set_thumbnail(ctx: Context) -> object:
    """Give the video the picture that its owner chose; without one the place takes its own."""
    with ctx.read() as session:
        picture = videos.list_files(session, ctx.args["video_id"]).get(FileKind.THUMBNAIL)
    if picture is None or picture["size_bytes"] > _LARGEST_THUMBNAIL_BYTES:
        return {"set": False}
    place, shown_id = _open(ctx), ctx.args["shown_id"]

    def make() -> object:
        place.set_thumbnail(shown_id, ctx.storage.local(picture["key"]))
        return {"set": True}

    return ctx.effect(f"{place.name}.thumbnail", key=f"{shown_id}:{picture['sha256']}", make=make, find=lambda: None)


@step(queue="io", max_attempts=3, optional=True)
def add_captions(ctx: Context) -> object:
    """Give the video its captions, on the clock of what was uploaded."""
    with ctx.read() as session:
        video = videos.get_video(session, ctx.args["video_id"])
    cues = list(shifted(video["captions"], ctx.args["start_ms"], ctx.args["end_ms"]))
    if not cues:
        return {"captions": 0}
    place, shown_id = _open(ctx), ctx.args["shown_id"]
    language = video["language"] or "en"

    def make() -> object:
        place.add_captions(shown_id, language, to_srt(cues))
        return {"captions": len(cues)}

    return ctx.effect(f"{place.name}.captions", key=f"{shown_id}:{language}", make=make, find=lambda: None)


def shifted(captions: Any, start_ms: int, end_ms: int) -> Iterator[Cue]:  # noqa: ANN401  (a document)
    """The cues within a part, on its own clock."""
    for cue in captions if isinstance(captions, list) else ():
        start, end = max(cue["startMs"], start_ms), min(cue["endMs"], end_ms)
        if start < end and cue["text"].strip():
            yield Cue(start - start_ms, end - start_ms, tuple(cue["text"].splitlines()))


def _open(ctx: Context) -> Publisher:
    return open_place(ctx, {"name": ctx.args["place"], "account_id": ctx.args["account_id"]})
