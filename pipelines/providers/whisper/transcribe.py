"""Starts the program that listens as a child, follows it, and takes over what it heard."""

import json
import math
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.children import Limits, Output, Run
from core.errors import ChildDied, DiskFull, Misconfigured, Permanent, Transient
from pipelines.providers.whisper.listener import ends
from pipelines.providers.whisper.models import SpeechModel, find_model
from pipelines.transcript import Stretch, Transcript, Word

_LISTENER = Path(__file__).parent / "listener"
_BYTES_PER_SECOND = 32_000  # of the sound
_RESULT_BYTES = 64 << 20  # eight times what four hours of fast talk come to


def transcribe(
    run: Run,
    sound: Path,
    *,
    folder: Path,
    model: str,
    threads: int,
    language: str | None = None,
    progress: Callable[[float], None],
) -> Transcript:
    """What is said in `sound` (WAV, 16 kHz, mono, 16 bits), word by word, and where a voice was heard. May be repeated.

    `folder` is the attempt's, and takes the child's result; `model` is "tiny.en" or an absolute folder; `language` (ISO
    639-1) is told by the sound when None. `progress` gets how much is done, 0 to 1. Without speech there are no words.
    Raises Misconfigured when the model is missing, is not the pinned one, does not work or does not know the language;
    Permanent when the sound is not such a WAV; ChildDied, DiskFull or Transient when the child failed.
    """
    chosen = find_model(model)
    engine = f"faster-whisper {_library_version()} {chosen.name} sha256:{chosen.digest[:12]}"
    result = folder.absolute() / "transcript.json"
    result.unlink(missing_ok=True)
    argv = [sys.executable, "-I", str(_LISTENER), str(sound.absolute()), str(result)]
    argv += ["--model", str(chosen.folder), "--threads", str(threads), *(["--language", language] if language else [])]
    inputs = [sound.absolute(), chosen.folder, _LISTENER]
    ended = run(argv, inputs=inputs, limits=_limits(sound, chosen, threads), on_line=lambda line: _follow(line, progress))
    _require_success(ended)
    return _transcript(_read(result), engine)


def _library_version() -> str:
    try:
        return version("faster-whisper")
    except PackageNotFoundError:
        raise Misconfigured(
            "faster-whisper is not installed: run ./askstephen, which installs requirements/speech.lock"
        ) from None


def _limits(sound: Path, model: SpeechModel, threads: int) -> Limits:
    """Generous ones: tiny.en takes 3 % of the sound's time and 2 GB of address space, a larger model in proportion."""
    seconds = 600 + 20 * sound.stat().st_size / _BYTES_PER_SECOND
    return replace(
        Limits(),
        cpu_seconds=int(seconds * max(1, threads)),
        memory_bytes=(4 << 30) + 4 * model.size_bytes,
        file_bytes=_RESULT_BYTES,
        deadline_seconds=seconds,
        stall_seconds=300,  # a large model takes its time for half a minute of sound
    )


def _follow(line: str, progress: Callable[[float], None]) -> None:
    """Pass on what a line says of the progress. Other lines are what libraries print."""
    try:
        fraction = float(json.loads(line)["progress"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    if math.isfinite(fraction):
        progress(min(1.0, max(0.0, fraction)))


def _require_success(ended: Output) -> None:
    """Raise what a failed child means for the step."""
    last = " | ".join(ended.stderr.strip().splitlines()[-3:])[-500:]
    sentence = last.rpartition(" | ")[2]
    match ended.returncode:
        case 0:
            return
        case ends.SOUND:
            raise Permanent(f"{sentence}: extract the sound again")
        case ends.MODEL:
            raise Misconfigured(f"{sentence}: set WHISPER_MODEL to the folder of a CTranslate2 model that does")
        case ends.MEMORY:
            raise ChildDied("the speech program ran out of memory", evidence={"returncode": ended.returncode, "stderr": last})
        case ends.ROOM:
            raise DiskFull("no room for the transcript: free space on the disk of the attempts folder")
        case status:
            raise Transient(f"the speech program failed (exit {status}): {last}")


def _read(result: Path) -> Any:  # noqa: ANN401  (JSON)
    """The JSON that the child wrote, never what a link that it left points at."""
    try:
        with os.fdopen(os.open(result, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _RESULT_BYTES:
                raise Transient("the speech program left no result that can be read")
            return json.loads(file.read())
    except (OSError, ValueError, RecursionError) as error:
        raise Transient(f"the speech program left no result that can be read ({type(error).__name__})") from error


def _transcript(plain: Any, engine: str) -> Transcript:  # noqa: ANN401  (JSON)
    try:
        words = tuple(Word(str(text), *map(_number, numbers)) for text, *numbers in plain["words"])
        speech = tuple(Stretch(_number(start), _number(end)) for start, end in plain["speech"])
        return Transcript(words, speech, _number(plain["seconds"]), str(plain["language"]), engine)
    except (ValueError, TypeError, KeyError) as error:
        raise Transient(f"the speech program's result has not the shape it should have ({type(error).__name__})") from error


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{type(value).__name__} is not a finite number")
    return float(value)
