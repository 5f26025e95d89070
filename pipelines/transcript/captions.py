"""Captions from words: what stands on the screen when, in how many lines, and as WebVTT and SubRip files."""

import html
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, zip_longest

from pipelines.transcript import Transcript, Word

# What viewers can follow, as broadcasters have it (Netflix's timed text style guide, general requirements and English).
LINE_CHARACTERS, LINES = 42, 2
SHORTEST_MS, LONGEST_MS = 1_000, 7_000
CHARACTERS_PER_SECOND = 20
GAP_MS = 80  # between two cues, so that the eye sees a change; where speech leaves no room there is none

_CHAIN_MS = 500  # a shorter time without a cue would flicker
_TIGHT_MS = 300  # a cue is not made shorter than this for the gap
_PAUSE_MS, _LONG_PAUSE_MS = 300, 1_500  # a cue does not reach over a long one
_SENTENCE_ENDS, _CLAUSE_ENDS = ".!?\N{HORIZONTAL ELLIPSIS}", ",;:\N{EN DASH}\N{EM DASH}"
_CLOSING = "\"')]\N{RIGHT SINGLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"  # may stand after those
# A break after one of the first is read as a stumble, one before one of the second as a breath.
_CLINGING = frozenset(
    {"a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "this", "to", "of", "in", "on", "at"}
)
_CLINGING |= {"by", "for", "from", "with", "and", "or", "but", "as", "if", "is", "are", "was", "were", "not", "because"}
_LEADING = frozenset({"and", "but", "or", "because", "so", "which", "who", "when", "where", "while", "if", "than", "before"})
_LEADING |= {"to", "of", "in", "on", "at", "by", "for", "from", "with", "about", "over"}


@dataclass(frozen=True, slots=True)
class Cue:
    """What stands on the screen for a while. Times are whole milliseconds; the text is plain, not yet escaped."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Spoken:
    text: str
    start_ms: int
    end_ms: int
    leaves: float  # what a break after this word costs

    @property
    def length(self) -> int:
        return len(self.text)


def make_cues(transcript: Transcript) -> tuple[Cue, ...]:
    """Cues with every word of the transcript in its order: rising, never overlapping, of at most 2 lines and 7 seconds.

    A line is longer than 42 characters only where one word is. A cue stands for a second, and long enough to be read at
    20 characters a second, where the speech leaves the time.
    """
    words = _prepare(transcript.words)
    groups = [words[first:last] for first, last in pairwise([*_best_breaks(words), len(words)])]
    starts = [group[0].start_ms for group in groups]
    last_ms = round(transcript.duration_seconds * 1000)
    return tuple(_cue(*cue, last_ms) for cue in zip_longest(groups, starts[1:]))


def _prepare(words: Iterable[Word]) -> list[_Spoken]:
    """The words without what no caption may hold, on a clock of milliseconds on which each start is later than the last."""
    timed: list[tuple[str, int, int]] = []
    for word in words:
        text = _plain(word.text)
        start = max(round(word.start_seconds * 1000), timed[-1][1] + 1 if timed else 0)
        if text:
            timed.append((text, start, max(round(word.end_seconds * 1000), start + 1)))
    followers = [*timed[1:], ("", 0, 0)]
    return [
        _Spoken(*word, _break_cost(word[0], after[0], after[1] - word[2]))
        for word, after in zip(timed, followers, strict=False)  # without words the last follower is over
    ]


def _plain(text: str) -> str:
    """One line without control characters and halves of characters."""
    return "".join(mark for mark in " ".join(text.split()) if unicodedata.category(mark) not in {"Cc", "Cs"}).strip()


def _break_cost(text: str, follower: str, pause_ms: int) -> float:
    """How much a viewer is disturbed when the text goes elsewhere after this word."""
    mark = text.rstrip(_CLOSING)[-1:]
    if mark and mark in _SENTENCE_ENDS:
        return 0.0
    if mark and mark in _CLAUSE_ENDS:
        return 2.0
    if pause_ms >= _PAUSE_MS:
        return 3.0
    if text.lower() in _CLINGING:
        return 10.0
    return 4.0 if follower.lower() in _LEADING else 6.0


def _best_breaks(words: Sequence[_Spoken]) -> list[int]:
    """Where the cues begin, so that their costs together are least: every choice of breaks is weighed."""
    least, came_from = [0.0], [0]
    for last in range(1, len(words) + 1):
        costs = [(least[first] + _cost(words, first, last), first) for first in _firsts(words, last)]
        cost, first = min(costs)
        least.append(cost)
        came_from.append(first)
    breaks = []
    place = len(words)
    while place:
        place = came_from[place]
        breaks.append(place)
    return breaks[::-1]


def _firsts(words: Sequence[_Spoken], last: int) -> Iterator[int]:
    """Where a cue that ends before word `last` may begin: one word always fits, more only within every limit."""
    yield last - 1
    length = words[last - 1].length
    for first in range(last - 2, -1, -1):
        length += 1 + words[first].length
        too_long = words[last - 1].end_ms - words[first].start_ms > LONGEST_MS
        apart = words[first + 1].start_ms - words[first].end_ms > _LONG_PAUSE_MS
        if too_long or apart or length > LINES * LINE_CHARACTERS + 1:
            return
        if length <= LINE_CHARACTERS or _line_breaks(words[first:last]):
            yield first


def _line_breaks(words: Sequence[_Spoken]) -> list[int]:
    """After how many words a second line may begin."""
    ends = list(accumulate(word.length + 1 for word in words))
    return [at + 1 for at, end in enumerate(ends[:-1]) if end - 1 <= LINE_CHARACTERS and ends[-1] - end - 1 <= LINE_CHARACTERS]


def _cost(words: Sequence[_Spoken], first: int, last: int) -> float:
    """How bad the words from `first` to before `last` are as one cue."""
    group = words[first:last]
    until = words[last].start_ms if last < len(words) else group[-1].end_ms + SHORTEST_MS
    room = min(LONGEST_MS, max(1, until - GAP_MS - group[0].start_ms))
    length = sum(word.length + 1 for word in group) - 1
    hurry = max(0.0, length * 1000 / room - CHARACTERS_PER_SECOND)
    flash = max(0.0, (SHORTEST_MS - room) / 100)
    whole = group[-1].leaves == 0 and (first == 0 or words[first - 1].leaves == 0)  # nothing but whole sentences ("No?")
    crumb = 0.0 if whole else max(0.0, (20 - length) / 2)
    run_on = 4.0 * sum(word.leaves == 0 for word in group[:-1])  # a sentence that ends before its cue does
    return 3.0 + group[-1].leaves + min(2 * hurry, 20.0) + flash + crumb + run_on


def _cue(group: Sequence[_Spoken], next_ms: int | None, last_ms: int) -> Cue:
    start = group[0].start_ms
    lines = _lines(group)
    read_ms = math.ceil(sum(map(len, lines)) * 1000 / CHARACTERS_PER_SECOND)
    end = max(group[-1].end_ms, start + max(SHORTEST_MS, read_ms))
    if next_ms is None:
        end = min(end, max(last_ms, start + 1))
    elif next_ms - GAP_MS - start < _TIGHT_MS:
        end = min(end, next_ms)
    elif next_ms - end < _CHAIN_MS:
        end = next_ms - GAP_MS
    return Cue(start, min(end, start + LONGEST_MS), lines)


def _lines(group: Sequence[_Spoken]) -> tuple[str, ...]:
    """One line if it fits, else two: of like length, broken where a reader would pause."""
    text = " ".join(word.text for word in group)
    breaks = _line_breaks(group)
    if len(text) <= LINE_CHARACTERS or not breaks:
        return (text,)
    pairs = ((at, " ".join(word.text for word in group[:at]), " ".join(word.text for word in group[at:])) for at in breaks)
    _, upper, lower = min(pairs, key=lambda pair: abs(len(pair[1]) - len(pair[2])) + 2 * group[pair[0] - 1].leaves)
    return upper, lower


def to_webvtt(cues: Iterable[Cue]) -> str:
    """The cues as a WebVTT file (W3C), valid also without any."""
    return "\n".join(["WEBVTT\n", *(f"{_times(cue, '.')}\n{html.escape(_text(cue), quote=False)}\n" for cue in cues)])


def to_srt(cues: Iterable[Cue]) -> str:
    """The cues as a SubRip file: empty without any."""
    return "\n".join(f"{number}\n{_times(cue, ',')}\n{_inert(_text(cue))}\n" for number, cue in enumerate(cues, 1))


def _text(cue: Cue) -> str:
    return "\n".join(cue.lines)


def _inert(text: str) -> str:
    """The text as SubRip players show it: the format knows no escapes, so an unseen joiner breaks what looks like markup."""
    return re.sub(r"[<{]|--(?=>)", "\\g<0>\N{WORD JOINER}", text)


def _times(cue: Cue, point: str) -> str:
    return f"{_clock(cue.start_ms, point)} --> {_clock(cue.end_ms, point)}"


def _clock(ms: int, point: str) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"
