"""Run in the sandbox as `python -I reader.py KIND BODY RESULT`: what a hostile page or feed says, as JSON.

Alone: it imports nothing of the project. libxml2 is what reads the bytes, so it only ever runs where it can do no harm. Nothing
is dropped here, because what is noise on one page is the offer on another: blocks of text are told with the part of the page
that they lie in, facts are taken from all of it.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree, html

VERSION = 1  # of what is read from the same bytes: a later reading must not look like a change of the page
_MOST_BLOCKS = 4000
_MOST_FACTS = 400
_LONGEST_BLOCK = 4000
_BLOCKS = frozenset(
    """address article aside blockquote body button caption center dd details dialog div dl dt fieldset figcaption figure footer form br
    h1 h2 h3 h4 h5 h6 header hr legend li main nav ol option p pre section select summary table tbody tfoot thead tr ul""".split()  # noqa: SIM905
)
# Not `head`: libxml2 puts the content of a page that leaves out its body there.
_UNSEEN = frozenset(
    ("title", "script", "style", "template", "noscript", "svg", "iframe", "object", "textarea", "canvas", "math")
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_PARTS = {
    "nav": "nav",
    "header": "header",
    "footer": "footer",
    "aside": "aside",
    "form": "form",
    "button": "form",
    "select": "form",
}
_ROLES = {
    "navigation": "nav", "banner": "header", "contentinfo": "footer", "complementary": "aside", "search": "form", "button": "form",
    "dialog": "dialog", "alertdialog": "dialog", "alert": "dialog", "menu": "nav", "menubar": "nav",
}  # fmt: skip
_MENU = re.compile(
    r"(?:^|[\s_-])(?:mega-?|sub-?|drop-?down-?|main-?|site-?)?(?:menu|navbar|navigation|nav|dropdown|breadcrumbs?)(?:$|[\s_-])",
    re.IGNORECASE,
)
_CONSENT = re.compile(r"cookie|consent|gdpr|onetrust|osano|cmp-|didomi|usercentrics", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_CURRENCY = r"[$€£¥₹]|\b(?:USD|EUR|GBP|CAD|AUD|CHF|INR|JPY|SEK|NOK|DKK|PLN)\b"
_AMOUNT = r"\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_PERIOD = r"(?:\s*(?:/|per|a|each|every)\s*(month|mo|year|yr|annum|week|wk|day|user|seat|hour|hr)\b)?"
_PRICE = re.compile(rf"(?:({_CURRENCY})\s?({_AMOUNT})|({_AMOUNT})\s?({_CURRENCY})){_PERIOD}", re.IGNORECASE)
_PERIODS = {"mo": "month", "yr": "year", "annum": "year", "wk": "week", "hr": "hour"}
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
_OFFER = re.compile(
    r"\b\d{1,2}\s?% (?:off|discount|rabatt)|\bfree (?:trial|shipping|delivery|consultation|month)|\bsave (?:up to )?[$€£]?\d|\bpromo(?:tion)? code|"
    r"\blimited[- ]time|\bblack friday|\bspecial offer|\bcoupon\b|\bbuy one\b",
    re.IGNORECASE,
)
_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?"
_HOURS = re.compile(
    rf"\b{_DAY}(?:\s*(?:-|\u2013|to|&|and|,)\s*{_DAY})*\s*:?\s*(?:\d{{1,2}}(?::\d\d)?\s*(?:[ap]\.?m\.?)?\s*(?:-|\u2013|to)\s*\d{{1,2}}(?::\d\d)?\s*(?:[ap]\.?m\.?)?|closed)",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"^[\w.+-]+@[\w-]+(?:\.[\w-]+)+$")


def read_page(body: bytes, encoding: str | None = None) -> dict[str, Any]:
    """Title, blocks ([part, heading, text]) and facts ([kind, key, value]) of a page. Raises ValueError for what is none."""
    parser = html.HTMLParser(encoding=encoding, huge_tree=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(body, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, LookupError) as error:
        raise ValueError(str(error)) from error
    blocks = _blocks(root)
    facts = list(dict.fromkeys([*_linked_data(root), *_links(root), *_told(blocks)]))[:_MOST_FACTS]
    return {
        "version": VERSION,
        "title": _clean(root.findtext(".//title") or "")[:300],
        "blocks": blocks,
        "facts": facts,
        "asks_password": bool(root.xpath("//input[@type='password']")),
        "scripts": len(root.xpath("//script")),
    }


class _Blocks:
    """Collects text between the edges of block elements."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, str]] = []
        self.parts = [""]
        self._heading = ""
        self._text: list[str] = []

    def add(self, text: str | None) -> None:
        self._text.append(text or "")

    def separate(self) -> None:
        if self._text:
            self._text.append(" | ")

    def flush(self, *, heading: bool = False) -> None:
        said = _clean("".join(self._text))
        self._text.clear()
        if said and len(self.found) < _MOST_BLOCKS:
            self.found.append((self.parts[-1], self._heading, said[:_LONGEST_BLOCK]))
            if heading:
                self._heading = said[:120].strip(" #¶")


