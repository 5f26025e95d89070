"""Two readings of the same place, compared: facts by what they are of, texts by what they say."""

import difflib
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from db.base.competitors import Severity
from db.competitors import Change
from pipelines.competitors.noise import is_frame, masked, volatile
from pipelines.providers.web.reader import without_facts

_CONTACT = {"phone": "phone number", "email": "e-mail address", "address": "address", "hours": "opening hours"}
_SIMILAR = 0.6
_MOST_CHANGES = 40
_LARGE_PRICE_MOVE = 0.1
_LONGEST_TEXT = 600
_LEAST_WORDS = 3
_PRICE = re.compile(r"(\d+(?:\.\d+)?) ?(.*)")

Reading = Mapping[str, Any]


def compare(before: Reading, after: Reading, *, history: Sequence[Reading] = ()) -> list[Change]:
    """What changed from one good reading to the next, the gravest first. `history` are earlier ones, oldest first.

    Facts are compared whatever the noise: a price that rotates is still a price.
    """
    facts = list(_facts(before, after))
    texts = list(_texts(before, after, volatile([blocks_of(each) for each in (*history, before)])))
    order = (Severity.HIGH, Severity.MEDIUM, Severity.LOW)
    return sorted([*facts, *texts], key=lambda change: order.index(change.severity))[:_MOST_CHANGES]


def blocks_of(reading: Reading) -> list[str]:
    """The masked texts of a reading's content."""
    return list(_content(reading))


def _content(reading: Reading) -> dict[str, str]:
    """Masked text → text, without what stands around the content, and without the order in which it stands."""
    found: dict[str, str] = {}
    for part, _, text in reading["blocks"]:
        if not is_frame(part) and (key := masked(without_facts(text))):
            found.setdefault(key, text)
    return found


def _texts(before: Reading, after: Reading, volatile_blocks: Collection[str]) -> Iterator[Change]:
    """Texts that are gone are paired with the new ones that they became; what only moved is the same."""
    old, new = _content(before), _content(after)
    gone = [key for key in old if key not in new and key not in volatile_blocks]
    come = [key for key in new if key not in old and key not in volatile_blocks]
    # Where a page is cut into blocks changes with its markup: what stands in another block now was not removed.
    gone_text, come_text = " ".join(gone), " ".join(come)
    gone, come = [key for key in gone if key not in come_text], [key for key in come if key not in gone_text]
    for key, match in _paired(gone, come):
        if match is None:
            if key in old and len(key.split()) >= _LEAST_WORDS:
                yield _text_change("text_removed", old[key], None)
        else:
            yield _text_change("text_changed", old[key], new[match])
            come.remove(match)
    for key in come:
        if len(key.split()) >= _LEAST_WORDS:
            yield _text_change("text_added", None, new[key])


def _paired(gone: Sequence[str], come: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    free = list(come)
    for key in gone[:200]:
        match = next(
            iter(difflib.get_close_matches(key[:1000], [each[:1000] for each in free[:200]], n=1, cutoff=_SIMILAR)), None
        )
        found = next((each for each in free if match is not None and each[:1000] == match), None)
        if found is not None:
            free.remove(found)
        yield key, found


def _text_change(kind: str, before: str | None, after: str | None) -> Change:
    words = {"text_added": "New text", "text_removed": "Text is gone", "text_changed": "Text now reads"}
    said = f"{words[kind]}: “{_short(after or before or '')}”"
    return Change(kind, "text", _cut(before), _cut(after), Severity.LOW, said)


def _facts(before: Reading, after: Reading) -> Iterator[Change]:
    old, new = _by_kind(before), _by_kind(after)
    for kind in ("price", *_CONTACT, "offer", "video"):
        for key in dict.fromkeys([*old[kind], *new[kind]]):
            was, now = old[kind].get(key, []), new[kind].get(key, [])
            gone, come = [each for each in was if each not in now], [each for each in now if each not in was]
            if kind == "video":
                yield from _videos(key, gone, come, before, after)
            elif kind == "price":
                yield from _prices(key, gone, come)
            elif gone or come:
                yield _fact(kind, key, "; ".join(gone), "; ".join(come))


def _by_kind(reading: Reading) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for kind, key, value in reading["facts"]:
        found[kind].setdefault(key, []).append(value)
    return found


def _prices(key: str, gone: list[str], come: list[str]) -> Iterator[Change]:
    """In the order in which they stand: the first that is gone became the first that came."""
    of = f" of {key}" if key else ""
    for was, now in zip(gone, come, strict=False):
        yield Change(
            "price_changed", key or None, was, now, _price_severity(was, now), f"The price{of} went from {was} to {now}."
        )
    for was in gone[len(come) :]:
        yield Change("price_removed", key or None, was, None, Severity.MEDIUM, f"The price{of}, {was}, is no longer shown.")
    for now in come[len(gone) :]:
        yield Change("price_added", key or None, None, now, Severity.MEDIUM, f"A price{of} is shown now: {now}.")


def _price_severity(was: str, now: str) -> Severity:
    old, new = _PRICE.match(was), _PRICE.match(now)
    if old and new and old[2] == new[2] and float(old[1]):
        return Severity.HIGH if abs(float(new[1]) / float(old[1]) - 1) >= _LARGE_PRICE_MOVE else Severity.MEDIUM
    return Severity.HIGH


def _fact(kind: str, key: str, gone: str, come: str) -> Change:
    name = "offer" if kind == "offer" else _CONTACT[kind] + (f" ({key})" if key else "")
    severity = Severity.MEDIUM if kind in {"offer", "hours"} else Severity.HIGH
    if gone and come:
        return Change(
            f"{kind}_changed", kind, _cut(gone), _cut(come), severity, f"The {name} is now {_short(come)} (was {_short(gone)})."
        )
    if come:
        return Change(f"{kind}_added", kind, None, _cut(come), severity, f"A new {name}: {_short(come)}")
    return Change(f"{kind}_removed", kind, _cut(gone), None, severity, f"The {name} {_short(gone)} is no longer shown.")


def _videos(video: str, gone: list[str], come: list[str], before: Reading, after: Reading) -> Iterator[Change]:
    if gone and come:
        yield Change("video_renamed", video, gone[0], come[0], Severity.LOW, f"A video was renamed to “{_short(come[0])}”.")
    elif come and not _is_older_than_all(video, after, before):
        yield Change("video_new", video, None, come[0], Severity.MEDIUM, f"A new video: “{_short(come[0])}”.")
    elif gone and _is_within(video, before, after):
        yield Change("video_gone", video, gone[0], None, Severity.LOW, f"The video “{_short(gone[0])}” is gone or private.")


def _is_older_than_all(video: str, reading: Reading, other: Reading) -> bool:
    """A feed shows the newest only: when one is taken away, an old one slides in at its end."""
    date, dates = reading.get("dates", {}).get(video, ""), other.get("dates", {})
    return bool(date and dates) and all(date < each for each in dates.values())


def _is_within(video: str, reading: Reading, other: Reading) -> bool:
    """It is missing from among those that are still shown, and did not just slide off the end."""
    date, dates = reading.get("dates", {}).get(video, ""), other.get("dates", {})
    return bool(date) and any(each < date for each in dates.values())


def _short(text: str) -> str:
    return text if len(text) <= 160 else text[:157] + "…"  # noqa: PLR2004


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:_LONGEST_TEXT]
