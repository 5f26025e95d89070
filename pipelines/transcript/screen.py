"""What stood on the screen of a video, frame by frame: made by an OCR provider, read by checks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Frame:
    """The lines of text that stood on the screen from a time until the next look found something else."""

    start_seconds: float
    end_seconds: float
    lines: tuple[str, ...]  # from top to bottom

    @property
    def text(self) -> str:
        """All lines as one."""
        return " ".join(self.lines)


@dataclass(frozen=True, slots=True)
class Screen:
    """Every frame that was read, in the order of time."""

    frames: tuple[Frame, ...]
    every_seconds: float  # a text that stood for less may have been missed
    is_thinned: bool  # more frames changed than were read
    engine: str

    def as_json(self) -> dict[str, Any]:
        """Itself as JSON values; `from_json` reads it back unchanged."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Screen":
        """The screen that `as_json` wrote."""
        frames = tuple(Frame(one["start_seconds"], one["end_seconds"], tuple(one["lines"])) for one in plain["frames"])
        return cls(frames, plain["every_seconds"], plain["is_thinned"], plain["engine"])
