"""Pictures of a source wherever something else stands on its screen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.children import Run
from pipelines.providers.ffmpeg.command import Media, compile_argv, execute, file_url, require_success, source_node
from pipelines.providers.ffmpeg.facts import Probe

_MOST_LOOKS = 1200  # at a film; a longer one is looked at less often than each second
_LONGEST_SIDE = 1920
# A picture is another one where more than some hundred of its 8x8 windows are: a few words are, a mouse pointer is not. The filter
# compares with the last picture that was kept, counts windows at every fourth pixel, and takes the share of windows at every 16th.
_CHANGED = {"hi": 64 * 255 + 1, "lo": 64 * 8, "frac": 0.03}


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG, and the part of the film in which the screen looks so; its start is early by up to one look."""

    path: Path
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Pictures:
    """What was taken of a film."""

    pictures: tuple[Picture, ...]
    every_seconds: float
    is_thinned: bool


@dataclass
class _Times:
    """Collects when each picture that was written is shown."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        if line.startswith("frame:"):
            self.seconds.append(float(line.rpartition(":")[2]))


def take_pictures(run: Run, source: Path, probe: Probe, folder: Path, *, most: int) -> Pictures:
    """Write JPEGs into `folder` wherever the screen changed, evenly thinned to `most`. May be repeated."""
    for old in folder.glob("*.jpg"):
        old.unlink()
    folder.mkdir(exist_ok=True)
    every = max(1.0, probe.duration_seconds / _MOST_LOOKS)
    media, times = Media(source), _Times()
    picture = source_node(media)[str(probe.video.index)].filter("fps", fps=f"{1 / every:.6f}", start_time=0)
    longest = {"w": f"min({_LONGEST_SIDE},iw)", "h": f"min({_LONGEST_SIDE},ih)"}
    picture = picture.filter("scale", **longest, force_original_aspect_ratio="decrease", force_divisible_by=2)
    picture = picture.filter("format", "yuvj420p").filter("mpdecimate", **_CHANGED).filter("signalstats")
    picture = picture.filter("metadata", "print", key="lavfi.signalstats.YAVG", file="-", direct=1)
    output = picture.output(file_url(folder / "%06d.jpg"), format="image2", fps_mode="passthrough", **{"q:v": 3})
    ended = execute(run, compile_argv(media, output), media, probe.duration_seconds, on_line=times)
    require_success(ended, "taking pictures of the screen", folder)
    return _chosen(sorted(folder.glob("*.jpg")), times.seconds, every, probe.duration_seconds, most)


def _chosen(paths: Sequence[Path], seconds: Sequence[float], every: float, duration: float, most: int) -> Pictures:
    written = list(zip(paths, seconds, strict=False))
    kept = [written[index * len(written) // most] for index in range(most)] if len(written) > most else written
    ends = [time for _, time in kept[1:]] + [duration]
    pictures = tuple(
        Picture(path, max(0.0, time - every), max(end, time)) for (path, time), end in zip(kept, ends, strict=False)
    )
    return Pictures(pictures, every, len(written) > most)
