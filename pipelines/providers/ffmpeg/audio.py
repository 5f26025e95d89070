"""The sound of a source as the speech model wants it, on the clock of the picture."""

from pathlib import Path

from core.children import Run
from core.errors import Permanent
from pipelines.providers.ffmpeg.command import Media, compile_argv, execute, file_url, require_success, source_node
from pipelines.providers.ffmpeg.facts import Probe

SAMPLE_RATE = 16_000


def extract_audio(run: Run, source: Path, probe: Probe, target: Path) -> None:
    """Write `target`: WAV, 16 kHz, mono, 16 bits; second n of it is heard at second n of the film. May be repeated."""
    if probe.audio is None:
        raise Permanent("a video without sound has no audio to extract")
    media = Media(source)
    # first_pts=0 fills a late start with silence; alone, the sound would move to the start (reference/video.md §4.4, trap 7).
    chain = f"aresample={SAMPLE_RATE}:async=1:first_pts=0"
    sound = source_node(media)[str(probe.audio.index)]
    output = sound.output(file_url(target), format="wav", af=chain, ac=1, acodec="pcm_s16le", map_metadata=-1, bitexact=None)
    ended = execute(run, compile_argv(media, output), media, probe.duration_seconds)
    require_success(ended, "extracting the sound", target.parent)
