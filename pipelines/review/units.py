"""The words of a video cut into numbered units, and the place of a quote among them."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipelines.providers.rules.segments import AUDIO, SCREEN
from pipelines.transcript import Transcript, Word
from pipelines.transcript.screen import Screen

_LONGEST_WORDS = 40
_PAUSE_SECONDS = 2.0
_TOKEN = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence that was said, or what stood on the screen at one time."""

    number: int
    source: str  # audio or screen
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def start_seconds(self) -> float:
        return self.words[0].start_seconds

    @property
    def end_seconds(self) -> float:
        return max(word.end_seconds for word in self.words)

    def find(self, quote: str) -> tuple[Word, ...]:
        """The words that the quote stands in, whatever its case and signs; none where it does not."""
        tokens, owners = [], []
        for index, word in enumerate(self.words):
            for token in _tokens(word.text):
                tokens.append(token)
                owners.append(index)
        wanted = _tokens(quote)
        if not wanted:
            return ()
        # As one text, since speech models write `415 -55` where a reader writes `415-55`; begun at the begin of a token.
        line, starts, length = "".join(tokens), [], 0
        for token in tokens:
            starts.append(length)
            length += len(token)
        sought, at = "".join(wanted), -1
        while (at := line.find(sought, at + 1)) >= 0:
            first = bisect_right(starts, at) - 1
            last = bisect_right(starts, at + len(sought) - 1) - 1
            if starts[first] == at:
                return self.words[owners[first] : owners[last] + 1]
        return ()


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold())


def list_units(transcript: Transcript, screen: Screen | None) -> list[Unit]:
    """All that was said, then all that was shown, numbered from 1; what stood unchanged on the screen comes once."""
    pieces = [(AUDIO, words) for words in _sentences(transcript.words)]
    pieces += [(SCREEN, words) for words in _frames(screen)] if screen else []
    return [Unit(number, source, words) for number, (source, words) in enumerate(pieces, 1)]


def _sentences(words: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    sentence: list[Word] = []
    followers: list[Word | None] = [*words[1:], None]
    for word, after in zip(words, followers, strict=False):
        sentence.append(word)
        is_end = word.text.rstrip("\"')")[-1:] in {".", "?", "!"}
        if (
            after is None
            or is_end
            or len(sentence) >= _LONGEST_WORDS
            or after.start_seconds - word.end_seconds >= _PAUSE_SECONDS
        ):
            yield tuple(sentence)
            sentence = []


def _frames(screen: Screen) -> Iterator[tuple[Word, ...]]:
    texts: list[tuple[str, float, float]] = []
    for frame in screen.frames:
        if texts and texts[-1][0] == frame.text:
            texts[-1] = (frame.text, texts[-1][1], frame.end_seconds)
        else:
            texts.append((frame.text, frame.start_seconds, frame.end_seconds))
    for text, start, end in texts:
        if text.strip():
            yield tuple(Word(word, start, end, 1.0) for word in text.split())


def cut(units: Sequence[Unit], *, most_words: int, overlap_words: int) -> list[Sequence[Unit]]:
    """The units as windows of about so many words; each begins with the last units of the one before. Every unit is in one."""
    windows: list[Sequence[Unit]] = []
    first = 0
    while first < len(units):
        last, count = first, 0
        while last < len(units) and (last == first or count + len(units[last].words) <= most_words):
            count += len(units[last].words)
            last += 1
        windows.append(units[first:last])
        if last == len(units):
            break
        back, count = last, 0
        while back - 1 > first and count + len(units[back - 1].words) <= overlap_words:
            back -= 1
            count += len(units[back].words)
        first = back
    return windows


def covers(windows: Sequence[Sequence[Unit]], units: Sequence[Unit]) -> bool:
    """Whether each unit is in a window, and none was passed over."""
    if not units or not windows:
        return not units
    gapless = all(after[0].number <= before[-1].number + 1 for before, after in pairwise(windows))
    return gapless and windows[0][0] == units[0] and windows[-1][-1] == units[-1]
