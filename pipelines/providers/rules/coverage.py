"""What could be checked: every second of a video either was silent, was understood, or is told as a gap with its cause."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipelines.transcript import Stretch, Transcript, Word

LANGUAGE = "en"  # the rules know no other
NOT_UNDERSTOOD, NOT_ENGLISH, NOT_LISTENED = "not_understood", "not_english", "not_listened"  # rules of the policy
NOT_SEEN = "not_seen"
# Those that name a stretch which nobody could check, rather than something that was found.
UNCHECKED_RULES = frozenset({NOT_UNDERSTOOD, NOT_ENGLISH, NOT_LISTENED, NOT_SEEN})

_NO_ENGINE = "none"  # what an engine's name begins with when nothing listened
_SHORTEST_GAP_SECONDS = 0.8  # of a voice without a word: a secret takes longer to tell, "hm" does not
_JOINED_SECONDS = 1.5  # gaps nearer to each other are one
_WORD_SLACK_SECONDS = 0.35  # by how much a word's time may be off
# How long one word may last: longer ones stand for words that the model dropped. "212-555-0148" is one word of four seconds.
_LONGEST_WORD_SECONDS, _LONGEST_SECONDS_PER_LETTER = 1.0, 0.35
_WINDOW_WORDS = 6
_LEAST_LOG_PROBABILITY = -1.0  # Whisper's own bound for a failed piece; here of the mean over a window
_LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that could not be checked; `rule` of the policy says why."""

    rule: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much was checked. Silence counts as checked: a voice detector listened to it."""

    checked_seconds: float
    unchecked_seconds: float
    gaps: tuple[Gap, ...]  # in the order of time, apart from each other


def coverage(transcript: Transcript, *, has_sound: bool) -> Coverage:
    """What of a transcript's duration could be checked. A video without sound has nothing that could be missed."""
    gaps = tuple(_gaps(transcript)) if has_sound or transcript.words or transcript.speech else ()
    duration = max(0.0, transcript.duration_seconds)
    unchecked = min(duration, sum(gap.end_seconds - gap.start_seconds for gap in gaps))
    return Coverage(round(duration - unchecked, 3), round(unchecked, 3), gaps)


def _gaps(transcript: Transcript) -> Iterator[Gap]:
    duration = transcript.duration_seconds
    if not duration > 0 or transcript.engine.startswith(_NO_ENGINE):
        yield Gap(NOT_LISTENED, 0.0, max(0.0, duration))
    elif transcript.language != LANGUAGE:
        yield Gap(NOT_ENGLISH, 0.0, duration)
    else:
        unclear = [*_unheard(transcript.words, transcript.speech), *_doubtful(transcript.words)]
        for stretch in _union(unclear, duration):
            yield Gap(NOT_UNDERSTOOD, stretch.start_seconds, stretch.end_seconds)


def _unheard(words: Sequence[Word], speech: Sequence[Stretch]) -> Iterator[Stretch]:
    """Where a voice was detected and no word was understood."""
    covers = [_cover(word) for word in words]
    index = 0
    for stretch in speech:
        while index < len(covers) and covers[index].end_seconds <= stretch.start_seconds:
            index += 1
        yield from _holes(stretch, covers, index)


def _cover(word: Word) -> Stretch:
    """The time that a word accounts for."""
    longest = _LONGEST_WORD_SECONDS + _LONGEST_SECONDS_PER_LETTER * len(word.text)
    end = min(word.end_seconds, word.start_seconds + longest)
    return Stretch(word.start_seconds - _WORD_SLACK_SECONDS, end + _WORD_SLACK_SECONDS)


def _holes(stretch: Stretch, covers: Sequence[Stretch], index: int) -> Iterator[Stretch]:
    """What the words from `index` on leave open in one stretch of voice."""
    covered = stretch.start_seconds
    while index < len(covers) and covers[index].start_seconds < stretch.end_seconds:
        if covers[index].start_seconds - covered >= _SHORTEST_GAP_SECONDS:
            yield Stretch(covered, covers[index].start_seconds)
        covered = max(covered, covers[index].end_seconds)
        index += 1
    if stretch.end_seconds - covered >= _SHORTEST_GAP_SECONDS:
        yield Stretch(covered, stretch.end_seconds)


def _doubtful(words: Sequence[Word]) -> Iterator[Stretch]:
    """Where the model is on the whole unsure of what it wrote."""
    logs = [_log_probability(word) for word in words]
    size = min(_WINDOW_WORDS, len(words))
    for first in range(len(words) - size + 1 if size else 0):
        if sum(logs[first : first + size]) < _LEAST_LOG_PROBABILITY * size:
            yield Stretch(words[first].start_seconds, words[first + size - 1].end_seconds)


def _log_probability(word: Word) -> float:
    """Of a word; what is no number counts as unsure."""
    probability = max(_LEAST_PROBABILITY, word.probability)
    return math.log(min(1.0, probability))


def _union(stretches: Iterable[Stretch], duration: float) -> Iterator[Stretch]:
    """The stretches within the duration, in the order of time; those that nearly touch made one."""
    start = end = -math.inf
    for stretch in sorted(stretches, key=lambda one: one.start_seconds):
        if stretch.start_seconds - end > _JOINED_SECONDS:
            yield from _within(start, end, duration)
            start = stretch.start_seconds
        end = max(end, stretch.end_seconds)
    yield from _within(start, end, duration)


def _within(start: float, end: float, duration: float) -> Iterator[Stretch]:
    start, end = max(0.0, start), min(end, duration)
    if start < end:
        yield Stretch(start, end)
