"""The pipeline `publish_extras`: a published video gets its thumbnail and its captions; `publish` asks for it."""

from dataclasses import dataclass

from pipelines.base import Pipeline
from pipelines.steps.extras import add_captions, set_thumbnail


@dataclass(frozen=True, slots=True)
class PublishExtras:
    """The video, what it is called at its place, and from when to when of the film it shows."""

    video_id: int
    shown_id: str
    start_ms: int
    end_ms: int
    place: str
    account_id: int | None = None


PIPELINE = Pipeline("publish_extras", PublishExtras, (set_thumbnail, add_captions))
