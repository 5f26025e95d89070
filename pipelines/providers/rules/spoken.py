"""A transcript made ready for rules: one line of text whose every character knows its word, and that line as tokens."""

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.errors import Invalid
from pipelines.transcript import Stretch, Transcript, Word

PAUSE_SECONDS = 2.0  # a silence this long ends a sentence where the speech model wrote no full stop

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[^\w\s]|_")
_FOLDED = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc", "'") | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
)
_JOINED = "-.@_"  # whisper writes `415`, `-55`, `-0132` and `Northwind`, `.com` as words of their own
_TITLES = frozenset({"mr", "mrs", "ms", "dr", "st", "vs", "no", "prof"})  # their full stop ends no sentence


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why one rule fired, and when; `quoted` is what was said and goes nowhere unmasked."""

    rule: str
    start_seconds: float
    end_seconds: float
    quoted: str = field(repr=False)
    confidence: float | None = None  # None: the rule's own


@dataclass(frozen=True, slots=True)
class Token:
    """A word in lower case, a group of digits or one sign."""

    text: str
    start: int  # offsets in the line
    end: int
    sentence: int
    is_capital: bool


@dataclass(frozen=True, slots=True)
class Spoken:
    """All that was said as one line."""

    line: str
    lower: str  # the line in lower case, character by character
    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    _word_starts: tuple[int, ...]  # where each word begins in the line
    _token_starts: tuple[int, ...]

    def evidence(self, rule: str, start: int, end: int, *, confidence: float | None = None) -> Evidence:
        """The characters from `start` to `end` as evidence, on the time of their words."""
        first, last = self.word_at(start), self.word_at(max(start, end - 1))
        begins = self.words[first].start_seconds
        ends = max(begins, self.words[last].end_seconds)
        return Evidence(rule, begins, ends, self.line[start:end], confidence)

    def word_at(self, offset: int) -> int:
        """The index of the word that holds this character."""
        return max(0, bisect_right(self._word_starts, offset) - 1)

    def token_at(self, offset: int) -> int:
        """The index of the last token that begins at or before this character; 0 when none does."""
        return max(0, bisect_right(self._token_starts, offset) - 1)

    def texts(self, first: int, last: int) -> list[str]:
        """The texts of the tokens from `first` up to, not including, `last`; bounds outside are cut."""
        return [token.text for token in self.tokens[max(0, first) : max(0, last)]]

    def seconds(self, token: int) -> float:
        """When this token's word begins."""
        return self.words[self.word_at(self.tokens[token].start)].start_seconds


def spoken(transcript: Transcript) -> Spoken:
    """The transcript's words as one line. Raises Invalid when a time is not a number."""
    _refuse_bad_times(transcript)
    words = tuple(word for word in transcript.words if word.text.strip())
    pieces, starts, length = [], [], 0
    for piece in _pieces(words):
        starts.append(length + piece.startswith(" "))
        pieces.append(piece)
        length += len(piece)
    line = "".join(pieces)
    tokens = _tokens(line, words, starts)
    return Spoken(line, _lower(line), tokens, words, tuple(starts), tuple(token.start for token in tokens))


def _refuse_bad_times(transcript: Transcript) -> None:
    spans: tuple[Word | Stretch, ...] = (*transcript.words, *transcript.speech)
    times = [transcript.duration_seconds, *(time for span in spans for time in (span.start_seconds, span.end_seconds))]
    if not all(map(math.isfinite, times)):
        raise Invalid("the transcript has a time that is no number: transcribe the video again")


def _pieces(words: Sequence[Word]) -> Iterable[str]:
    """Each word's text, behind a space where one belongs."""
    before = " "
    for word in words:
        text = _plain(word.text) or "?"
        is_joined = before.isalnum() and len(text) > 1 and text[0] in _JOINED and text[1].isalnum()
        yield text if is_joined or before == " " else f" {text}"
        before = text[-1]


def _plain(text: str) -> str:
    """A word without what nobody sees and would split it, or what no database keeps: zero-width signs, NUL, half characters."""
    spaced = " ".join(unicodedata.normalize("NFKC", text).translate(_FOLDED).split())
    return "".join(letter for letter in spaced if letter.isprintable())


def _lower(line: str) -> str:
    lowered = line.lower()
    if len(lowered) == len(line):
        return lowered
    # A few letters (a capital I with a dot, say) become two: offsets must stay true.
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in line)


def _tokens(line: str, words: Sequence[Word], starts: Sequence[int]) -> tuple[Token, ...]:
    made: list[Token] = []
    sentence, word = 0, 0
    for match in _TOKEN.finditer(line):
        while word + 1 < len(starts) and starts[word + 1] <= match.start():
            word += 1
            sentence += words[word].start_seconds - words[word - 1].end_seconds >= PAUSE_SECONDS
        text = match.group()
        made.append(Token(text.lower(), match.start(), match.end(), sentence, text[0].isupper()))
        sentence += _ends_sentence(line, match, made)
    return tuple(made)


def _ends_sentence(line: str, match: re.Match[str], made: Sequence[Token]) -> bool:
    if match.group() not in ".?!" or line[match.end() : match.end() + 1] not in {"", " "}:
        return False
    before = [token.text for token in made[-2:-1]]
    return _TITLES.isdisjoint(before)
