"""How to reach a person or a machine: e-mail, street and network addresses, written and as speech models garble them."""

import ipaddress
import re
from collections.abc import Iterator

from pipelines.providers.rules.digits import TENS, UNITS
from pipelines.providers.rules.spoken import Evidence, Spoken

_ENDINGS = r"(?:com|org|net|edu|gov|mil|io|co|ai|us|uk|biz|info|dev|app|me|de|fr|ca|eu|au|nz|ie|ch|at|nl|se|no|es|it)"
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64} ?@ ?[\w-]{1,63}(?:(?: ?\.| dot ) ?[\w-]{1,63}){1,4}")
# "visit our website at acme dot com" tells a site.
_NO_LOCAL_PART = (
    "us|me|him|her|them|it|website|site|webpage|page|online|out|in|up|over|down|here|there|more|store|shop|blog|available|look|looking"
    "|now|today|is|are|was|work|working|live|event|events|free|everything|products?|menu|tickets?|classes|information"
)
# "jane dot doe at acme dot com": the dots are words.
_SPOKEN_EMAIL = re.compile(
    rf"(?<!\w)(?!(?:{_NO_LOCAL_PART}) at )\w{{1,40}}(?:(?: (?:dot|period|underscore|dash|hyphen|plus) |[.+-])\w{{1,40}}){{0,6}}"
    rf" at (?:(?!at )[\w-]{{1,40}} ){{1,4}}dot {_ENDINGS}\b"
)
# "jane at acme.com" is an address only where the talk is of mail; "jane.doeatacme.com" is how tiny.en writes one.
_HALF_WRITTEN_EMAIL = re.compile(rf"(?<!\w)[\w.+-]{{1,64}} at [\w-]{{2,63}}(?: ?\.[\w-]{{2,63}}){{0,3}}\.{_ENDINGS}\b")
_GLUED_EMAIL = re.compile(rf"(?<![\w.])[a-z]{{2,30}}[._][a-z]{{2,30}}at[a-z0-9-]{{2,40}}\.{_ENDINGS}\b")
# "bakeratexample.com" may be a site as well: an address only where the talk is of mail.
_WHOLLY_GLUED_EMAIL = re.compile(rf"(?<![\w.@/])[a-z0-9]{{2,30}}at[a-z0-9-]{{3,40}}\.{_ENDINGS}\b")
_MAIL_TALK = re.compile(r"\b(?:e-?mails?|mail(?:ed|ing)?|reach|contact|write|send|sent|address|invite|forward|cc)\b")
_MAIL_TALK_CHARACTERS = 60  # how far before a half-written address the talk of mail may be

_NETWORK_ADDRESS = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)|(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}(?![\w:])"
)
_VERSION = re.compile(r"\b(?:version|release|build|revision|firmware|section|v) ?$")
_VERSION_CHARACTERS = 12
_INTERNAL_HOST = re.compile(r"(?<![\w.-])[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,4}\.(?:internal|corp|intranet|lan)\b(?!\.)")

