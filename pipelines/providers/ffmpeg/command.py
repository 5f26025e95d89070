"""How ffmpeg and ffprobe are called: where they are, and what every call carries so that hostile bytes stay harmless."""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from core.children import Limits, Output, Run
from core.errors import ChildDied, DiskFull, Misconfigured, Transient
from core.local_stack.programs import find_media

MAX_PIXELS = 8192 * 4320
MAX_ALLOCATION_BYTES = 1 << 30
# Containers of one file. A protocol list alone lets a playlist named .mp4 read its neighbours (reference/video.md §0.4).
DEMUXERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,wav,mp3,aac,flac,mxf"
OWN_DEMUXERS = "hls,mov"
THREADS = min(4, os.cpu_count() or 1)

_PLACE = "source"  # stands for the input until a graph is compiled: ffmpeg-python fails on names that are not UTF-8
_ROOM_BYTES = 32 << 20
_OUT_OF_MEMORY, _OUT_OF_SPACE = (256 - 12), (256 - 28)  # ffmpeg 6.1 and later exit with the low byte of -errno


@cache
def program(name: str) -> str:
    """The absolute path of `ffmpeg` or `ffprobe`: the one on PATH, else the one that the launcher installed as a wheel."""
    found = find_media(name)
    if found is None:
        raise Misconfigured(f"{name} was not found on PATH: install it (Debian: apt-get install ffmpeg) and start again")
    return str(found)


def file_url(path: Path) -> str:
    """A name that ffmpeg can only read as this one file, whatever characters it has."""
    return f"file:{path.absolute()}"


@dataclass(frozen=True, slots=True)
class Media:
    """One input of a call: what was sent to us, or (`own`) what we made."""

    path: Path
    own: bool = False

    @property
    def inputs(self) -> tuple[Path, ...]:
        """What the sandbox must show beside the attempt's folder."""
        return () if self.own else (self.path,)

    def options(self) -> dict[str, Any]:
        """The options that stand before `-i`."""
        shared = {"protocol_whitelist": "file", "max_pixels": MAX_PIXELS}
        if not self.own:
            return {**shared, "format_whitelist": DEMUXERS}
        if self.path.suffix == ".m3u8":
            return {**shared, "format_whitelist": OWN_DEMUXERS, "allowed_extensions": "ALL"}
        return {**shared, "format_whitelist": "mov"}


def ffprobe_argv(media: Media, *options: str) -> list[str]:
    """The call of ffprobe that reads `media` with these options."""
    start = [program("ffprobe"), "-v", "error", "-hide_banner", "-max_alloc", str(MAX_ALLOCATION_BYTES), "-threads", "1"]
    before = [part for key, value in media.options().items() for part in (f"-{key}", str(value))]
    return [*start, *before, "-probesize", "50M", "-analyzeduration", "20M", *options, "-i", file_url(media.path)]


def source_node(media: Media, **options: object) -> Any:  # noqa: ANN401  (ffmpeg-python publishes no types)
    """`media` as the input of an ffmpeg-python graph, to be compiled by `compile_argv` with the same `media`."""
    import ffmpeg

    return ffmpeg.input(_PLACE, threads=THREADS, **media.options(), **options)


def compile_argv(media: Media, outputs: Any, *, options: tuple[str, ...] = ()) -> list[str]:  # noqa: ANN401
    """The argv of a graph over `media`. ffmpeg-python only compiles: it has no time-out, no limits and no progress of its own."""
    start = [program("ffmpeg"), "-nostdin", "-hide_banner", "-v", "error", "-y", "-max_alloc", str(MAX_ALLOCATION_BYTES)]
    reports = ["-progress", "pipe:1", "-stats_period", "0.5", "-filter_complex_threads", str(THREADS)]
    argv: list[str] = outputs.compile(cmd=[*start, *reports, *options])
    return [file_url(media.path) if part == _PLACE else part for part in argv]


def limits_for(seconds: float, *, memory_bytes: int = 6 << 30) -> Limits:
    """What a call that reads `seconds` of film may use: generous, since only a hanging or hostile one should meet them."""
    return replace(
        Limits(), cpu_seconds=int(600 + 60 * seconds), deadline_seconds=600 + 60 * seconds, memory_bytes=memory_bytes
    )


@dataclass(slots=True)
class ProgressLines:
    """Turns the lines of `-progress` into a fraction that never falls, and keeps the last count of frames."""

    seconds: float
    report: Callable[[float], None]
    frames: int = 0
    _highest: float = 0.0

    def __call__(self, line: str) -> None:
        key, _, value = line.strip().partition("=")
        if not value.lstrip("-").isdigit():  # early values may be N/A
            return
        if key == "frame":
            self.frames = int(value)
        elif key == "out_time_us" and self.seconds > 0:
            self._highest = max(self._highest, min(1.0, int(value) / 1e6 / self.seconds))
            self.report(self._highest)


def require_success(output: Output, deed: str, folder: Path) -> None:
    """Raise what a failed ffmpeg means for the step: no room, no memory, or a try again."""
    # Before 6.1 ffmpeg exits with 1, or with 0 when only the last write failed, and tells the reason in words.
    told = output.returncode == _OUT_OF_SPACE or os.strerror(errno.ENOSPC) in output.stderr
    if output.returncode == 0 and not told:
        return
    if told or shutil.disk_usage(folder).free < _ROOM_BYTES:
        raise DiskFull(f"no room while {deed}: free space on the disk of the attempts folder")
    last = " | ".join(output.stderr.strip().splitlines()[-3:])[-500:]
    evidence: dict[str, object] = {"returncode": output.returncode, "stderr": last}
    if output.returncode == _OUT_OF_MEMORY:
        raise ChildDied(f"ffmpeg ran out of memory while {deed}", evidence=evidence)
    raise Transient(f"ffmpeg failed while {deed} (exit {output.returncode}): {last}")


def execute(run: Run, argv: list[str], media: Media, seconds: float, *, on_line: Callable[[str], None] | None = None) -> Output:
    """Run one ffmpeg over `media`, with limits that fit its length."""
    return run(argv, inputs=media.inputs, limits=limits_for(seconds), on_line=on_line)
