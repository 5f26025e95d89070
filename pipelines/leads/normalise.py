"""Names, phones, addresses and web sites in the one form in which they can be compared. Nothing is shown in it."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import phonenumbers

from pipelines.leads.listing import Listing

_LEGAL = frozenset(
    [
        "inc",
        "incorporated",
        "llc",
        "ltd",
        "limited",
        "co",
        "company",
        "corp",
        "corporation",
        "gmbh",
        "ag",
        "plc",
        "lp",
        "llp",
        "pllc",
        "pc",
        "pa",
        "the",
        "and",
        "of",
    ]
)
_STREET = {
    "street": "st", "avenue": "ave", "av": "ave", "boulevard": "blvd", "road": "rd", "drive": "dr", "lane": "ln", "court": "ct",
    "place": "pl", "parkway": "pkwy", "highway": "hwy", "square": "sq", "terrace": "ter", "north": "n", "south": "s", "east": "e",
    "west": "w", "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw", "first": "1st", "second": "2nd",
    "third": "3rd", "saint": "st", "mount": "mt", "suite": "#", "ste": "#", "unit": "#", "apt": "#", "floor": "#",
}  # fmt: skip
_WORDS = {"saint": "st", "center": "ctr", "centre": "ctr", "cntr": "ctr", "centers": "ctr", "daycare": "day care"}
_SIDES = frozenset("n s e w ne nw se sw st ave blvd rd dr ln ct pl pkwy hwy sq ter".split())  # noqa: SIM905
# Sites that many businesses have a page on: only the page tells which.
_SHARED = ("facebook.com", "instagram.com", "linktr.ee", "yelp.com", "business.site", "google.com", "linkedin.com", "twitter.com",
    "youtube.com", "nextdoor.com", "yellowpages.com", "wixsite.com", "square.site", "sites.google.com")  # fmt: skip
_TOLL_FREE = frozenset({"800", "833", "844", "855", "866", "877", "888"})
_LOCAL_DIGITS = 7
_NATIONAL_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Card:
    """What a listing is recognised by."""

    name: frozenset[str]
    squeezed: str  # the name without spaces
    place_id: str | None = None
    phone: str | None = None
    site: str | None = None
    number: str | None = None
    street: frozenset[str] = frozenset()
    zip: str | None = None
    city: str | None = None


def make_card(listing: Listing, *, region: str = "US") -> Card:
    """The card of a listing."""
    words = _name_words(listing.title)
    number, street = _split_address(listing.address or "", listing.city, listing.state)
    return Card(
        frozenset(words),
        "".join(words),
        listing.place_id or None,
        read_phone(listing.phone, region=region),
        read_site(listing.website),
        number,
        street,
        (listing.zip or "").strip()[:5] or None,
        _plain(listing.city or "") or None,
    )


@lru_cache(maxsize=200_000)
def read_phone(text: str | None, *, region: str = "US") -> str | None:
    """A phone number as E.164, or its seven digits where no area is told; None for none, and for one that strangers share."""
    if not text or not any(map(str.isdigit, text)):
        return None
    digits = re.sub(r"\D", "", text)
    if len(digits) == _LOCAL_DIGITS:
        return digits
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    national = str(number.national_number)
    if not phonenumbers.is_possible_number(number) or (number.country_code == 1 and national[:3] in _TOLL_FREE):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def read_site(url: str | None) -> str | None:
    """The host that a web site is recognised by, with its path where many businesses share the host."""
    if not url or not url.strip():
        return None
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host = (parts.hostname or "").removeprefix("www.").strip(".")
    except ValueError:
        return None
    if "." not in host:
        return None
    path = parts.path.strip("/").lower()
    if host in _SHARED:
        return f"{host}/{path}" if path else None
    return host


def same_phone(one: str | None, other: str | None) -> bool:
    """Whether two numbers may be the same: one without its area is compared without."""
    if one is None or other is None:
        return False
    shorter = min(len(one), len(other))
    return one == other if shorter > _NATIONAL_DIGITS else one[-_LOCAL_DIGITS:] == other[-_LOCAL_DIGITS:]


@lru_cache(maxsize=200_000)
def _plain(text: str) -> str:
    """Lower case, without accents and punctuation."""
    bare = unicodedata.normalize("NFKD", text.replace("&", " and "))
    bare = "".join(character for character in bare if not unicodedata.combining(character)).lower()
    return " ".join(re.sub(r"[^\w]+", " ", bare.replace("'", "").replace("\u2019", "")).split())


def _name_words(title: str) -> list[str]:
    words = " ".join(_WORDS.get(word, word) for word in _plain(title).split()).split()
    kept = [word for word in words if word not in _LEGAL]
    return kept or words


def _split_address(address: str, city: str | None, state: str | None) -> tuple[str | None, frozenset[str]]:
    """The house number, and the words of the street; what stands behind a unit or the first comma is left out."""
    first = address.split(",", maxsplit=1)[0]
    words = [_STREET.get(word, word) for word in _plain(first.replace("#", " unit ")).split()]
    if "#" in words:
        words = words[: words.index("#")]
    number = words[0] if words and words[0][0].isdigit() else None
    named = words[1:] if number else words
    elsewhere = {*_plain(city or "").split(), *_plain(state or "").split()} if "," not in address else set()
    street = frozenset(word for word in named if word not in _SIDES)
    return number, (street - elsewhere) or street