# "staging dot acme dot internal", "ten dot zero dot four dot seventeen"
_SPOKEN_HOST = re.compile(r"(?<!\w)(?:[\w-]{1,30} dot ){1,4}(?:internal|corp|intranet|lan)\b")
_NUMBER_WORDS = "|".join([*UNITS, *TENS, "hundred", "oh"])
_OCTET = rf"(?:\d{{1,3}}|(?:(?:{_NUMBER_WORDS})[ -]){{0,3}}(?:{_NUMBER_WORDS}))"
_SPOKEN_NETWORK_ADDRESS = re.compile(rf"(?<!\w){_OCTET}(?: (?:dot|point) {_OCTET}){{3}}\b")
_HOUSE = rf"(?:\d{{1,6}}[a-z]?|(?:(?:{_NUMBER_WORDS})[ -]){{0,4}}(?:{_NUMBER_WORDS}))"
_STREET_WORDS = (
    "street|avenue|boulevard|lane|road|drive|parkway|highway|terrace|crescent|court|place|square|way|circle|close|row|alley|walk"
    "|blvd|ave|rd|ln|pkwy|hwy|st|dr|strasse|straße"
)
# Between a house number and "street" stand one to three words that are names: none of those that join other sentences.
_NO_NAME = (
    "the|a|an|of|on|in|at|to|for|and|or|but|is|are|was|were|that|this|these|those|with|from|by|as|it|we|you|they|i|so|if|my|your|our|their"
    "|his|her|minutes?|hours?|days?|weeks?|months?|years?|percent|times|people|other|more|different|new|possible|main|miles?|more|per|hour"
    "|meters?|feet|kilometers?|thing|things|can|could|would|will|do|did|have|has|just|like|really|because|which|what|how|when|yeah|uh|um"
)
_STREET = re.compile(
    rf"(?<![\w.])(?P<house>{_HOUSE}),? (?P<name>(?:(?!(?:{_NO_NAME})\b)[\w'.-]{{1,30}} ){{1,3}})(?P<kind>{_STREET_WORDS})\b(?! ?\d\d)"
)
_SURE_KINDS = frozenset(
    {"street", "avenue", "boulevard", "lane", "blvd", "ave", "rd", "ln", "pkwy", "parkway", "strasse", "straße"}
)
_POST_BOX = re.compile(r"\b(?:p\.? ?o\.? |psc \w{1,6},? |unit \w{1,6},? )box (?:number )?\w{1,8}")
_ROOM = re.compile(r"\b(?:apt\.?|apartment|suite|flat) (?:number |# ?)?\d{1,5}[a-z]?\b")
_STATE_AND_ZIP = re.compile(r"(?<!\w)(?:[A-Z][a-z]{2,20},? )?[A-Z]{2} \d{5}(?:-\d{4})?(?!\w)")
_ADDRESS_TALK = re.compile(
    r"\b(?:address(?:es)?|live[sd]?|living|located|office is|ship|deliver(?:ed)?|send|drop(?:s|ped)? .{0,12}off|directions)\b"
)
_ADDRESS_TALK_CHARACTERS = 50


def find_contacts(spoken: Spoken) -> Iterator[Evidence]:
    """Every e-mail, street and network address."""
    yield from _emails(spoken)
    yield from _network_addresses(spoken)
    yield from _street_addresses(spoken)


def _emails(spoken: Spoken) -> Iterator[Evidence]:
    for match in _EMAIL.finditer(spoken.lower):
        yield spoken.evidence("email_address", match.start(), match.end(), confidence=0.98)
    for pattern in (_SPOKEN_EMAIL, _GLUED_EMAIL):
        for match in pattern.finditer(spoken.lower):
            yield spoken.evidence("email_address", match.start(), match.end())
    for pattern in (_HALF_WRITTEN_EMAIL, _WHOLLY_GLUED_EMAIL):
        for match in pattern.finditer(spoken.lower):
            if _MAIL_TALK.search(spoken.lower, max(0, match.start() - _MAIL_TALK_CHARACTERS), match.start()):
                yield spoken.evidence("email_address", match.start(), match.end(), confidence=0.75)


def _network_addresses(spoken: Spoken) -> Iterator[Evidence]:
    for match in _NETWORK_ADDRESS.finditer(spoken.lower):
        try:
            address = ipaddress.ip_address(match.group())
        except ValueError:
            continue  # a version of four parts, or a time
        if _VERSION.search(spoken.lower, max(0, match.start() - _VERSION_CHARACTERS), match.start()):
            continue
        rule = "internal_host" if address.is_private else "public_address"
        yield spoken.evidence(rule, match.start(), match.end())
    for pattern in (_INTERNAL_HOST, _SPOKEN_HOST, _SPOKEN_NETWORK_ADDRESS):
        for match in pattern.finditer(spoken.lower):
            yield spoken.evidence("internal_host", match.start(), match.end())


def _street_addresses(spoken: Spoken) -> Iterator[Evidence]:
    for match in _STREET.finditer(spoken.lower):
        if _is_street(spoken, match):
            yield spoken.evidence("street_address", match.start(), match.end())
    for pattern in (_POST_BOX, _ROOM):
        for match in pattern.finditer(spoken.lower):
            yield spoken.evidence("street_address", match.start(), match.end(), confidence=0.65)
    for match in _STATE_AND_ZIP.finditer(spoken.line):
        yield spoken.evidence("street_address", match.start(), match.end(), confidence=0.65)


def _is_street(spoken: Spoken, match: re.Match[str]) -> bool:
    """Tell a street from "two long way": by a kind that is nothing else, a capital, or talk of addresses before it."""
    name = spoken.line[match.start("name") : match.end("name")].split()
    is_told = _ADDRESS_TALK.search(spoken.lower, max(0, match.start() - _ADDRESS_TALK_CHARACTERS), match.start())
    return match["kind"] in _SURE_KINDS or bool(is_told) or any(word[0].isupper() for word in name)
