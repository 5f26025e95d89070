"""Runs of digits as people say them and as speech models write them: `415 -55 -0132`, "five one two", "double five", "oh"."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipelines.providers.rules.spoken import Spoken, Token
from pipelines.providers.rules.tables import word_list

UNITS = {word: value for value, word in enumerate(word_list("units"))}
TENS = {
    word: 10 * value
    for value, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}
_REPEATS = {"double": 2, "triple": 3, "treble": 3}
_ZEROS = frozenset({"oh", "o"})  # zero only inside a run, or right before a digit
_BETWEEN = frozenset("-.,()+#_") | {"dash", "hyphen", "uh", "um", "er", "space"}
_MOST_BETWEEN = 3  # signs and fillers in a row
_MOST_PAUSE_SECONDS = 3.0
_FEWEST_COUNTED, _LONGEST_COUNTED = 3, 4  # numbers in a row that are a count, digits of each
_YEAR_DIGITS = 4
_BEFORE_AMOUNTS = frozenset("$£€¥")
_AFTER_AMOUNTS = frozenset({"%", "percent", "dollars", "euros", "euro", "pounds", "million", "billion", "thousand", "hundred"})

# Amounts, dates, times, decimals and network addresses are no identifiers, or are found by rules of their own.
_OTHER_NUMBERS = re.compile(
    r"(?<![\d.,])(?:\d{1,3}(?:,\d{3}){1,6}(?:\.\d{1,2})?|(?:19|20)\d\d-\d\d-\d\d|\d{1,2}[/:]\d{1,2}(?:[/:]\d{2,4})?"
    r"|\d{1,4}\.\d{1,3}|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?![.,]?\d)"
)


@dataclass(frozen=True, slots=True)
class Run:
    """Digits that follow each other; `first` to `last` are indices of tokens, both inside."""

    digits: str
    first: int
    last: int
    parts: tuple[str, ...]  # the digits of each number that was said


@dataclass(frozen=True, slots=True)
class _Part:
    digits: str
    last: int


def digit_runs(spoken: Spoken, *, shortest: int) -> Iterator[Run]:
    """Every run of at least `shortest` digits that is no count, date, amount or leading year."""
    skipped = {offset for match in _OTHER_NUMBERS.finditer(spoken.line) for offset in range(*match.span())}
    index = 0
    while index < len(spoken.tokens):
        run = _run(spoken, index, skipped)
        if run is None:
            index += 1
            continue
        if len(run.digits) >= shortest and not _is_count(run.parts) and not _is_year_and_little(run, shortest):
            yield run
        index = run.last + 1


def _run(spoken: Spoken, first: int, skipped: set[int]) -> Run | None:
    parts: list[str] = []
    last = first
    following: int | None = first
    while following is not None and (part := _part(spoken.tokens, following, skipped, inside=bool(parts))) is not None:
        parts.append(part.digits)
        last = part.last
        following = _next_part(spoken, last)
    return Run("".join(parts), first, last, tuple(parts)) if parts else None


def _part(tokens: Sequence[Token], index: int, skipped: set[int], *, inside: bool) -> _Part | None:
    """The number that begins at a token: a group of digits, "double five", "forty two", "oh"."""
    text = tokens[index].text
    following = tokens[index + 1].text if index + 1 < len(tokens) else ""
    if text.isdecimal():
        return None if _is_amount(tokens, index, skipped) else _Part(text, index)
    if text in _ZEROS and (inside or following in UNITS or following.isdecimal()):
        return _Part("0", index)
    if text in _REPEATS and (digit := _one_digit(following)):
        return _Part(digit * _REPEATS[text], index + 1)
    if text in TENS:
        last_digit = int(_one_digit(following) or 0) if following in UNITS else 0
        return _Part(str(TENS[text] + last_digit), index + bool(last_digit))
    return _Part(str(UNITS[text]), index) if text in UNITS and following not in _AFTER_AMOUNTS else None


def _is_amount(tokens: Sequence[Token], index: int, skipped: set[int]) -> bool:
    before = tokens[index - 1].text if index else ""
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    return tokens[index].start in skipped or before in _BEFORE_AMOUNTS or after in _AFTER_AMOUNTS


def _one_digit(text: str) -> str:
    if text in _ZEROS:
        return "0"
    if text.isdecimal():
        return text if len(text) == 1 else ""
    spoken = str(UNITS.get(text, ""))
    return spoken if len(spoken) == 1 else ""


def _next_part(spoken: Spoken, last: int) -> int | None:
    """Where the run may go on: after a few signs or fillers, without a long silence."""
    index = last + 1
    while index < len(spoken.tokens) and index - last <= _MOST_BETWEEN and spoken.tokens[index].text in _BETWEEN:
        index += 1
    if index >= len(spoken.tokens):
        return None
    before = spoken.words[spoken.word_at(spoken.tokens[last].start)]
    return index if spoken.seconds(index) - before.end_seconds <= _MOST_PAUSE_SECONDS else None


def _is_count(parts: Sequence[str]) -> bool:
    """Tell whether the numbers go up or down by equal steps: "seven, eight, nine, ten" identifies nobody."""
    if len(parts) < _FEWEST_COUNTED or max(map(len, parts)) > _LONGEST_COUNTED:
        return False
    numbers = [int(part) for part in parts]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(steps) == 1 and steps != {0}


def _is_year_and_little(run: Run, shortest: int) -> bool:
    """Tell whether a year ("in 2019, 555 …") is what makes the run long enough."""
    year = run.parts[0]
    return len(year) == _YEAR_DIGITS and year[:2] in {"19", "20"} and len(run.digits) < shortest + _YEAR_DIGITS
