"""Starts the program that reads text in pictures as a child, follows it, and takes over what it read."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.children import Limits, Run
from core.errors import Misconfigured, Transient
from pipelines.providers.ffmpeg.frames import Pictures
from pipelines.transcript.screen import Frame, Screen

_READER = Path(__file__).parent / "reader.py"
_LEAST_SCORE = 0.5  # of a line; a lower one is a pattern taken for text
_MOST_CHARACTERS = 20_000  # of one picture
_SECONDS_PER_PICTURE = 60


def read_pictures(run: Run, taken: Pictures, *, threads: int, progress: Callable[[float], None]) -> Screen:
    """The text in each of these pictures. May be repeated.

    Raises Misconfigured when the reader is not installed; Transient when it left a picture unread; ChildDied.
    """
    engine = f"rapidocr {_library_version()}"
    read: dict[str, tuple[str, ...]] = {}

    def take(line: str) -> None:
        name, lines = _lines(line)
        if name is not None:
            read[name] = lines
            progress(len(read) / len(taken.pictures))

    paths = [picture.path.absolute() for picture in taken.pictures]
    if paths:
        argv = [sys.executable, "-I", str(_READER), str(threads), *map(str, paths)]
        ended = run(argv, inputs=[_READER], limits=_limits(paths, threads), on_line=take)
        if ended.returncode != 0:
            raise Transient(f"the reader of screens failed (exit {ended.returncode}): {_last_line(ended.stderr)}")
    missing = sum(path.name not in read for path in paths)
    if missing:
        raise Transient(f"the reader of screens left {missing} of {len(paths)} pictures unread")
    frames = tuple(Frame(one.start_seconds, one.end_seconds, read[one.path.name]) for one in taken.pictures)
    return Screen(frames, taken.every_seconds, taken.is_thinned, engine)


def _library_version() -> str:
    try:
        return version("rapidocr")
    except PackageNotFoundError:
        raise Misconfigured("rapidocr is not installed: run ./askstephen, which installs requirements/speech.lock") from None


def _limits(paths: Sequence[Path], threads: int) -> Limits:
    seconds = 120 + _SECONDS_PER_PICTURE * len(paths)
    return replace(Limits(), cpu_seconds=seconds * max(1, threads), memory_bytes=4 << 30, deadline_seconds=float(seconds))


def _lines(line: str) -> tuple[str | None, tuple[str, ...]]:
    """The name of a picture that was read, with its lines; other lines are what libraries print."""
    try:
        said: Any = json.loads(line)
        lines = [str(text) for text, score in said["lines"] if float(score) >= _LEAST_SCORE]
        return str(said["picture"]), tuple(_within(lines))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, ()


def _within(lines: Sequence[str]) -> list[str]:
    kept, length = [], 0
    for line in lines:
        length += len(line)
        if length > _MOST_CHARACTERS:
            break
        kept.append(line)
    return kept


def _last_line(stderr: str) -> str:
    return (stderr.strip().splitlines() or ["without a word"])[-1][-300:]
