"""Publishes a video: the content that is uploaded, once and private, and to whom it is shown in the end."""

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping

from core.errors import NotFound, Permanent, Refused, Snoozed
from core.settings import settings
from db import publishing, videos
from db.base.videos import Privacy
from db.jobs import Needs
from db.videos import FileKind, NewFile
from pipelines.base import enqueue, step
from pipelines.context import Context
from pipelines.providers import ffmpeg
from pipelines.providers.publisher import Publisher, Shown, Upload
from pipelines.steps.places import choose_place, open_place
from pipelines.steps.sending import Sending

_LOOK_AGAIN = timedelta(seconds=10)


def needs_of_export(ctx: Context) -> Needs:
    """A part is at most as long as the whole, and of twice its rate."""
    with ctx.read() as session:
        film = publishing.find_film(session, videos.get_video(session, ctx.args["video_id"]))
    return Needs(disk_bytes=3 * film["size_bytes"] if film else 0)


@step(queue="media", max_attempts=3, needs=needs_of_export)
def export(ctx: Context) -> object:
    """Cut what is to be uploaded, or take the whole film, and choose where it goes."""
    with ctx.read() as session:
        video = videos.get_video(session, ctx.args["video_id"])
        film = publishing.find_film(session, video)
        place = choose_place(session, settings(), ctx.args["channel_id"])
        earlier = videos.list_files(session, video["id"]).get(FileKind.EXPORT)
    if film is None:
        raise Refused("The film of this video is not there any more. Please run its ingest again.")
    part = part_of(video, film)
    of_sha256 = (film["details"] or {}).get("of_sha256")
    cut = {"of_sha256": of_sha256, "film_sha256": film["sha256"], "start_ms": part[0], "end_ms": part[1]}
    result = {"place": place, "start_ms": part[0], "end_ms": part[1], "of_sha256": of_sha256}
    if part == (0, film_ms(video, film)):
        return result | {name: film[name] for name in ("key", "size_bytes", "sha256")}
    if earlier is not None and earlier["details"] == cut:
        return result | {name: earlier[name] for name in ("key", "size_bytes", "sha256")}
    made = _cut(ctx, film["key"], part, cut)
    with ctx.complete(done := result | {"key": made.key, "size_bytes": made.size_bytes, "sha256": made.sha256}) as session:
        videos.keep_files(session, video["id"], [made])
    return done


def film_ms(video: RowMapping, film: RowMapping) -> int:
    """How long the film is; a clip that has none of its own is a part of its parent's."""
    is_own = film["video_id"] == video["id"]
    return int(video["duration_ms"] or 0) if is_own else -1


def part_of(video: RowMapping, film: RowMapping) -> tuple[int, int]:
    """From when to when of the film a video is shown: its trim, on top of the part that a clip without a film is."""
    first, last = 0, int(video["duration_ms"] or 0)
    if film["video_id"] != video["id"]:
        first, last = int(video["start_sec"] or 0) * 1000, int(video["end_sec"] or 0) * 1000
    start = first + int(video["trim_start_ms"] or 0)
    end = min(last, first + int(video["trim_end_ms"])) if video["trim_end_ms"] else last
    if end <= start:
        raise Refused("The trim of this video leaves nothing of it. Please choose another start or end.")
    return start, end


def _cut(ctx: Context, key: str, part: tuple[int, int], details: dict[str, Any]) -> NewFile:
    target = ctx.folder / "export.mp4"
    film = ctx.storage.local(key)
    made = ffmpeg.make_cut(ctx.run, film, *part, target, progress=lambda share: ctx.progress(share, "cutting"))
    with target.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    stored = ctx.key("export.mp4")
    ctx.log(f"cut {made.seconds:.2f} s, {made.frames} frames")
    return NewFile(FileKind.EXPORT, stored, ctx.storage.put(stored, target), sha256, details)


