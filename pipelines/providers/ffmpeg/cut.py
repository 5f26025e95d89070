"""A part of a video that we made, cut at the frame and proven to be as long as it was asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from core.children import Run
from core.errors import Refused, Transient
from pipelines.providers.ffmpeg import sniff
from pipelines.providers.ffmpeg.command import (
    Media,
    ProgressLines,
    compile_argv,
    execute,
    file_url,
    require_success,
    source_node,
)
from pipelines.providers.ffmpeg.packets import Track, read_packets

_SOUND_SLACK_SECONDS = 0.06  # two AAC frames of 1024 samples at 48 kHz, and rounding
_QUALITY = {"c:v": "libx264", "preset:v": "veryfast", "crf:v": 18, "profile:v": "high", "pix_fmt": "yuv420p"}
_CLEAN = {"map_metadata": -1, "map_chapters": -1, "movflags": "+faststart", "format": "mp4"}
_COLOURS = dict.fromkeys(("color_primaries", "color_trc", "colorspace"), "bt709") | {"color_range": "tv"}


@dataclass(frozen=True, slots=True)
class Cut:
    """What was cut."""

    frames: int
    seconds: float
    has_sound: bool


def make_cut(
    run: Run, film: Path, start_ms: int, end_ms: int, target: Path, *, progress: Callable[[float], None] = lambda _: None
) -> Cut:
    """Write the frames of `film` that are shown from `start_ms` to `end_ms`, with their sound, as an MP4. May be repeated.

    `film` is an MP4 of ours, with frames at even times. Raises Refused when the part is not within the film, Transient when what
    was written is not what was asked for.
    """
    media = Media(film)
    tracks, _ = read_packets(run, media)
    if 0 not in tracks or tracks[0].packets == 0:
        raise Transient("the film that a part is to be cut from cannot be read")
    rate = Fraction(tracks[0].rate).limit_denominator(1001)
    first, last = round(start_ms * rate / 1000), min(round(end_ms * rate / 1000), tracks[0].packets)
    if last <= first:
        raise Refused("This part of the video is shorter than one frame, or begins after its end. Please choose another.")
    argv = _argv(media, tracks, (first / rate, last / rate), target)
    lines = ProgressLines(float((last - first) / rate), progress)
    require_success(execute(run, argv, media, float(last / rate), on_line=lines), "cutting", target.parent)
    return _proven(run, target, frames=last - first, rate=rate, has_sound=1 in tracks)


def _argv(media: Media, tracks: dict[int, Track], part: tuple[Fraction, Fraction], target: Path) -> list[str]:
    """Both streams are trimmed by their clocks, half a frame before the first: a seek would go by the container's rounding."""
    import ffmpeg

    zero, half = tracks[0].start, tracks[0].step / 2
    start, end = float(part[0]), float(part[1])
    seek = max(0.0, start - 10)  # decoding from the keyframe before
    node = source_node(media, ss=f"{seek:.6f}", copyts=None)
    edges = {"start": f"{zero + start - half:.6f}", "end": f"{zero + end - half:.6f}"}
    streams = [node["v:0"].filter("trim", **edges).filter("setpts", "PTS-STARTPTS")]
    options = {**_QUALITY, **_COLOURS, **_CLEAN}
    if 1 in tracks:
        edges = {"start": f"{zero + start:.6f}", "end": f"{zero + end:.6f}"}
        length = f"{end - start:.6f}"
        sound = node["a:0"].filter("atrim", **edges).filter("asetpts", f"PTS-({zero + start:.6f}/TB)")
        sound = sound.filter("aresample", 48_000, **{"async": 1, "first_pts": 0}).filter("apad", whole_dur=length)
        streams.append(sound.filter("atrim", end=length))
        options |= {"c:a": "aac", "b:a": "160k"}
    return compile_argv(media, ffmpeg.output(*streams, file_url(target), **options))


def _proven(run: Run, target: Path, *, frames: int, rate: Fraction, has_sound: bool) -> Cut:
    """Decode all of it and measure it. Raises Transient."""
    media, lines = Media(target, own=True), ProgressLines(0, lambda _: None)
    output = source_node(media, err_detect="explode").output("-", format="null", map=0)
    ended = execute(run, compile_argv(media, output, options=("-xerror",)), media, float(frames / rate), on_line=lines)
    tracks, _ = read_packets(run, media)
    seconds = float(frames / rate)
    _expect(ended.returncode == 0 and not ended.stderr.strip(), f"it does not decode: {ended.stderr.strip()[-300:]}")
    _expect(lines.frames == frames == tracks[0].packets, f"{lines.frames} of {frames} frames decode")
    _expect(abs(tracks[0].end - tracks[0].start - seconds) <= float(1 / rate), "its picture is of another length")
    _expect((1 in tracks) == has_sound, "its sound is missing")
    if has_sound:
        off = abs(tracks[1].end - tracks[0].end)
        _expect(off <= _SOUND_SLACK_SECONDS + float(1 / rate), f"its sound ends {off:.3f} s off its picture")
    _expect(sniff.is_faststart(target), "it does not start with its index")
    return Cut(frames, seconds, has_sound)


def _expect(fact: object, otherwise: str) -> None:
    if not fact:
        raise Transient(f"the part that was cut did not pass its check: {otherwise}")
