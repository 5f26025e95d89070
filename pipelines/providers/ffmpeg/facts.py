"""What is known of a source video before it is transcoded, in a form that fits in a step's result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True)
class Video:
    """The picture, with its size as a viewer sees it: rotated, and with square pixels."""

    codec: str
    width: int
    height: int
    rotation: int  # degrees that the player turns the coded picture: 0, 90, 180, 270
    fps: Fraction  # the standard rate to encode at, at most 60
    vfr: bool
    hdr: str | None  # smpte2084 or arib-std-b67; None: standard range
    interlaced: bool
    matrix: str  # bt601, bt709 or bt2020: how the coded colours are read
    index: int
    packets: int
    end_seconds: float  # when its last frame ends, counted from the first moment of the file


@dataclass(frozen=True, slots=True)
class Audio:
    """The sound that is kept: the default stream, else the first."""

    codec: str
    channels: int
    sample_rate: int
    index: int
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Probe:
    """A source that can be transcoded. `duration_seconds` is measured on its packets, never read from a header."""

    container: str
    duration_seconds: float
    size_bytes: int
    video: Video
    audio: Audio | None

    def as_json(self) -> dict[str, Any]:
        """Itself as JSON values; `from_json` reads it back unchanged."""
        plain = asdict(self)
        plain["video"]["fps"] = str(self.video.fps)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Probe":
        """The probe that `as_json` wrote."""
        video = {**plain["video"], "fps": Fraction(plain["video"]["fps"])}
        audio = plain["audio"]
        return cls(**{**plain, "video": Video(**video), "audio": Audio(**audio) if audio else None})
