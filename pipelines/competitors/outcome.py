"""What kind of answer a reading is, told before anything is compared: only a good one may say that something changed."""

import re
import statistics
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from pipelines.competitors.noise import is_frame


class Outcome(StrEnum):
    """How a reading went."""

    OK = "ok"
    BLOCKED = "blocked"  # they do not let us in, or ask for a person
    DISALLOWED = "disallowed"  # their robots.txt asks us not to
    GONE = "gone"
    SOFT_404 = "soft_404"  # a page that says that there is none
    ERROR = "error"  # theirs, with any status
    EMPTY = "empty"  # next to nothing of what was there before
    CONSENT_WALL = "consent_wall"
    UNREADABLE = "unreadable"  # no page at all


_BLOCKED = re.compile(
    r"just a moment|attention required|verify (?:that )?you are (?:a )?human|checking (?:your browser|if the site connection)|access denied|"
    r"are you a robot|captcha|unusual traffic|enable javascript and cookies|request blocked|you have been blocked|security check|ddos protection",
    re.IGNORECASE,
)
_SOFT_404 = re.compile(
    r"\b404\b|page (?:was |could )?not (?:be )?found|page (?:you (?:were looking for|requested) )?(?:doesn.t|does not|no longer) exists?|"
    r"(?:page|content|site|domain) (?:isn.t|is not|is no longer) available|nothing (?:was )?found here|domain (?:is )?for sale",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"unexpected error|something went wrong|internal server error|service unavailable|temporarily unavailable|bad gateway|"
    r"database connection|under (?:scheduled )?maintenance|down for maintenance|be back (?:soon|shortly)|error establishing",
    re.IGNORECASE,
)
_CONSENT = re.compile(
    r"before you continue|we value your privacy|accept (?:all )?cookies|consent to (?:the use of )?cookies", re.IGNORECASE
)
_BLOCKING = {401, 403, 407, 429, 451}
_GONE = {404, 410}
_FEW_WORDS = 80
_NEXT_TO_NOTHING = 15
_SHRUNK = 0.3


def by_status(status: int) -> Outcome | None:
    """What the status alone says; None where the content decides."""
    if status in _GONE:
        return Outcome.GONE
    if status in _BLOCKING:
        return Outcome.BLOCKED
    return None if status < 300 else Outcome.ERROR  # noqa: PLR2004


def by_content(reading: Mapping[str, Any], usual_words: Sequence[int]) -> Outcome:
    """What a page with a good status is. `usual_words` are the sizes of earlier good readings of it (see `words`)."""
    said = words(reading)
    usual = statistics.median(usual_words) if usual_words else 0
    is_short = said < max(_FEW_WORDS, _SHRUNK * usual)
    if not is_short:
        return Outcome.OK
    text = f"{reading['title']} " + " ".join(block for _, _, block in reading["blocks"])[:4000]
    for pattern, outcome in (
        (_BLOCKED, Outcome.BLOCKED),
        (_SOFT_404, Outcome.SOFT_404),
        (_ERROR, Outcome.ERROR),
        (_CONSENT, Outcome.CONSENT_WALL),
    ):
        if pattern.search(text):
            return outcome
    if said < _SHRUNK * usual or (said < _NEXT_TO_NOTHING and reading["scripts"] and not reading["facts"]):
        return Outcome.EMPTY
    return Outcome.OK


def words(reading: Mapping[str, Any]) -> int:
    """How much a page says, without what stands around its content."""
    return sum(len(text.split()) for part, _, text in reading["blocks"] if not is_frame(part))


_SENTENCES = {
    Outcome.OK: "can be read again",
    Outcome.BLOCKED: "does not let us read it",
    Outcome.DISALLOWED: "asks in its robots.txt not to be read",
    Outcome.GONE: "is gone (there is nothing at its address)",
    Outcome.SOFT_404: "says that there is no such page",
    Outcome.ERROR: "answers with an error",
    Outcome.EMPTY: "shows next to nothing",
    Outcome.CONSENT_WALL: "asks for consent before it shows anything",
    Outcome.UNREADABLE: "answers with something that is no page",
}


def sentence(name: str, outcome: Outcome) -> str:
    """What to tell of a competitor whose page is in this state now."""
    return f"{name} {_SENTENCES[outcome]}."
