"""Checks a video for what should stay confidential."""

import json

from db import confidentiality, videos
from db.videos import FileKind
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers import rules
from pipelines.transcript import Transcript


@step(queue="ai")
def review(ctx: Context) -> object:
    """Write a confidentiality check of what is said. A video is never clear by default: what was not checked is a finding."""
    video_id = ctx.args["video_id"]
    with ctx.write() as session:
        files = videos.list_files(session, video_id)
        videos.update_video(session, video_id, confidentiality_status="checking")
    source = files[FileKind.SOURCE]
    with ctx.storage.open(files[FileKind.TRANSCRIPT]["key"]) as file:
        transcript = Transcript.from_json(json.load(file))
    checked = rules.review(transcript, has_sound=source["details"]["audio"] is not None, content_hash=source["sha256"])
    ctx.log(checked.summary)
    result = {"clear": checked.clear, "findings": len(checked.segments)}
    with ctx.complete(result) as session:
        confidentiality.insert_check(
            session,
            video_id,
            clear=checked.clear,
            segments=checked.segments,
            summary=checked.summary,
            model_used=checked.model_used,
            triggered_by=ctx.held.owner_id,
        )
    return result
