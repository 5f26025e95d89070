"""Writes down what is said in a video, with captions."""

import hashlib
import json

from core.settings import settings
from db import videos
from db.videos import FileKind, NewFile
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers import ffmpeg, whisper
from pipelines.steps.media import find_source
from pipelines.transcript import Transcript
from pipelines.transcript.captions import Cue, make_cues, to_srt, to_webvtt


@step(queue="ai", max_attempts=3)
def transcribe(ctx: Context) -> object:
    """Words with their times, and captions as WebVTT and SubRip."""
    video_id = ctx.args["video_id"]
    transcript = _listen(ctx)
    cues = make_cues(transcript)
    files = [
        _keep(ctx, FileKind.TRANSCRIPT, "transcript.json", json.dumps(transcript.as_json())),
        _keep(ctx, FileKind.CAPTIONS_VTT, "captions.vtt", to_webvtt(cues)),
        _keep(ctx, FileKind.CAPTIONS_SRT, "captions.srt", to_srt(cues)),
    ]
    ctx.log(f"{len(transcript.words)} words in {len(cues)} captions, by {transcript.engine}")
    result = {"words": len(transcript.words), "captions": len(cues), "language": transcript.language}
    with ctx.complete(result) as session:
        videos.keep_files(session, video_id, files)
        videos.update_video(
            session, video_id, transcript=transcript.text, captions=[_row(cue) for cue in cues], language=transcript.language
        )
    return result


def _listen(ctx: Context) -> Transcript:
    config = settings()
    source, found = find_source(ctx)
    if found.audio is None:
        ctx.log("the video has no sound")
        return Transcript((), (), found.duration_seconds, "en", "none: no sound")
    ctx.progress(0.0, "extracting the sound")
    sound = ctx.folder / "sound.wav"
    ffmpeg.extract_audio(ctx.run, source, found, sound)
    return whisper.transcribe(
        ctx.run,
        sound,
        folder=ctx.folder,
        model=config.whisper_model,
        threads=config.whisper_threads,
        progress=lambda share: ctx.progress(share, "listening"),
    )


def _keep(ctx: Context, kind: FileKind, name: str, content: str) -> NewFile:
    key, written = ctx.key(name), content.encode()
    with ctx.storage.writer(key) as file:
        file.write(written)
    return NewFile(kind, key, len(written), hashlib.sha256(written).hexdigest())


def _row(cue: Cue) -> dict[str, object]:
    return {"startMs": cue.start_ms, "endMs": cue.end_ms, "text": "\n".join(cue.lines)}
