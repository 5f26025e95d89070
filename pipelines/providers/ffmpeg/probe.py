"""First touch of hostile bytes: what a file is, or one plain sentence why it cannot be taken."""

import json
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from core.children import Limits, Output, Run
from core.errors import ChildDied, Refused
from pipelines.providers.ffmpeg import sniff
from pipelines.providers.ffmpeg.command import MAX_PIXELS, Media, ffprobe_argv
from pipelines.providers.ffmpeg.facts import Audio, Probe, Video
from pipelines.providers.ffmpeg.packets import Track, read_packets

LIMIT_SECONDS = 4 * 3600
MAX_STREAMS = 16
MAX_SIDE, MIN_SIDE = 8192, 16
MAX_RATE = 240

_RATES = [Fraction(rate) for rate in (10, 12, 15, 20, 24, 25, 30, 48, 50, 60)]
_RATES += [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)]
_SLOWEST_UNEVEN = Fraction(24000, 1001)  # the mean of a file that skips still frames says little about its moving ones
_HDR = {"smpte2084", "arib-std-b67"}
_OLD_MATRICES = {"smpte170m", "bt470bg", "fcc", "smpte240m"}
_HIGH_DEFINITION_LINES = 720
_WIDEST_PIXEL = 8
# Containers whose header states a duration; others have theirs guessed from the bit rate.
_STATING = ("mov", "matroska", "avi", "flv", "asf", "mxf")
_OUT_OF_MEMORY = -12
_ENTRIES = (
    "format=format_name,duration,start_time,nb_streams"
    ":stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,avg_frame_rate,field_order,color_transfer,color_space"
    ",channels,sample_rate,duration"
    ":stream_disposition=default,attached_pic,timed_thumbnails,still_image"
    ":stream_side_data=rotation,dv_profile,dv_bl_signal_compatibility_id:stream_tags=DURATION"
)
_LIMITS = Limits(cpu_seconds=300, memory_bytes=3 << 30, file_bytes=64 << 20, deadline_seconds=600)

_NOT_VIDEO = "This file is not a video that we can read. Please upload an MP4, MOV, MKV, WebM or AVI file."
_NO_PICTURE = "This file has sound but no picture. Please upload a video."
_LARGE = "The picture of this video is too large: at most 8192 by 4320 pixels can be taken. Please export it smaller."
_CUT = "This video is cut off: a part of the file is missing. Please upload it again."


def probe(run: Run, source: Path) -> Probe:
    """What this file is, measured on its packets. Raises Refused with a sentence for its owner; may be repeated."""
    boxes = _refuse_by_bytes(source)
    media = Media(source)
    found = _read_streams(run, media, cut=sniff.lacks_index(boxes))
    _refuse_by_header(found)
    tracks, output = read_packets(run, media, seconds=LIMIT_SECONDS)
    _check_memory(output)
    stream = _picture(found["streams"], tracks)
    _refuse_by_clock(found, tracks, cut=sniff.lacks_end(source, boxes))
    return _facts(found, stream, tracks, source.stat().st_size)


def _refuse_by_bytes(source: Path) -> list[sniff.Box]:
    if source.stat().st_size == 0:
        raise Refused("This file is empty: nothing of the video arrived. Please upload it again.")
    if sniff.is_playlist(source):
        raise Refused("This file is a playlist that points at other files, not a video. Please upload the video itself.")
    return sniff.list_boxes(source)


def _read_streams(run: Run, media: Media, *, cut: bool) -> dict[str, Any]:
    argv = ffprobe_argv(media, "-show_error", "-show_entries", _ENTRIES, "-of", "json")
    output = run(argv, inputs=media.inputs, limits=_LIMITS)
    _check_memory(output)
    with suppress(ValueError):
        found: dict[str, Any] = json.loads(output.stdout)
        if output.returncode == 0 and found.get("streams") and found.get("format"):
            return found
    if cut:
        raise Refused("This video is cut off: its index, which is written last, is missing. Please upload it again.")
    raise Refused(_NOT_VIDEO)


def _check_memory(output: Output) -> None:
    """A parser that was denied memory crashed in all but name."""
    if f'"code": {_OUT_OF_MEMORY},' in output.stdout:
        raise ChildDied("ffprobe ran out of memory", evidence={"returncode": output.returncode, "stderr": output.stderr[-500:]})


