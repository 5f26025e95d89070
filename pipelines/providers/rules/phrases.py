"""Phrases that announce a secret: passwords and numbers about to be told, words such as "off the record", talk to the reviewer."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from pipelines.providers.rules.digits import TENS, UNITS
from pipelines.providers.rules.spoken import Evidence, Spoken
from pipelines.providers.rules.tables import read_table

_AFTER_SENTENCE_SECONDS = 2.0
_LONGEST_SECONDS = 12.0
_LONGEST_TOKENS = 80  # more than anybody says in that time: what makes one sentence of a whole talk costs nothing
_VALUE_TOKENS = 14  # how far behind "card number" a value may begin
_SAYS_VALUE = frozenset({"is", "are", "was", "equals", ":", "="})


class _Reach(StrEnum):
    """How much of what follows a phrase is flagged with it."""

    PHRASE = "phrase"  # nothing
    SENTENCE = "sentence"  # the rest of the sentence
    WINDOW = "window"  # and a little of what comes after: a value may stand behind a full stop that is none


@dataclass(frozen=True, slots=True)
class _Phrases:
    rule: str
    reach: _Reach
    needs_value: bool
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None


def find_phrases(spoken: Spoken) -> Iterator[Evidence]:
    """Every phrase of the table, with what follows it where the table says so."""
    for phrases in _table():
        exceptions = _spans(phrases.unless, spoken.lower)
        for first, last in _spans(phrases.pattern, spoken.lower):
            if not _touches(exceptions, first, last):
                yield _evidence(spoken, phrases, first, last)


@cache
def _table() -> tuple[_Phrases, ...]:
    return tuple(_phrases(row) for row in read_table("phrases.toml")["phrases"])


def _phrases(row: dict[str, Any]) -> _Phrases:
    unless = _compile(row["unless"]) if "unless" in row else None
    reach = _Reach(row.get("reach", "phrase"))
    return _Phrases(row["rule"], reach, row.get("needs_value", False), _compile(row["patterns"]), unless)


def _compile(patterns: Sequence[str]) -> re.Pattern[str]:
    """All of them as one, which neither begins nor ends inside a word; a pattern may end with a space and a look ahead."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?:(?<!\w)|(?!\w))")


def _spans(pattern: re.Pattern[str] | None, text: str) -> list[tuple[int, int]]:
    return [match.span() for match in pattern.finditer(text)] if pattern else []


def _touches(spans: Sequence[tuple[int, int]], first: int, last: int) -> bool:
    """Tell whether one of these sorted, separate spans shares a character with this one."""
    candidate = bisect_left(spans, (last, 0)) - 1
    return candidate >= 0 and spans[candidate][1] > first


def _evidence(spoken: Spoken, phrases: _Phrases, first: int, last: int) -> Evidence:
    if phrases.reach is _Reach.PHRASE:
        return spoken.evidence(phrases.rule, first, last)
    if phrases.needs_value and not _has_value(spoken, last):
        return spoken.evidence("identifier_mentioned", first, last)
    more = _AFTER_SENTENCE_SECONDS if phrases.reach is _Reach.WINDOW else 0.0
    return _to_sentence_end(spoken, phrases.rule, first, last, more_seconds=more)


def _has_value(spoken: Spoken, offset: int) -> bool:
    """Tell whether something like a value follows: "is", a number, a single letter."""
    behind = spoken.token_at(offset - 1) + 1
    texts = spoken.texts(behind, behind + _VALUE_TOKENS)
    is_said = bool(_SAYS_VALUE.intersection(texts[:4]))
    return is_said or any(text.isdecimal() or text in UNITS or text in TENS for text in texts)


def _to_sentence_end(spoken: Spoken, rule: str, first: int, last: int, *, more_seconds: float) -> Evidence:
    """From the phrase to the end of its sentence and a little more, twelve seconds at most."""
    start = spoken.evidence(rule, first, last)
    latest = start.start_seconds + _LONGEST_SECONDS
    index = spoken.token_at(last - 1)
    sentence = spoken.tokens[index].sentence
    furthest = index + _LONGEST_TOKENS
    while index < furthest and _goes_on(spoken, index + 1, sentence, latest):
        index += 1
    whole = spoken.evidence(rule, first, max(last, spoken.tokens[index].end))
    ends = max(start.end_seconds, min(latest, whole.end_seconds + more_seconds))
    return Evidence(rule, whole.start_seconds, ends, whole.quoted)


def _goes_on(spoken: Spoken, index: int, sentence: int, latest: float) -> bool:
    """Tell whether a token still belongs to a sentence, and is said before `latest`."""
    if index >= len(spoken.tokens) or spoken.tokens[index].sentence != sentence:
        return False
    return spoken.seconds(index) < latest
