"""What differs between two readings of a page although nobody changed it."""

import re
from collections.abc import Iterable, Sequence

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_COUNTED = (
    r"(?:reviews?|ratings?|stars?|followers?|subscribers?|customers?|users?|members?|views?|likes?|comments?|downloads?|visitors?|"
    r"people|shares?|votes?|sold|forks?|watching|online|issues?|minutes?|mins?)"
)
_MASKS: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (re.compile(pattern, re.IGNORECASE), mark)
    for pattern, mark in (
        (
            r"\b(?:\d+|an?|one|a few) (?:seconds?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?) ago\b|\bjust now\b",
            "<time>",
        ),
        (r"\b(?:updated|published|posted|reviewed|modified|edited|active) (?:today|yesterday|recently)\b", "<time>"),
        (rf"\b(?:{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}|\d{{1,2}}(?:st|nd|rd|th)? {_MONTH},? \d{{4}})\b", "<date>"),
        (
            r"\b\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:?\d\d)?)?|\b\d{1,2}[./]\d{1,2}[./]\d{4}\b",
            "<date>",
        ),
        (r"\b\d{1,2}:\d\d(?::\d\d)?(?: ?[ap]\.?m\b\.?)?", "<time>"),
        (r"(?:©|\(c\)|copyright)[\s\w,.-]{0,12}?\d{4}(?:\s*[-\u2013]\s*\d{4})?", "<copyright>"),
        (rf"\b\d[\d,. ]*[km]?\+? {_COUNTED}\b", "<count>"),
        (rf"\b{_COUNTED}(?: (?:today|yesterday|online|so far|this (?:week|month|year)))?: ?\d[\d,. ]*[km]?\b", "<count>"),
        (r"\[email[\s\xa0]protected\]", "<email>"),
        (
            r"\b(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{20,}\b|\b[0-9a-f]{12,}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
            "<token>",
        ),
    )
)
_SPACE = re.compile(r"\s+")
_SAME = str.maketrans("\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u2013\u2014\u2026\u00a0", '"""""\'\'--. ')
_FRAME = frozenset(("nav", "header", "footer", "aside", "form", "dialog", "consent"))


def masked(text: str) -> str:
    """The text with dates, counters and tokens blotted out, and with one kind of quotes and dashes: two that agree say the same."""
    text = text.translate(_SAME)
    for pattern, mark in _MASKS:
        text = pattern.sub(mark, text)
    return _SPACE.sub(" ", text).strip(" :;,*-|#").casefold()


def is_frame(part: str) -> bool:
    """Tell whether a part of the page is what stands around its content."""
    return part in _FRAME


def volatile(history: Sequence[Iterable[str]]) -> frozenset[str]:
    """Of masked blocks in earlier readings, oldest first: those that come and go, as rotating testimonials do.

    One that was there, was away, and was there again. What is new, and what was always there, is not among them.
    """
    seen, left, back = set[str](), set[str](), set[str]()
    for reading in history:
        here = set(reading)
        back |= left & here
        left |= seen - here
        seen |= here
    return frozenset(back)