def _blocks(root: Any) -> list[tuple[str, str, str]]:
    """Part of the page, heading above, text; in order."""
    blocks = _Blocks()
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start" and tag in _UNSEEN:
            walk.skip_subtree()
            continue
        if tag in _BLOCKS:
            blocks.flush(heading=event == "end" and tag in _HEADINGS)
        if event == "start":
            _enter(blocks, element, tag)
        else:
            if tag not in _UNSEEN:
                blocks.parts.pop()
            blocks.add(element.tail if element is not root else None)
    blocks.flush()
    return blocks.found


def _enter(blocks: _Blocks, element: Any, tag: str) -> None:
    if tag in {"td", "th"}:
        blocks.separate()
    blocks.parts.append(blocks.parts[-1] or _part(element, tag))
    blocks.add(element.text)


def _part(element: Any, tag: str) -> str:
    named = f"{element.get('id') or ''} {element.get('class') or ''}"
    if tag not in {"body", "html", "main"} and _CONSENT.search(named):
        return "consent"
    if tag not in {"body", "html", "main"} and _MENU.search(named):
        return "nav"
    if tag == "header" and any(parent.tag in {"article", "main", "section"} for parent in element.iterancestors()):
        return ""  # of an article, and so its title
    return _ROLES.get(element.get("role") or "", "") or _PARTS.get(tag, "")


def _clean(text: str) -> str:
    return _SPACE.sub(" ", text.replace("\u200b", "").replace("\xad", "")).strip(" |")


def _linked_data(root: Any) -> Iterator[tuple[str, str, str]]:
    for script in root.xpath("//script[@type='application/ld+json']")[:20]:
        try:
            yield from _things(json.loads(script.text or ""), 0)
        except (ValueError, RecursionError):
            continue


def _things(thing: Any, depth: int) -> Iterator[tuple[str, str, str]]:
    """A thing's facts, then those of the things in it."""
    if depth > 8:  # noqa: PLR2004
        return
    if isinstance(thing, list):
        for each in thing[:100]:
            yield from _things(each, depth + 1)
    if not isinstance(thing, dict):
        return
    yield from _thing(thing)
    for key, value in list(thing.items())[:100]:
        if key == "offers":
            for offer in _listed_things(value):
                yield from _things({"name": thing.get("name"), **offer}, depth + 1)
        elif isinstance(value, dict | list) and key != "openingHoursSpecification":
            yield from _things(value, depth + 1)


