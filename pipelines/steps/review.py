"""Checks a video for what should stay confidential: what is said, what is shown, by rules and by a language model."""

import json
from typing import Any

from core.errors import Misconfigured, NotFound
from core.settings import settings
from db import confidentiality, videos
from db.confidentiality import Result
from db.videos import FileKind
from pipelines.base import step
from pipelines.context import Context
from pipelines.providers import ffmpeg, ocr, rules
from pipelines.providers.language import get_language
from pipelines.review import Reader, list_units
from pipelines.review.decisions import carry_over
from pipelines.steps.media import find_source
from pipelines.steps.words import load_transcript
from pipelines.transcript import Transcript
from pipelines.transcript.screen import Screen

_READER_THREADS = 1  # it runs beside a transcode: a second one takes half as much CPU again


@step(queue="ai", max_attempts=2, optional=True)
def read_screen(ctx: Context) -> object:
    """Text on the screen, in pictures from wherever it changed. Its key is for this job's review only."""
    config = settings()
    with ctx.read() as session:
        has_source = FileKind.SOURCE in videos.list_files(session, ctx.args["video_id"])
    if not config.screen_pictures or not has_source:
        return {"skipped": True}
    source, found = find_source(ctx)
    ctx.progress(0.0, "looking at the screen")
    taken = ffmpeg.take_pictures(ctx.run, source, found, ctx.folder / "screen", most=config.screen_pictures)
    screen = ocr.read_pictures(
        ctx.run, taken, threads=_READER_THREADS, progress=lambda share: ctx.progress(share, "reading the screen")
    )
    key = ctx.key("screen.json")
    with ctx.storage.writer(key) as file:
        file.write(json.dumps(screen.as_json()).encode())
    lines = sum(len(frame.lines) for frame in screen.frames)
    ctx.log(f"{lines} lines of text in {len(screen.frames)} pictures, by {screen.engine}")
    return {"key": key, "pictures": len(screen.frames), "lines": lines}


@step(queue="ai")
def review(ctx: Context) -> object:
    """Write a confidentiality check. A video is never clear by default: what was not checked is a finding, or the check is an error."""
    video_id, check_id = ctx.args["video_id"], ctx.args.get("check_id")
    language = get_language(settings())
    if language.provider:
        ctx.calls(language.provider)
    transcript = load_transcript(ctx, video_id)
    with ctx.write() as session:
        files = videos.list_files(session, video_id)
        videos.update_video(session, video_id, confidentiality_status="checking")
        if check_id:
            confidentiality.run_check(session, check_id)
    source = files.get(FileKind.SOURCE)
    read = _read_screen_of(ctx)
    screen = _screen(ctx, read)
    opinion = None if language.is_offline else _opinion(ctx, transcript, screen)
    content = source["sha256"] if source else f"video:{video_id}"
    checked = rules.review(
        transcript,
        has_sound=source is None or source["details"]["audio"] is not None,
        content_hash=content,
        screen=screen,
        is_unseen=read is None,
        opinion=opinion,
    )
    ctx.log(checked.error or checked.summary, level="error" if checked.error else "info")
    outcome = {"clear": checked.clear, "findings": len(checked.segments), "error": checked.error}
    with ctx.complete(outcome) as session:
        earlier = confidentiality.find_decided(session, video_id)
        is_same = earlier is not None and earlier["content_sha256"] in {None, content}
        segments = carry_over(
            checked.segments, confidentiality.list_segments(earlier["segments"]) if earlier and is_same else ()
        )
        made = check_id or confidentiality.begin_check(session, video_id, triggered_by=ctx.held.owner_id)
        result = Result(
            clear=checked.clear,
            segments=segments,
            summary=checked.summary,
            model_used=checked.model_used,
            ran=checked.ran,
            content_sha256=content,
            error=checked.error,
        )
        confidentiality.end_check(session, video_id, made, result)
    return outcome


def _read_screen_of(ctx: Context) -> Any:  # noqa: ANN401  (what that step returned; None: it failed)
    try:
        return ctx.result("read_screen")
    except NotFound:  # a job of a version that had no such step
        return {"skipped": True}


def _screen(ctx: Context, read: Any) -> Screen | None:  # noqa: ANN401  (what `read_screen` returned)
    if read is None or "key" not in read:
        return None
    with ctx.storage.open(read["key"]) as file:
        return Screen.from_json(json.load(file))


def _opinion(ctx: Context, transcript: Transcript, screen: Screen | None) -> rules.Opinion:
    """What the language model finds; windows that were read before a worker was lost are not paid for again."""
    config, units = settings(), list_units(transcript, screen)
    language = get_language(config)

    def before_call() -> None:
        ctx.progress(None, f"{language.name} reads")
        ctx.spend(language.provider or "")

    reader = Reader(
        language,
        transcript,
        config.review_budget_tokens,
        done=dict(ctx.last_checkpoint or {}),
        keep=ctx.checkpoint,
        before_call=before_call,
    )
    try:
        return reader.read(units)
    except Misconfigured as error:  # the video can be worked with; its check is an error until this is mended
        return rules.Opinion(language.name, (), len(units), max(1, len(units)), str(error))