def _refuse_by_header(found: dict[str, Any]) -> None:
    if int(found["format"]["nb_streams"]) > MAX_STREAMS:
        raise Refused(f"This file has more than {MAX_STREAMS} tracks. Please export it with one picture and one sound track.")
    pictures = [stream for stream in found["streams"] if _is_picture(stream)]
    if not pictures:
        raise Refused(_NO_PICTURE if any(stream.get("codec_type") == "audio" for stream in found["streams"]) else _NOT_VIDEO)
    for stream in pictures:
        _refuse_picture(stream)


def _is_picture(stream: dict[str, Any]) -> bool:
    marks = stream.get("disposition", {})
    return stream.get("codec_type") == "video" and not any(marks.get(mark) for mark in ("attached_pic", "timed_thumbnails"))


def _refuse_picture(stream: dict[str, Any]) -> None:
    width, height = stream.get("width") or 0, stream.get("height") or 0
    # ffprobe reports 0 by 0, and succeeds, when the decoder refused more than -max_pixels.
    if width * height == 0 and stream.get("codec_name"):
        raise Refused(_LARGE)
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Refused(_LARGE)
    if not stream.get("codec_name"):
        raise Refused("The picture of this video is in a format that we cannot read. Please export it as MP4 with H.264.")
    if min(width, height) < MIN_SIDE:
        raise Refused(f"The picture of this video is only {width} by {height} pixels. Please upload a larger one.")
    if _side_data(stream, "dv_profile") and not _side_data(stream, "dv_bl_signal_compatibility_id"):
        raise Refused(
            "This video is Dolby Vision without a standard picture inside. Please export it as HDR10 or standard range."
        )


def _side_data(stream: dict[str, Any], name: str) -> int:
    return next((int(float(item[name])) for item in stream.get("side_data_list", []) if name in item), 0)


def _picture(streams: list[dict[str, Any]], tracks: dict[int, Track]) -> dict[str, Any]:
    """The picture to take: the default one that has frames, else the first that has."""
    shown = [stream for stream in streams if _is_picture(stream) and _has_packets(stream, tracks)]
    if not shown:
        raise Refused("This video holds no frame of its picture. Please export it again and upload the new file.")
    return max(shown, key=_is_default)


def _is_default(stream: dict[str, Any]) -> int:
    return int(stream.get("disposition", {}).get("default", 0))


def _has_packets(stream: dict[str, Any], tracks: dict[int, Track]) -> bool:
    track = tracks.get(stream["index"])
    return track is not None and track.packets > 0


def _refuse_by_clock(found: dict[str, Any], tracks: dict[int, Track], *, cut: bool) -> None:
    heard = [stream for stream in found["streams"] if stream.get("codec_type") == "audio" or _is_picture(stream)]
    timed = [tracks[stream["index"]] for stream in heard if _has_packets(stream, tracks)]
    start, end = min(track.start for track in timed), max(track.extent for track in timed)
    stated = _stated_seconds(found, heard)
    if is_cut(end - start, stated):
        raise Refused(cut_sentence(end - start, stated))
    if cut:
        raise Refused(_CUT)
    if end - start > LIMIT_SECONDS or any(track.packets > LIMIT_SECONDS * MAX_RATE for track in timed):
        hours = f"{(end - start) / 3600:.1f}"
        raise Refused(
            f"This video is too long: it has {hours} hours, and {LIMIT_SECONDS // 3600} can be taken. Please split it."
        )


def is_cut(seconds: float, stated: float) -> bool:
    """Whether so much of a stated length is missing that it is no rounding."""
    return stated - seconds > max(0.5, stated / 100)


def cut_sentence(seconds: float, stated: float) -> str:
    """What its owner is told of a video that ends too early."""
    return f"This video is cut off: it ends after {seconds:.0f} of {stated:.0f} seconds. Please upload it again."


def _stated_seconds(found: dict[str, Any], heard: list[dict[str, Any]]) -> float:
    """The length that the header states for picture and sound; 0 when the container states none."""
    if not found["format"]["format_name"].startswith(_STATING):
        return 0.0
    each = [_duration(stream) for stream in heard]
    return max(each) if all(each) else _number(found["format"].get("duration"))


