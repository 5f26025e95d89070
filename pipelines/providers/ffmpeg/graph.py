"""The one call of ffmpeg that decodes a source once and encodes every rung, its sound and a ledger of what was decoded."""

from pathlib import Path
from typing import Any

from pipelines.providers.ffmpeg.build import build_info
from pipelines.providers.ffmpeg.command import THREADS, Media, compile_argv, file_url, source_node
from pipelines.providers.ffmpeg.facts import Audio, Probe, Video
from pipelines.providers.ffmpeg.rungs import Rung

KEYFRAME_SECONDS, SEGMENT_SECONDS = 2, 4
AUDIO_RATE = 48_000
SEGMENT_NAME = "s%05d.m4s"
INIT_PATTERN = r"init(_\d)?\.mp4"  # where there are several playlists, ffmpeg numbers them
PICTURE_LEDGER, SOUND_LEDGER = "ledger.picture", "ledger.sound"

_LEDGER_CLOCK = "1:90000"


def ladder_argv(source: Path, probe: Probe, rungs: list[Rung], folder: Path) -> list[str]:
    """The argv that writes `v0/…`, `a0/…` and the ledgers into `folder`, whose subfolders must be there."""
    import ffmpeg

    node = source_node(Media(source))
    ledger, pictures = _pictures(node[str(probe.video.index)], probe.video, rungs)
    outputs = [_hls(pictures, node, probe, rungs, folder), _picture_ledger(ledger, folder)]
    if probe.audio:
        outputs.append(_sound_ledger(node[str(probe.audio.index)], folder))
    return compile_argv(Media(source), ffmpeg.merge_outputs(*outputs))


def _pictures(stream: Any, video: Video, rungs: list[Rung]) -> tuple[Any, list[Any]]:  # noqa: ANN401
    """The ledger's stream, and one scaled stream per rung."""
    both = stream.filter_multi_output("split", 2)
    corner = both[0].filter("crop", 16, 16, 0, 0)  # costs nothing: the ledger wants times, not pictures
    picture = both[1].filter("bwdif", mode="send_frame", deint="interlaced") if video.interlaced else both[1]
    picture = picture.filter("fps", f"{video.fps.numerator}/{video.fps.denominator}")
    if video.hdr and build_info().zscale:
        picture = _tone_mapped(picture, video, rungs[0])
        matrix = "bt709"
    else:
        matrix = video.matrix
    copies = picture.filter_multi_output("split", len(rungs))
    return corner, [_scaled(copies[index], rung, matrix) for index, rung in enumerate(rungs)]


def _tone_mapped(picture: Any, video: Video, top: Rung) -> Any:  # noqa: ANN401
    """High dynamic range as standard range, at the size of the best rung: the arithmetic is in floats, four times as large."""
    picture = picture.filter("scale", top.width, top.height, flags="bicubic")
    picture = picture.filter("zscale", tin=video.hdr, min="bt2020nc", pin="bt2020", t="linear", npl=100)
    picture = picture.filter("format", "gbrpf32le").filter("zscale", p="bt709")
    picture = picture.filter("tonemap", "hable", desat=0).filter("zscale", t="bt709", m="bt709", r="tv")
    return picture.filter("format", "yuv420p")


def _scaled(picture: Any, rung: Rung, matrix: str) -> Any:  # noqa: ANN401
    colours = {"in_color_matrix": matrix, "out_color_matrix": "bt709", "out_range": "tv"}
    picture = picture.filter("scale", rung.width, rung.height, flags="bicubic", **colours).filter("setsar", 1)
    picture = picture.filter("format", "yuv420p")
    return picture.filter("setparams", color_primaries="bt709", color_trc="bt709", colorspace="bt709", range="tv")


def _hls(pictures: list[Any], node: Any, probe: Probe, rungs: list[Rung], folder: Path) -> Any:  # noqa: ANN401
    """All rungs and the sound in one muxer: apart, each would start at its own zero and lose the offset between them."""
    audio = probe.audio
    streams = [*pictures, node[str(audio.index)]] if audio else pictures
    group = ",agroup:audio" if audio else ""
    names = [f"v:{index}{group},name:{rung.name}" for index, rung in enumerate(rungs)]
    options = {**_video_options(probe.video, rungs), **_hls_options(folder)}
    if audio:
        names.append("a:0,agroup:audio,name:a0")
        options |= _audio_options(audio, probe.video.end_seconds)
    import ffmpeg

    # No `file:` before these names: the muxer would make a folder called so. An absolute path cannot be read as a protocol.
    playlists = str(folder.absolute() / "%v" / "index.m3u8")
    return ffmpeg.output(*streams, playlists, var_stream_map=" ".join(names), **options)


def _video_options(video: Video, rungs: list[Rung]) -> dict[str, Any]:
    rate = f"{video.fps.numerator}/{video.fps.denominator}"
    options: dict[str, Any] = {
        "c:v": "libx264",
        "preset:v": "veryfast",
        "profile:v": "high",
        "crf:v": 23,
        "threads:v": THREADS,
        # Keyframes by time, never by scene or count: rungs must cut at the same moments, also at 23.976 frames a second.
        "force_key_frames:v": f"expr:gte(t,n_forced*{KEYFRAME_SECONDS})",
        "sc_threshold": 0,
        "x264-params": "open-gop=0",
        "fps_mode:v": "cfr",
        "r:v": rate,
        "map_metadata": -1,
        "map_chapters": -1,
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "colorspace": "bt709",
        "color_range": "tv",
    }
    for index, rung in enumerate(rungs):
        options |= {f"maxrate:v:{index}": f"{rung.max_kilobits}k", f"bufsize:v:{index}": f"{2 * rung.max_kilobits}k"}
    return options


def _audio_options(audio: Audio, picture_seconds: float) -> dict[str, Any]:
    """AAC from the first moment on and at least as long as the picture: players stall where one of the two ends.

    A filter of its own, outside the graph of the picture: a change of the picture's size in the middle of a file starts that
    graph again, and `first_pts` would then fill in all the silence a second time.
    """
    chain = f"aresample={AUDIO_RATE}:async=1:first_pts=0,apad=whole_dur={picture_seconds:.6f}"
    return {"c:a": "aac", "b:a": "128k", "ac": min(2, audio.channels), "af": chain}


def _hls_options(folder: Path) -> dict[str, Any]:
    segments = str(folder.absolute() / "%v" / SEGMENT_NAME)
    return {
        "format": "hls",
        "hls_time": SEGMENT_SECONDS,
        "hls_playlist_type": "vod",
        "hls_segment_type": "fmp4",
        "hls_flags": "independent_segments",
        "hls_fmp4_init_filename": "init.mp4",
        "hls_segment_filename": segments,
    }


def _picture_ledger(corner: Any, folder: Path) -> Any:  # noqa: ANN401
    options = {"fps_mode": "passthrough", "enc_time_base": _LEDGER_CLOCK, "vcodec": "rawvideo", "format": "framecrc"}
    return corner.output(file_url(folder / PICTURE_LEDGER), **options)


def _sound_ledger(sound: Any, folder: Path) -> Any:  # noqa: ANN401
    return sound.output(file_url(folder / SOUND_LEDGER), acodec="pcm_s16le", format="framecrc")
