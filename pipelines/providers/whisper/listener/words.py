"""Makes what the speech model says of a piece of sound into words whose times can be trusted."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from .voice import QUIET, WINDOW_SECONDS, Probabilities

_SHORTEST_SECONDS = 0.02  # the model's own resolution
_SILENCE_WINDOWS = 8  # 0.26 s: no word has a longer silence inside
_SLACK_SECONDS = 0.1  # how far a word may reach out of what was judged a voice
_FAR_SECONDS = 0.3  # a word that has no voice so near was made up
_CROWD_WORDS, _CROWD_SECONDS = 5, 0.045  # so many words in a row, each shorter: nobody speaks like that
_LOOP_TIMES, _LOOP_PARTS = 4, 15  # a phrase of up to so many parts, so many times: the model is caught in a loop
_LETTER_SECONDS = 0.06  # how long a word lasts per letter when nothing better is known
_MARK = re.compile(r"[^\w&+=%@#$€£°]*")  # what is no word when it stands alone


@dataclass(frozen=True, slots=True)
class Heard:
    """A word, or a part of one, on the sound's clock in seconds. A part that begins a word begins with a space."""

    text: str
    start: float
    end: float
    probability: float


def clean(parts: Sequence[Heard], probabilities: Probabilities, *, looping: bool, spaced: bool) -> list[Heard]:
    """The words that `parts` make: none where no voice was, none that spans a silence, none said impossibly fast.

    `looping`: the model repeats itself so much that what goes round is not to be believed. `spaced`: the language writes
    spaces between words.
    """
    believed = [part for part in (drop_loops(parts) if looping else parts) if _has_voice(part, probabilities)]
    trimmed = (_trim(part, probabilities) for part in believed)
    words = join_parts(trimmed) if spaced else [replace(part, text=part.text.strip()) for part in trimmed if part.text.strip()]
    return widen(drop_crowds(words), probabilities)


def drop_loops(parts: Sequence[Heard]) -> list[Heard]:
    """The parts with each phrase that goes round and round said once."""
    said = [part.text.strip(" .,!?").lower() for part in parts]
    repeated: set[int] = set()
    for length in range(1, _LOOP_PARTS + 1):
        for same, run in groupby(range(length, len(said)), lambda at: said[at] == said[at - length]):  # noqa: B023
            places = list(run)
            if same and len(places) >= length * (_LOOP_TIMES - 1):
                repeated.update(places)
    return [part for at, part in enumerate(parts) if at not in repeated]


def _has_voice(part: Heard, probabilities: Probabilities) -> bool:
    first, last = _windows(part.start - _FAR_SECONDS, part.end + _FAR_SECONDS)
    return bool((probabilities[first:last] >= QUIET).any())


def _windows(start: float, end: float) -> tuple[int, int]:
    return max(0, int(start / WINDOW_SECONDS)), max(0, int(end / WINDOW_SECONDS) + 1)


def _trim(part: Heard, probabilities: Probabilities) -> Heard:
    """The part without silence: at its ends, and on the weaker side of one inside (tiny.en lets words span a pause)."""
    first, last = _windows(part.start, part.end)
    voiced = [first + at for at, probability in enumerate(probabilities[first:last]) if probability >= QUIET]
    if not voiced:
        return part
    run = max(_split(voiced), key=len)
    start = max(part.start, run[0] * WINDOW_SECONDS - _SLACK_SECONDS)
    end = min(part.end, (run[-1] + 1) * WINDOW_SECONDS + _SLACK_SECONDS)
    return replace(part, start=start, end=end) if start < end else part


def _split(voiced: Sequence[int]) -> Iterator[list[int]]:
    """The windows, in runs between which there is a silence."""
    run: list[int] = []
    for window in voiced:
        if run and window - run[-1] > _SILENCE_WINDOWS:
            yield run
            run = []
        run.append(window)
    yield run


def join_parts(parts: Iterable[Heard]) -> list[Heard]:
    """Whole words, stripped: the model splits "555-0142" and "50%" in two, and gives marks a place of their own."""
    words: list[Heard] = []
    for part in parts:
        text = " ".join(part.text.split())
        mark = _MARK.fullmatch(text)
        if words and text and not part.text[0].isspace():
            words[-1] = replace(words[-1], text=words[-1].text + text) if mark else _joined(words[-1], text, part)
        elif not mark:
            words.append(replace(part, text=text))
    return words


def _joined(word: Heard, text: str, part: Heard) -> Heard:
    return Heard(word.text + text, word.start, max(word.end, part.end), min(word.probability, part.probability))


def drop_crowds(words: Sequence[Heard]) -> list[Heard]:
    """The words without those that stand so close that nobody could have said them: the model made them up."""
    kept: list[Heard] = []
    for short, run in groupby(words, lambda word: word.end - word.start < _CROWD_SECONDS):
        crowd = list(run)
        if not (short and len(crowd) >= _CROWD_WORDS):
            kept += crowd
    return kept


def widen(words: Iterable[Heard], probabilities: Probabilities) -> list[Heard]:
    """The words, those made too short to be true given time: of the voice before them, else of the word before them."""
    wide: list[Heard] = []
    for word in words:
        free = wide[-1].end if wide else 0.0
        start = word.start
        if _is_short(word):
            start = min(start, max(free, _voice_start(word, probabilities), word.end - _expected(word)))
        if wide and _is_short(replace(word, start=start)) and start - free < _SHORTEST_SECONDS:
            start = _shared_border(wide[-1], word)
            wide[-1] = replace(wide[-1], end=start)
        wide.append(replace(word, start=start))
    return wide


def _is_short(word: Heard) -> bool:
    return word.end - word.start < _expected(word) / 2


def _expected(word: Heard) -> float:
    return _LETTER_SECONDS * min(len(word.text), 8)


def _voice_start(word: Heard, probabilities: Probabilities) -> float:
    """Where the voice began that the word starts in."""
    window = _windows(word.start, word.start)[0]
    while 0 < window <= len(probabilities) and probabilities[window - 1] >= QUIET:
        window -= 1
    return window * WINDOW_SECONDS


def _shared_border(before: Heard, word: Heard) -> float:
    """Where the one ends and the other begins when they share their time by their letters."""
    share = len(before.text) / (len(before.text) + len(word.text))
    return before.start + share * (max(word.end, before.start) - before.start)


def put_in_order(words: Iterable[Heard], seconds: float) -> list[Heard]:
    """The words with starts that rise, none over the next, none beyond the sound's `seconds`, each longer than nothing.

    A word gives way at its end, or waits for its turn; one whose turn would come after the end of the sound is dropped.
    """
    placed: list[Heard] = []
    for word in words:
        start = max(word.start, placed[-1].start + _SHORTEST_SECONDS) if placed else max(0.0, word.start)
        end = min(seconds, max(word.end, start + _SHORTEST_SECONDS))
        if placed and placed[-1].end > start:
            placed[-1] = replace(placed[-1], end=start)
        if start < end:
            placed.append(replace(word, start=start, end=end))
    return placed
