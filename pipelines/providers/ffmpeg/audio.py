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
    import ffmpeg

    media = Media(source)
    # first_pts=0 fills a late start with silence; alone, the sound would move to the start (reference/video.md §4.4, trap 7).
    chain = f"aresample={SAMPLE_RATE}:async=1:first_pts=0"
    node = source_node(media)
    options = {"format": "wav", "af": chain, "ac": 1, "acodec": "pcm_s16le", "map_metadata": -1, "bitexact": None}
    sound = node[str(probe.audio.index)].output(file_url(target), **options)
    # MPEG-TS starts its clock at the first stream that is read: without the picture, a late sound would move to the start.
    picture = node[str(probe.video.index)].output("-", vcodec="copy", format="null")
    argv = compile_argv(media, ffmpeg.merge_outputs(sound, picture))
    ended = execute(run, argv, media, probe.duration_seconds)
    require_success(ended, "extracting the sound", target.parent)