def _duration(stream: dict[str, Any]) -> float:
    """A stream's stated length: MP4 has a field, Matroska a tag `00:01:02.345`."""
    hours, _, rest = str(stream.get("tags", {}).get("DURATION", "")).partition(":")
    minutes, _, seconds = rest.partition(":")
    tagged = _number(hours) * 3600 + _number(minutes) * 60 + _number(seconds)
    return _number(stream.get("duration")) or tagged


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return 0.0


def _facts(found: dict[str, Any], stream: dict[str, Any], tracks: dict[int, Track], size_bytes: int) -> Probe:
    sounds = [one for one in found["streams"] if one.get("codec_type") == "audio" and _has_packets(one, tracks)]
    sounds = [one for one in sounds if one.get("codec_name") and int(one.get("channels") or 0)]
    sound = max(sounds, key=_is_default, default=None)
    origin = min(track.start for track in tracks.values() if track.packets)
    video = _video(stream, tracks[stream["index"]], origin)
    audio = _audio(sound, tracks[sound["index"]], origin) if sound else None
    length = max(video.end_seconds, audio.end_seconds if audio else 0.0)
    return Probe(found["format"]["format_name"], round(length, 6), size_bytes, video, audio)


def _video(stream: dict[str, Any], track: Track, origin: float) -> Video:
    width, height = _displayed(stream)
    transfer = stream.get("color_transfer")
    return Video(
        codec=stream["codec_name"],
        width=width,
        height=height,
        rotation=_rotation(stream),
        fps=_standard_rate(stream, track),
        vfr=track.varies,
        hdr=transfer if transfer in _HDR else None,
        interlaced=stream.get("field_order") in {"tt", "bb", "tb", "bt"},
        matrix=_matrix(stream),
        index=stream["index"],
        packets=track.packets,
        end_seconds=round(track.end - origin, 6),
    )


def _audio(stream: dict[str, Any], track: Track, origin: float) -> Audio:
    times = (round(track.start - origin, 6), round(track.end - origin, 6))
    return Audio(stream["codec_name"], int(stream["channels"]), int(stream["sample_rate"]), stream["index"], *times)


def _rotation(stream: dict[str, Any]) -> int:
    return -_side_data(stream, "rotation") % 360


def _displayed(stream: dict[str, Any]) -> tuple[int, int]:
    """Width and height as shown: pixels made square by changing the width, then turned. Absurd pixel shapes are ignored."""
    with suppress(ValueError, ZeroDivisionError):
        shape = Fraction(str(stream.get("sample_aspect_ratio", "1:1")).replace(":", "/"))
        if Fraction(1, _WIDEST_PIXEL) <= shape <= _WIDEST_PIXEL:
            stream = {**stream, "width": max(2, round(stream["width"] * shape))}
    sides = (stream["width"], stream["height"])
    return sides[::-1] if _rotation(stream) in {90, 270} else sides


def _standard_rate(stream: dict[str, Any], track: Track) -> Fraction:
    """The standard rate nearest to the one that was counted, or to the stated one when the two agree but for rounding."""
    stated, counted = 0.0, track.rate
    with suppress(ValueError, ZeroDivisionError):
        stated = float(Fraction(stream.get("avg_frame_rate", "0")))
    average = stated if not counted or (abs(stated - counted) < counted / 200 and _is_standard(stated)) else counted
    rates = [rate for rate in _RATES if not track.varies or rate >= _SLOWEST_UNEVEN]
    return min(rates, key=lambda rate: abs(rate - (average or 25)))


def _is_standard(rate: float) -> bool:
    return any(abs(rate - standard) < rate / 2500 for standard in _RATES)


def _matrix(stream: dict[str, Any]) -> str:
    """How the colours are coded; by custom, what says nothing is BT.709 from 720 lines on."""
    stated = stream.get("color_space")
    if stated in _OLD_MATRICES:
        return "bt601"
    if stated in {None, "unknown", "reserved"}:
        return "bt709" if stream["height"] >= _HIGH_DEFINITION_LINES else "bt601"
    return "bt2020" if str(stated).startswith("bt2020") else "bt709"