@step(queue="io", max_attempts=8)
def upload(ctx: Context) -> object:
    """Upload the content as a private video: once, whatever attempts and answers are lost on the way."""
    content = ctx.result("export")
    place = open_place(ctx, content["place"])
    with ctx.read() as session:
        video = videos.get_video(session, ctx.args["video_id"])
    removed = len((video["youtube_response"] or {}).get("removed", ()))
    key = f"video:{video['id']}:{content['sha256']}:{content['place']['channel_id'] or 'own'}:{removed}"
    marker = f"askstephen-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    sending = Sending(ctx, place, _described(ctx, video, content, marker))
    request = {"sha256": content["sha256"], "size_bytes": content["size_bytes"], "marker": marker}
    made = ctx.effect(f"{place.name}.upload", key=key, make=sending.make, find=sending.find, request=request)
    ctx.log(f"{content['size_bytes']} bytes are {made['id']} at {place.name}, private")
    return made


def _described(ctx: Context, video: RowMapping, content: dict[str, Any], marker: str) -> Upload:
    words = [part for part in (video["description"], video["hashtags"]) if part]
    tags = [tag.strip().lstrip("#") for tag in (video["tags"] or "").split(",")]
    return Upload(
        path=ctx.storage.local(content["key"]),
        size_bytes=content["size_bytes"],
        title=video["title"] or video["original_filename"],
        description="\n\n".join(words),
        tags=tuple(tag for tag in tags if tag),
        category=video["category"] or "22",
        language=video["language"] or "en",
        marker=marker,
    )


@step(queue="io", max_attempts=8)
def reveal(ctx: Context) -> object:
    """Read the video back, and show it to whom a person asked where the check of that very content passed: else it stays private."""
    video_id, content = ctx.args["video_id"], ctx.result("export")
    place = open_place(ctx, content["place"])
    shown = _arrived(ctx, place, ctx.result("upload")["id"], content["size_bytes"])
    wanted, objection = Privacy(ctx.args["privacy"]), None
    if wanted is not Privacy.PRIVATE:
        with ctx.read() as session:
            objection = publishing.find_objection(session, videos.get_video(session, video_id), content["of_sha256"])
    target = Privacy.PRIVATE if objection else wanted
    if shown.privacy is not target:
        shown = _set_privacy(ctx, place, shown.id, target)
    note = f"It stays private: {objection}." if objection else None
    if shown.privacy is not target:
        note = f"{place.name} shows it as {shown.privacy}, not as {target}, as asked."
    ctx.log(note or f"it is {shown.privacy} at {shown.url}")
    row = {"id": shown.id, "url": shown.url, "channel_id": shown.channel_id, "privacy": shown.privacy}
    response = {"place": place.name, "sha256": content["sha256"], "size_bytes": shown.size_bytes}
    beside = {"video_id": video_id, "shown_id": shown.id, "start_ms": content["start_ms"], "end_ms": content["end_ms"]}
    with ctx.complete(row | {"note": note}) as session:
        publishing.end(session, video_id, row, response=response, note=note)
        # A job of its own: captions may have to wait for tomorrow's quota.
        args = {**beside, "place": content["place"]["name"], "account_id": content["place"]["account_id"]}
        enqueue(session, "publish_extras", args, owner_id=ctx.held.owner_id, subject=videos.subject(video_id))
    return row


def _arrived(ctx: Context, place: Publisher, shown_id: str, size_bytes: int) -> Shown:
    """The video as it is there. Raises Snoozed until it can be watched, Refused where it never will."""
    try:
        shown = place.look(shown_id)
    except NotFound:
        with ctx.write() as session:
            publishing.keep_removal(session, ctx.args["video_id"], shown_id)
        raise Refused("The video was taken away there since. Publish it again, and it is uploaded anew.") from None
    if shown.failure:
        raise Refused(shown.failure)
    if shown.size_bytes not in {None, size_bytes}:
        raise Permanent(f"{place.name} has {shown.size_bytes} bytes of {shown_id}, not the {size_bytes} that were sent")
    if not shown.is_processed:
        raise Snoozed(f"{place.name} is still processing it", delay=_LOOK_AGAIN)
    return shown


def _set_privacy(ctx: Context, place: Publisher, shown_id: str, target: Privacy) -> Shown:
    def make() -> object:
        place.set_privacy(shown_id, target)
        return {"privacy": target}

    def find() -> object | None:
        return {"privacy": target} if place.look(shown_id).privacy is target else None

    key = f"{shown_id}:{target}:{ctx.held.job_id}"
    ctx.effect(f"{place.name}.privacy", key=key, make=make, find=find, request={"privacy": target})
    return place.look(shown_id)
