"""The pipeline `thumbnail`: a picture that stands for a video is drawn over a frame of it."""

from dataclasses import dataclass

from pipelines.base import Pipeline
from pipelines.steps.thumbnail import draw


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """The video, and what a person wishes to see; what it has in quotes is written on it."""

    video_id: int
    prompt: str


PIPELINE = Pipeline("thumbnail", Thumbnail, (draw,))
