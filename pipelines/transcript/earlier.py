"""The words of a video whose transcript an earlier system made: captions, SubRip text, or text without times."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.transcript import Stretch, Transcript, Word

_SRT = re.compile(
    r"(?:^|\n)[ \t]*(?:\d+[ \t]*\r?\n)?(\d+):(\d\d):(\d\d)[,.](\d{1,3}) --> (\d+):(\d\d):(\d\d)[,.](\d{1,3})[^\n]*\n"
)
_SECONDS_PER_WORD = 0.4
_Cue = tuple[float, float, str]


def earlier_transcript(video: Mapping[str, Any]) -> Transcript | None:
    """What is said, from the row of a video, each cue's words spread over its time; None where the row has no words."""
    duration = (video["duration_ms"] or 0) / 1000
    cues, engine = list(_captions(video["captions"])), "captions of an earlier system"
    if not cues:
        cues, engine = list(_subrip(video["transcript"] or "")), "SubRip text of an earlier system"
    if not cues and (words := (video["transcript"] or "").split()):
        cues = [(0.0, duration or len(words) * _SECONDS_PER_WORD, " ".join(words))]
        engine = "text of an earlier system, without times: those told are guesses"
    if not cues:
        return None
    words = tuple(word for cue in cues for word in _spread(*cue))
    speech = tuple(Stretch(start, end) for start, end, _ in cues)
    duration = max([duration, *(end for _, end, _ in cues)])
    return Transcript(words, speech, duration, str(video["language"] or "en")[:2].lower(), engine)


def _captions(captions: object) -> Iterator[_Cue]:
    """Cues of a document; those without times or text are passed over."""
    for cue in captions if isinstance(captions, list) else ():
        if isinstance(cue, dict) and isinstance(cue.get("startMs"), int | float) and isinstance(cue.get("endMs"), int | float):
            yield float(cue["startMs"]) / 1000, float(cue["endMs"]) / 1000, str(cue.get("text") or "")


def _subrip(text: str) -> Iterator[_Cue]:
    pieces = _SRT.split(text)
    for first in range(1, len(pieces), 9):
        numbers, said = pieces[first : first + 8], pieces[first + 8]
        start, end = _seconds(numbers[:4]), _seconds(numbers[4:])
        yield start, max(start, end), re.sub(r"\n\s*\d+\s*$", "", said).strip()


def _seconds(parts: Sequence[str]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _spread(start: float, end: float, text: str) -> Iterator[Word]:
    texts = text.split()
    length = max(0.0, end - start) / max(1, len(texts))
    for at, word in enumerate(texts):
        yield Word(word, start + at * length, start + (at + 1) * length, 1.0)
