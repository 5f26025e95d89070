"""Pictures: what a file of one is, and a thumbnail drawn over a frame."""

from pipelines.providers.picture.kinds import Kind, find_kind
from pipelines.providers.picture.thumbnail import draw_thumbnail

__all__ = ["Kind", "draw_thumbnail", "find_kind"]
