"""The clock of a file, from its packets: cheap, since nothing is decoded, and true where headers lie."""

from array import array
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from core.children import Output, Run
from pipelines.providers.ffmpeg.command import Media, ffprobe_argv, limits_for

_JITTER_SECONDS = 0.0025  # Matroska and FLV round to milliseconds


@dataclass
class Track:
    """When one stream's packets are shown, seconds on the file's own clock."""

    starts: "array[float]" = field(default_factory=lambda: array("d"))
    keyframes: list[float] = field(default_factory=list)
    stated_end: float = float("-inf")  # the latest packet's end, as far as durations are stated
    extent: float = float("-inf")  # the same with the packets that an edit list hides

    @property
    def packets(self) -> int:
        """How many packets are shown."""
        return len(self.starts)

    @cached_property
    def ordered(self) -> list[float]:
        """The packets' times, rising."""
        return sorted(self.starts)

    @cached_property
    def gaps(self) -> list[float]:
        """The times from one packet to the next, rising."""
        return sorted(later - earlier for earlier, later in pairwise(self.ordered))

    @property
    def step(self) -> float:
        """The median time from one packet to the next; 0 when there is one only."""
        return self.gaps[len(self.gaps) // 2] if self.gaps else 0.0

    @property
    def start(self) -> float:
        """When the first packet is shown."""
        return self.ordered[0]

    @property
    def end(self) -> float:
        """When the last packet ends; one that states no duration lasts as long as the usual one."""
        return max(self.stated_end, self.ordered[-1] + (self.step if self.stated_end <= self.ordered[-1] else 0.0))

    @cached_property
    def even_gaps(self) -> list[float]:
        """The gaps that are the median one but for rounding."""
        step, tolerance = self.step, max(_JITTER_SECONDS, self.step / 10)
        return [gap for gap in self.gaps if abs(gap - step) <= tolerance]

    @property
    def varies(self) -> bool:
        """Whether frames come at uneven times (beyond rounding), so that the rate must be made constant."""
        return len(self.gaps) - len(self.even_gaps) > max(1, self.packets // 200)

    @property
    def rate(self) -> float:
        """Packets per second: over all of them when they come unevenly, else of the even ones; 0 when that is unknown."""
        gaps = self.gaps if self.varies else self.even_gaps
        return len(gaps) / sum(gaps) if sum(gaps) > 0 else 0.0


@dataclass
class Packets:
    """Collects `stream_index,pts_time,dts_time,duration_time,flags` lines of ffprobe into tracks."""

    tracks: dict[int, Track] = field(default_factory=dict)

    def __call__(self, line: str) -> None:
        parts = line.strip().split(",")
        if len(parts) < 5 or not parts[0].isdigit():  # noqa: PLR2004
            return
        start = _seconds(parts[1], _seconds(parts[2], None))
        if start is None:
            return
        self._add(self.tracks.setdefault(int(parts[0]), Track()), start, _seconds(parts[3], 0.0) or 0.0, parts[4])

    @staticmethod
    def _add(track: Track, start: float, duration: float, flags: str) -> None:
        track.extent = max(track.extent, start + duration)
        if "D" in flags:
            return
        track.starts.append(start)
        track.stated_end = max(track.stated_end, start + duration)
        if "K" in flags:
            track.keyframes.append(start)


def _seconds(text: str, otherwise: float | None) -> float | None:
    try:
        return float(text)
    except ValueError:
        return otherwise


def read_packets(run: Run, media: Media, *, seconds: float = 3600) -> tuple[dict[int, Track], Output]:
    """Every stream's track, by stream index, and how ffprobe ended (a damaged file gives the packets before the damage)."""
    packets = Packets()
    entries = "packet=stream_index,pts_time,dts_time,duration_time,flags"
    argv = ffprobe_argv(media, "-show_entries", entries, "-of", "csv=p=0")
    output = run(argv, inputs=media.inputs, limits=limits_for(seconds), on_line=packets)
    return packets.tracks, output
