"""What is said in a video, for steps that work with its words."""

import json
from typing import Any

from core.errors import Refused
from db import videos
from db.videos import FileKind
from pipelines.context import Context
from pipelines.transcript import Transcript
from pipelines.transcript.earlier import earlier_transcript


def load_transcript(ctx: Context, video_id: int) -> Transcript:
    """Every word with its time; of a video of an earlier system as well as can be. Raises NotFound, Refused."""
    with ctx.read() as session:
        video: dict[str, Any] = dict(videos.get_video(session, video_id))
        file = videos.list_files(session, video_id).get(FileKind.TRANSCRIPT)
    if file is not None:
        with ctx.storage.open(file["key"]) as opened:
            return Transcript.from_json(json.load(opened))
    earlier = earlier_transcript(video)
    if earlier is None:
        raise Refused(f"video {video_id} has no transcript: take the file in again")
    return earlier
