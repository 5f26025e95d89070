"""The judge of a ladder: everything is decoded again and measured against what the source gave."""

import json
import re
from bisect import bisect
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from core.children import Run
from core.errors import Transient
from pipelines.providers.ffmpeg import sniff
from pipelines.providers.ffmpeg.command import Media, ProgressLines, compile_argv, execute, ffprobe_argv, source_node
from pipelines.providers.ffmpeg.facts import Probe
from pipelines.providers.ffmpeg.graph import AUDIO_RATE, INIT_PATTERN, SEGMENT_NAME
from pipelines.providers.ffmpeg.ladder import MASTER, PLAYLIST, POSTER, PROGRESSIVE, Ladder
from pipelines.providers.ffmpeg.packets import Track, read_packets
from pipelines.providers.ffmpeg.playlist import MediaPlaylist, read_master, read_media_playlist
from pipelines.providers.ffmpeg.rungs import Rung

TOLERANCE_SECONDS = 0.020
AAC_FRAME_SECONDS = 1024 / AUDIO_RATE  # also the encoder's priming, which fragmented MP4 plays instead of hiding
_ROUNDING_SECONDS, _CLOCK_SECONDS = 0.002, 0.005
_ENTRIES = (
    "stream=codec_type,codec_name,width,height,sample_aspect_ratio,pix_fmt,color_space,color_transfer:stream_side_data=rotation"
)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was measured on a ladder that passed."""

    frames: int
    seconds: float
    keyframes: int
    audio_offset_seconds: float | None  # sound minus picture, without priming; None when there is no sound
    audio_seconds: float | None
    decoded_files: int

    def as_json(self) -> dict[str, Any]:
        """Itself as JSON values."""
        return asdict(self)


def verify_ladder(run: Run, folder: Path, ladder: Ladder, probe: Probe) -> Verification:
    """The measurements of a ladder that is whole, in step and of the right length. Raises Transient with what is wrong."""
    progressive = folder / PROGRESSIVE
    for name in (MASTER, PROGRESSIVE, POSTER):
        _expect((folder / name).is_file() and (folder / name).stat().st_size > 0, f"{name} is missing or empty")
    _expect(sniff.is_faststart(progressive), f"{PROGRESSIVE} does not start with its index")
    _check_master(folder, ladder)
    tracks = _measure(run, Media(progressive, own=True), ladder.rungs[0], sound=ladder.audio_seconds is not None)
    cuts = [_check_rung(run, folder, rung, ladder, tracks[0]) for rung in ladder.rungs]
    _expect(all(_agree(cuts[0], others) for others in cuts), "the rungs are not cut at the same moments")
    offset, length = _check_sound(run, folder, ladder, tracks)
    _check_decode(run, Media(progressive, own=True), ladder, tracks[0].packets)
    seconds = float(tracks[0].packets / ladder.fps)
    decoded = 1 + len(ladder.rungs) + (probe.audio is not None)
    return Verification(tracks[0].packets, round(seconds, 6), len(tracks[0].keyframes), offset, length, decoded)


def _expect(fact: object, otherwise: str) -> None:
    if not fact:
        raise Transient(f"the transcoded video did not pass its check: {otherwise}")


def _measure(run: Run, media: Media, rung: Rung | None, *, sound: bool) -> dict[int, Track]:
    """The tracks of one of our files, whose streams are as planned."""
    name = f"{media.path.parent.name}/{media.path.name}"
    output = run(ffprobe_argv(media, "-show_entries", _ENTRIES, "-of", "json"), inputs=media.inputs)
    _expect(output.returncode == 0 and not output.stderr.strip(), f"{name} cannot be read: {output.stderr.strip()[-300:]}")
    streams = json.loads(output.stdout)["streams"]
    kinds = [stream.get("codec_name") for stream in streams]
    _expect(kinds == ["h264"] * (rung is not None) + ["aac"] * sound, f"{name} holds {kinds}")
    if rung:
        _check_stream(streams[0], rung, name)
    tracks, ended = read_packets(run, media)
    _expect(ended.returncode == 0 and not ended.stderr.strip(), f"{name} cannot be read: {ended.stderr.strip()[-300:]}")
    _expect(len(tracks) == len(streams) and all(track.packets for track in tracks.values()), f"a stream of {name} is empty")
    return tracks


def _check_stream(stream: dict[str, Any], rung: Rung, name: str) -> None:
    size = (stream["width"], stream["height"])
    _expect(size == (rung.width, rung.height), f"{name} is {size[0]}x{size[1]}, not {rung.width}x{rung.height}")
    _expect(size[0] % 2 == 0 and size[1] % 2 == 0, f"{name} has an odd size")
    _expect(stream.get("sample_aspect_ratio", "1:1") == "1:1", f"the pixels of {name} are not square")
    _expect(not any("rotation" in item for item in stream.get("side_data_list", [])), f"{name} is still to be turned")
    colours = (stream.get("pix_fmt"), stream.get("color_space"), stream.get("color_transfer"))
    _expect(colours == ("yuv420p", "bt709", "bt709"), f"the colours of {name} are {colours}")


def _check_master(folder: Path, ladder: Ladder) -> None:
    sounds = ["a0"] if ladder.audio_seconds is not None else []
    wanted = {f"{name}/{PLAYLIST}" for name in [*(rung.name for rung in ladder.rungs), *sounds]}
    named = read_master(folder / MASTER)
    _expect(named == wanted, f"{MASTER} names {sorted(named)}, not {sorted(wanted)}")


def _check_rung(run: Run, folder: Path, rung: Rung, ladder: Ladder, whole: Track) -> list[float]:
    """When each segment of this rung starts, seconds from the first."""
    media = Media(folder / rung.name / PLAYLIST, own=True)
    listed = _check_playlist(folder, rung.name)
    track = _measure(run, media, rung, sound=False)[0]
    _expect(track.packets == whole.packets, f"{rung.name} has {track.packets} frames, video.mp4 has {whole.packets}")
    keyframes = _since_start(track)
    _expect(_agree(keyframes, _since_start(whole)), f"the keyframes of {rung.name} are not where those of video.mp4 are")
    step = float(1 / ladder.fps)
    heads = all(_is_among(keyframes, cut) for cut in listed.cuts)
    _expect(heads, f"a segment of {rung.name} does not start with a keyframe")
    lasting = track.ordered[-1] - track.start + step
    _expect(
        abs(listed.seconds - lasting) < step, f"{rung.name} lasts {lasting:.3f} s, its playlist says {listed.seconds:.3f} s"
    )
    even = all(abs(later - earlier - step) < _ROUNDING_SECONDS for earlier, later in pairwise(track.ordered))
    _expect(even, f"the frames of {rung.name} come at uneven times")
    _check_decode(run, media, ladder, whole.packets)
    return listed.cuts


def _since_start(track: Track) -> list[float]:
    """Keyframe times from the first frame, rising."""
    return sorted(time - track.start for time in track.keyframes)


def _agree(times: Sequence[float], others: Sequence[float]) -> bool:
    """Whether these are the same moments: files round to their own clocks."""
    return len(times) == len(others) and all(
        abs(one - other) < _CLOCK_SECONDS for one, other in zip(times, others, strict=True)
    )


def _is_among(times: Sequence[float], wanted: float) -> bool:
    """Whether one of these rising times is the wanted moment."""
    place = bisect(times, wanted - _CLOCK_SECONDS)
    return place < len(times) and times[place] < wanted + _CLOCK_SECONDS


def _check_playlist(folder: Path, name: str) -> MediaPlaylist:
    media = read_media_playlist(folder / name / PLAYLIST)
    # A child that hostile bytes have taken over could write any name here, and players would ask for it.
    planned = [SEGMENT_NAME % number for number in range(len(media.segments))]
    _expect(
        re.fullmatch(INIT_PATTERN, media.init) and media.names == planned,
        f"the playlist of {name} names files that were not planned",
    )
    _expect(media.ended, f"the playlist of {name} is not marked as complete")
    longest = max(segment.seconds for segment in media.segments)
    # RFC 8216 §4.3.3.1: rounded to the nearest second, none is longer than the target.
    _expect(round(longest) <= media.target_seconds, f"a segment of {name} lasts {longest} s, more than it promises")
    return media


def _check_decode(run: Run, media: Media, ladder: Ladder, frames: int) -> None:
    """Decode all of it: exit 0 AND not a word on stderr (a truncated file gave exit 0; reference/video.md §4.10)."""
    name = f"{media.path.parent.name}/{media.path.name}"
    lines = ProgressLines(0, lambda _: None)
    node = source_node(media, err_detect="explode")
    argv = compile_argv(media, node.output("-", format="null", map=0), options=("-xerror",))
    output = execute(run, argv, media, ladder.picture_seconds, on_line=lines)
    said = output.stderr.strip()
    _expect(output.returncode == 0 and not said, f"{name} does not decode (exit {output.returncode}): {said[-300:]}")
    if frames:
        _expect(lines.frames == frames, f"{lines.frames} of {frames} frames of {name} decode")
        wanted = ladder.picture_seconds * ladder.fps
        _expect(
            abs(lines.frames - wanted) <= _slack(ladder), f"{name} has {frames} frames, the source gave {float(wanted):.1f}"
        )


def _slack(ladder: Ladder) -> float:
    """One frame, of the source or of ours, whichever is longer, in our frames."""
    mean = ladder.picture_seconds * float(ladder.fps) / ladder.source_frames
    return max(1.0, mean) + 0.01


def _check_sound(run: Run, folder: Path, ladder: Ladder, tracks: dict[int, Track]) -> tuple[float | None, float | None]:
    """Where the sound of `video.mp4` starts beside the picture, and how long it is; both without priming."""
    if ladder.audio_seconds is None:
        return None, None
    listed = _check_playlist(folder, "a0")
    media = Media(folder / "a0" / PLAYLIST, own=True)
    _measure(run, media, None, sound=True)
    _check_decode(run, media, ladder, 0)
    offset = tracks[1].start + AAC_FRAME_SECONDS - tracks[0].start
    length = tracks[1].end - tracks[1].start - AAC_FRAME_SECONDS
    wanted = max(ladder.audio_seconds, ladder.picture_seconds)
    _expect(abs(offset) <= TOLERANCE_SECONDS, f"the sound is {offset * 1000:.0f} ms off the picture")
    # The last AAC frame is filled up with silence.
    fits = -TOLERANCE_SECONDS <= length - wanted <= TOLERANCE_SECONDS + AAC_FRAME_SECONDS
    _expect(fits, f"the sound lasts {length:.3f} s, the source gave {wanted:.3f} s")
    stated = listed.seconds - AAC_FRAME_SECONDS
    _expect(abs(stated - length) <= AAC_FRAME_SECONDS, f"the sound lasts {length:.3f} s, its playlist says {stated:.3f} s")
    return round(offset, 4), round(length, 4)