def _thing(thing: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    price, currency = thing.get("price", thing.get("lowPrice")), str(thing.get("priceCurrency") or "")
    if isinstance(price, int | float | str) and (amount := _amount(str(price))) is not None:
        yield "price", _clean(str(thing.get("name") or ""))[:120] or "offer", f"{amount} {currency.upper()}".strip()
    for value in _listed(thing.get("telephone")):
        yield "phone", "", _phone(value)
    for value in _listed(thing.get("email")):
        yield "email", "", value.removeprefix("mailto:").lower()
    for key, kind in (("openingHours", "hours"), ("streetAddress", "address")):
        yield from ((kind, "", value) for value in _listed(thing.get(key)))
    for each in _listed_things(thing.get("openingHoursSpecification")):
        days = ", ".join(sorted(day.rpartition("/")[2] for day in _listed(each.get("dayOfWeek"))))
        yield "hours", days, f"{each.get('opens', '')}-{each.get('closes', '')}"


def _listed(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [_clean(each)[:200] for each in values[:20] if isinstance(each, str) and each.strip()]


def _listed_things(value: Any) -> list[dict[str, Any]]:
    return [each for each in (value if isinstance(value, list) else [value])[:50] if isinstance(each, dict)]


def _links(root: Any) -> Iterator[tuple[str, str, str]]:
    for link in root.xpath("//a[starts-with(@href, 'tel:') or starts-with(@href, 'mailto:')]")[:100]:
        scheme, _, rest = link.get("href").partition(":")
        value = rest.partition("?")[0].strip()
        if scheme == "tel" and len(number := _phone(value)) > 5:  # noqa: PLR2004
            yield "phone", "", number
        elif _EMAIL.match(value):
            yield "email", "", value.lower()


def _phone(value: str) -> str:
    return ("+" if value.strip().startswith("+") else "") + re.sub(r"\D", "", value)[:20]


def _told(blocks: list[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    for _, heading, text in blocks:
        for match in _PRICE.finditer(text):
            amount, sign = _amount(match[2] or match[3]), (match[1] or match[4]).upper()
            if amount is not None:
                period = (match[5] or "").lower()
                yield (
                    "price",
                    heading,
                    f"{amount} {_SIGNS.get(sign, sign)}" + (f" per {_PERIODS.get(period, period)}" if period else ""),
                )
        if _is_offer(text):
            yield "offer", "", text
        for match in _HOURS.finditer(text):
            yield "hours", "", _SPACE.sub(" ", match[0].lower())


def _is_offer(text: str) -> bool:
    return len(text) <= 200 and _OFFER.search(text) is not None  # noqa: PLR2004


def without_facts(text: str) -> str:
    """A block's text without what is a fact of the page already: exactly that, so that nothing is told twice and nothing lost."""
    if _is_offer(text):
        return ""
    text = _PRICE.sub(lambda match: "<price>" if _amount(match[2] or match[3]) is not None else match[0], text)
    return _HOURS.sub("<hours>", text)


def _amount(text: str) -> str | None:
    """A number as one writes it in only one way: 2879.20 and 2 879,2 are the same."""
    digits = re.sub(r"[' \u00a0\u202f]", "", text.strip())
    if not re.fullmatch(r"\d{1,3}(?:[.,]?\d{3})*(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?", digits) or len(digits) > 15:  # noqa: PLR2004
        return None
    whole, separator, rest = re.fullmatch(r"(.*?)(?:([.,])(\d{1,2}))?", digits).groups()  # type: ignore[union-attr]
    whole = re.sub(r"[.,]", "", whole)
    return f"{int(whole)}.{rest.ljust(2, '0')}" if separator and int(rest) else str(int(whole))


def read_feed(body: bytes) -> dict[str, Any]:
    """The videos of a channel's Atom feed: facts ([kind, id, title]) newest first, and when each was published."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error)) from error
    names = {"a": "http://www.w3.org/2005/Atom", "yt": "http://www.youtube.com/xml/schemas/2015"}
    facts, dates = [], {}
    for entry in root.xpath("//a:entry", namespaces=names)[:50]:
        video = _clean(entry.findtext("yt:videoId", "", names))[:20]
        if video:
            facts.append(("video", video, _clean(entry.findtext("a:title", "", names))[:200]))
            dates[video] = _clean(entry.findtext("a:published", "", names))[:40]
    title = _clean(root.findtext("a:title", "", names))[:200]
    return {
        "version": VERSION,
        "title": title,
        "blocks": [],
        "facts": facts,
        "dates": dates,
        "asks_password": False,
        "scripts": 0,
    }


def main() -> int:
    """0, or 2 where the bytes are not what they should be."""
    kind, body, result = sys.argv[1:4]
    encoding = sys.argv[4] if len(sys.argv) > 4 else None  # noqa: PLR2004
    content = Path(body).read_bytes()
    try:
        found = read_feed(content) if kind == "feed" else read_page(content, encoding)
    except ValueError as error:
        print(str(error)[:300], file=sys.stderr)  # noqa: T201
        return 2
    Path(result).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
