"""Transcoding: from one source to a ladder of HLS rungs, a progressive MP4 and a poster."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from core.children import Run
from core.errors import Misconfigured, Refused
from pipelines.providers.ffmpeg.command import (
    Media,
    ProgressLines,
    compile_argv,
    execute,
    file_url,
    require_success,
    source_node,
)
from pipelines.providers.ffmpeg.facts import Probe
from pipelines.providers.ffmpeg.graph import PICTURE_LEDGER, SOUND_LEDGER, ladder_argv
from pipelines.providers.ffmpeg.ledger import Decoded, read_ledger
from pipelines.providers.ffmpeg.playlist import Variant, avc_codec, read_media_playlist, write_master
from pipelines.providers.ffmpeg.poster import make_poster
from pipelines.providers.ffmpeg.probe import cut_sentence, is_cut
from pipelines.providers.ffmpeg.rungs import Rung, plan_rungs

MASTER, PROGRESSIVE, POSTER, PLAYLIST = "master.m3u8", "video.mp4", "poster.jpg", "index.m3u8"

_ENCODED, _REMUXED = 0.95, 0.98


@dataclass(frozen=True, slots=True)
class Ladder:
    """What was made in the folder: `master.m3u8`, `video.mp4`, `poster.jpg`, and a folder per rung and for the sound."""

    rungs: tuple[Rung, ...]
    fps: Fraction
    source_frames: int  # of the source, that could be decoded
    picture_seconds: float  # when the last decoded frame ends, counted from the first moment of the file
    audio_seconds: float | None  # the same for the sound; None when there is none
    complaints: tuple[str, ...]  # what the decoder said about a damaged source, at most five lines

    def as_json(self) -> dict[str, Any]:
        """Itself as JSON values; `from_json` reads it back unchanged."""
        return {**asdict(self), "rungs": [asdict(rung) for rung in self.rungs], "fps": str(self.fps)} | {
            "complaints": list(self.complaints)
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Ladder":
        """The ladder that `as_json` wrote."""
        rungs = tuple(Rung.from_json(rung) for rung in plain["rungs"])
        return cls(**{**plain, "rungs": rungs, "fps": Fraction(plain["fps"]), "complaints": tuple(plain["complaints"])})


def make_ladder(run: Run, source: Path, probe: Probe, folder: Path, *, progress: Callable[[float], None]) -> Ladder:
    """Encode every rung in one decode into `folder` (inside the attempt's folder), with a master, `video.mp4` and a poster.

    `progress` gets 0 to 1, and 1 only when all is there. May be repeated: what an earlier try left is replaced.
    Raises Refused when the source turns out to be unreadable or cut off, DiskFull or Transient when ffmpeg fails.
    """
    rungs = plan_rungs(probe.video.width, probe.video.height, probe.video.fps)
    _clear(folder, [*(rung.name for rung in rungs), *(["a0"] if probe.audio else [])])
    ladder = _encode(run, source, probe, rungs, folder, progress=lambda share: progress(share * _ENCODED))
    _write_master(ladder, probe, folder)
    _remux(run, ladder, folder)
    progress(_REMUXED)
    make_poster(run, folder / rungs[-1].name / PLAYLIST, folder / PROGRESSIVE, ladder.picture_seconds, folder / POSTER)
    progress(1.0)
    return ladder


def _clear(folder: Path, names: list[str]) -> None:
    if "%" in str(folder):  # ffmpeg reads %v and %d anywhere in the path, and has no escape for them
        raise Misconfigured(f"the path {folder} holds a % sign: set ATTEMPTS_FOLDER to one without")
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    for name in (MASTER, PROGRESSIVE, POSTER, PICTURE_LEDGER, SOUND_LEDGER):
        (folder / name).unlink(missing_ok=True)


def _encode(
    run: Run, source: Path, probe: Probe, rungs: list[Rung], folder: Path, *, progress: Callable[[float], None]
) -> Ladder:
    argv = ladder_argv(source, probe, rungs, folder)
    lines = ProgressLines(probe.duration_seconds, progress)
    output = execute(run, argv, Media(source), probe.duration_seconds, on_line=lines)
    picture, sound = read_ledger(folder / PICTURE_LEDGER), read_ledger(folder / SOUND_LEDGER)
    _refuse_damaged(picture, probe)
    require_success(output, "transcoding", folder)
    complaints = tuple(line[:200] for line in output.stderr.replace(str(source), "source").splitlines()[:5])
    audio_seconds = sound.end_seconds if probe.audio else None
    return Ladder(tuple(rungs), probe.video.fps, picture.frames, picture.end_seconds, audio_seconds, complaints)


def _refuse_damaged(picture: Decoded, probe: Probe) -> None:
    """Decoding tells what headers and packets hide: a file of the right size whose end is all zeros, say."""
    if picture.frames == 0:
        raise Refused("No frame of this video can be read. Please export it again and upload the new file.")
    if is_cut(picture.end_seconds, probe.video.end_seconds):
        raise Refused(cut_sentence(picture.end_seconds, probe.video.end_seconds))


def _write_master(ladder: Ladder, probe: Probe, folder: Path) -> None:
    sound = read_media_playlist(folder / "a0" / PLAYLIST) if probe.audio else None
    extra, extra_average = (sound.peak, sound.average) if sound else (0, 0)
    variants = []
    for rung in ladder.rungs:
        media = read_media_playlist(folder / rung.name / PLAYLIST)
        rates = (media.peak + extra, media.average + extra_average)
        codec = avc_codec(folder / rung.name / media.init)
        variants.append(Variant(f"{rung.name}/{PLAYLIST}", rung.width, rung.height, *rates, codec))
    write_master(folder / MASTER, variants, ladder.fps, min(2, probe.audio.channels) if probe.audio else 0)


def _remux(run: Run, ladder: Ladder, folder: Path) -> None:
    """The best rung and the sound as one MP4; read through the master, which alone keeps the offset between the two."""
    import ffmpeg

    media = Media(folder / MASTER, own=True)
    node = source_node(media)
    streams = [node["v:0"], node["a:0"]] if ladder.audio_seconds is not None else [node["v:0"]]
    options = {"c": "copy", "movflags": "+faststart", "map_metadata": -1, "map_chapters": -1, "format": "mp4"}
    output = ffmpeg.output(*streams, file_url(folder / PROGRESSIVE), **options)
    require_success(execute(run, compile_argv(media, output), media, ladder.picture_seconds), "writing video.mp4", folder)
