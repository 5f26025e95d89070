"""A picture that stands for a video: bright enough, rich in contrast, not from its very first moments."""

from dataclasses import dataclass, field
from pathlib import Path

from core.children import Run
from pipelines.providers.ffmpeg.command import Media, compile_argv, execute, file_url, require_success, source_node

_EVERY_FRAME_SECONDS = 20  # shorter films are looked at frame by frame: they have few keyframes
_DARK, _BRIGHT = 40, 200
_KEYS = ("YLOW", "YAVG", "YHIGH")


@dataclass
class Looks:
    """Collects the lines of `signalstats` into one (time, low, average, high luma) per frame."""

    frames: list[dict[str, float]] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        head, _, value = line.strip().rpartition("=" if "=" in line else ":")
        if line.startswith("frame:"):
            time = float(value)
            if not self.frames or self.frames[-1]["time"] != time:
                self.frames.append({"time": time})
        elif head.startswith("lavfi.signalstats.") and self.frames:
            self.frames[-1][head.rpartition(".")[2]] = float(value)

    def best_time(self, seconds: float) -> float:
        """When the best frame is shown; 0 when none was seen."""
        whole = [frame for frame in self.frames if all(key in frame for key in _KEYS)]
        return max(whole, key=lambda frame: _score(frame, seconds), default={"time": 0.0})["time"]


def _score(frame: dict[str, float], seconds: float) -> float:
    """Contrast, halved outside of 10 to 60 % of the film, and nearly nothing for a frame that is dark or burnt out."""
    visible = 1.0 if _DARK <= frame["YAVG"] <= _BRIGHT else 0.1
    place = 1.0 if 0.1 * seconds <= frame["time"] <= 0.6 * seconds else 0.5
    return visible * place * (1 + frame["YHIGH"] - frame["YLOW"])


def make_poster(run: Run, small: Path, best: Path, seconds: float, target: Path) -> None:
    """Write a JPEG of a good frame: looked for in `small` (the playlist of the lowest rung), taken from `best`."""
    looks = Looks()
    media = Media(small, own=True)
    node = source_node(media, **({} if seconds <= _EVERY_FRAME_SECONDS else {"skip_frame": "nokey"}))
    picture = node["v:0"].filter("signalstats")
    for key in _KEYS:
        # direct: each of the three would fill a buffer of its own, and the values of one frame would come far apart.
        picture = picture.filter("metadata", "print", key=f"lavfi.signalstats.{key}", file="-", direct=1)
    ended = execute(run, compile_argv(media, picture.output("-", format="null")), media, seconds, on_line=looks)
    require_success(ended, "looking for a poster", target.parent)
    _take(run, Media(best, own=True), looks.best_time(seconds), target)


def _take(run: Run, media: Media, time: float, target: Path) -> None:
    picture = source_node(media, ss=f"{max(0.0, time - 0.001):.6f}")["v:0"]
    output = picture.output(file_url(target), vframes=1, **{"q:v": 3, "format": "image2", "update": 1, "pix_fmt": "yuvj420p"})
    require_success(execute(run, compile_argv(media, output), media, 60), "taking the poster", target.parent)
