"""HLS playlists: read the ones that ffmpeg writes, and write a master from what was measured."""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from core.errors import Transient

_AAC_LC = "mp4a.40.2"


@dataclass(frozen=True, slots=True)
class Segment:
    """One media segment: its file, its length and its weight."""

    name: str
    seconds: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """One rung or the sound, as its playlist lists it."""

    target_seconds: int
    init: str
    segments: tuple[Segment, ...]
    ended: bool  # it says VOD and ENDLIST: a player may seek at once

    @property
    def seconds(self) -> float:
        """The length of all segments."""
        return sum(segment.seconds for segment in self.segments)

    @property
    def names(self) -> list[str]:
        """The segments' files, in order."""
        return [segment.name for segment in self.segments]

    @property
    def cuts(self) -> list[float]:
        """When each segment starts, seconds from the first."""
        return [0.0, *accumulate(segment.seconds for segment in self.segments[:-1])]

    @property
    def average(self) -> int:
        """Bits per second over all segments."""
        return math.ceil(sum(segment.size_bytes for segment in self.segments) * 8 / self.seconds)

    @property
    def peak(self) -> int:
        """The largest bit rate of neighbours that last 0.5 to 1.5 target durations together (RFC 8216 §4.1)."""
        return max([self.average, *map(math.ceil, self._window_rates())])

    def _window_rates(self) -> list[float]:
        rates = []
        for first in range(len(self.segments)):
            seconds = size = 0.0
            for segment in self.segments[first:]:
                seconds, size = seconds + segment.seconds, size + segment.size_bytes
                if seconds > 1.5 * self.target_seconds:
                    break
                if seconds >= 0.5 * self.target_seconds:
                    rates.append(size * 8 / seconds)
        return rates


def read_media_playlist(path: Path) -> MediaPlaylist:
    """The playlist at `path` with the sizes of its files. Raises Transient when it is no complete one."""
    try:
        return _parse(path)
    except (OSError, ValueError, IndexError) as error:
        raise Transient(f"ffmpeg left no complete playlist at {path.parent.name}/{path.name}: {error}") from error


def _parse(path: Path) -> MediaPlaylist:
    lines = path.read_text().splitlines()
    tags = dict(line.split(":", 1) for line in lines if line.startswith("#EXT-X-") and ":" in line)
    lengths = [float(line.removeprefix("#EXTINF:").split(",")[0]) for line in lines if line.startswith("#EXTINF:")]
    names = [line for line in lines if line and not line.startswith("#")]
    pairs = zip(names, lengths, strict=True)
    segments = tuple(Segment(name, seconds, (path.parent / name).stat().st_size) for name, seconds in pairs)
    if not segments or not any(segment.seconds for segment in segments):
        raise ValueError("it lists nothing")
    ended = "#EXT-X-ENDLIST" in lines and tags.get("#EXT-X-PLAYLIST-TYPE") == "VOD"
    init = tags.get("#EXT-X-MAP", "").removeprefix('URI="').split('"')[0]
    return MediaPlaylist(int(tags.get("#EXT-X-TARGETDURATION", "0")), init, segments, ended)


def read_master(path: Path) -> set[str]:
    """The playlists that a master names. Raises Transient when it cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise Transient(f"{path.name} cannot be read: {error}") from error
    sounds = {part.removeprefix('URI="').rstrip('"') for line in lines for part in line.split(",") if part.startswith("URI=")}
    return sounds | {line for line in lines if line and not line.startswith("#")}


def avc_codec(init: Path) -> str:
    """The RFC 6381 name of the H.264 stream that this init segment announces: profile, constraints and level."""
    head, mark, record = init.read_bytes().partition(b"avcC")
    if not mark or len(record) < 4:  # noqa: PLR2004  (version, profile, constraints, level)
        raise Transient(f"{init.parent.name}/{init.name} announces no H.264 stream ({len(head)} bytes)")
    return f"avc1.{record[1:4].hex().upper()}"


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the master playlist."""

    uri: str
    width: int
    height: int
    bandwidth: int
    average_bandwidth: int
    codec: str


def write_master(path: Path, variants: list[Variant], fps: Fraction, channels: int) -> None:
    """Write the master playlist, best rung first; `channels` 0 means that there is no sound."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if channels:
        sound = 'TYPE=AUDIO,GROUP-ID="audio",NAME="audio",DEFAULT=YES,AUTOSELECT=YES'
        lines.append(f'#EXT-X-MEDIA:{sound},CHANNELS="{channels}",URI="a0/index.m3u8"')
    for variant in variants:
        lines += [f"#EXT-X-STREAM-INF:{_attributes(variant, fps, with_sound=channels > 0)}", variant.uri]
    path.write_text("\n".join(lines) + "\n")


def _attributes(variant: Variant, fps: Fraction, *, with_sound: bool) -> str:
    codecs = f"{variant.codec},{_AAC_LC}" if with_sound else variant.codec
    parts = [f"BANDWIDTH={variant.bandwidth}", f"AVERAGE-BANDWIDTH={variant.average_bandwidth}"]
    parts += [f"RESOLUTION={variant.width}x{variant.height}", f"FRAME-RATE={float(fps):.3f}", f'CODECS="{codecs}"']
    return ",".join([*parts, 'AUDIO="audio"'] if with_sound else parts)
