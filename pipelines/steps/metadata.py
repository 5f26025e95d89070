"""Drafts what stands beside a video, from what is said in it."""

from core.errors import Refused
from core.settings import settings
from db import videos
from db.base.videos import VideoStatus
from pipelines.base import step
from pipelines.context import Context
from pipelines.drafts import metadata
from pipelines.providers.language import get_language

_MOST_CHARACTERS = 60_000  # of a transcript; what is said later seldom changes what a talk is about


@step(queue="ai")
def draft(ctx: Context) -> object:
    """Write title, description, tags, hashtags, sentiment and a thumbnail's description onto the video."""
    video_id, language = ctx.args["video_id"], get_language(settings())
    if language.provider:
        ctx.calls(language.provider)
    with ctx.read() as session:
        video = videos.get_video(session, video_id)
    captions, transcript = video["captions"], video["transcript"]
    if not transcript:
        raise Refused("This video has no transcript, so there is nothing to draft from.")
    cues = captions or [{"text": transcript, "startMs": 0, "endMs": video["duration_ms"] or 0}]
    made = language.ask(
        metadata.Draft,
        metadata.INSTRUCTIONS,
        {"transcript": transcript[:_MOST_CHARACTERS]},
        by_rules=lambda: metadata.by_rules(cues, video["title"] or video["original_filename"]),
    )
    ctx.log(f"drafted by {language.name}")
    values = {
        "title": made.title[:100],
        "description": made.description[:5000],
        "tags": ", ".join(made.tags[:30])[:500],
        "hashtags": " ".join(made.hashtags[:15])[:500],
        "sentiment": made.sentiment[:50],
        "thumbnail_prompt": made.thumbnail_prompt[:500],
    }
    with ctx.complete({"by": language.name}) as session:
        videos.update_video(session, video_id, status=ctx.args["back_to"] or VideoStatus.READY_TO_EDIT, **values)
    return {"by": language.name}
