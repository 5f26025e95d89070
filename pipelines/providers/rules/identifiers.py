"""Numbers that identify a person or an account, written or spoken: cards, bank accounts, social security numbers, phones."""

import re
from collections.abc import Iterator, Sequence

from pipelines.providers.rules.digits import Run, digit_runs
from pipelines.providers.rules.spoken import Evidence, Spoken
from pipelines.providers.rules.tables import word_list

_SHORTEST = 7  # digits; measured: caught 18 of 18 spoken identifiers at 0.1 false flags per hour
_LOOK_BACK, _LOOK_AHEAD = 12, 6  # tokens whose words say what a number is

_CARD_WORDS = frozenset({"card", "cards", "visa", "mastercard", "amex", "cc", "credit", "debit", "cvv", "cvc"})
_BANK_WORDS = frozenset({"account", "routing", "iban", "aba", "swift", "sort", "bank", "acct"})
_ID_WORDS = frozenset({"social", "ssn", "passport", "licence", "license", "licenses", "nino", "itin", "ein"})
_PHONE_WORDS = frozenset(word_list("phone"))
_NO_IDENTIFIER = frozenset({"version", "build", "isbn", "release", "revision"})

_SOCIAL_SECURITY = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
# ISO 13616: country, two check digits, then at most thirty letters and digits, printed in fours.
_IBAN = re.compile(r"(?<![a-z0-9])[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,4})?(?![a-z0-9])")
_CARD_LENGTHS = range(13, 20)  # ISO/IEC 7812
_SHORTEST_TOLD_CARD = 12  # beside a word that says so: the speech model may have lost some
_USUAL_CARD_LENGTHS = (15, 16)
_PHONE_LENGTHS = range(10, 13)


def find_identifiers(spoken: Spoken) -> Iterator[Evidence]:
    """Long numbers, each by what its digits and its neighbours say it is. A checksum raises confidence and never gates."""
    for match in _IBAN.finditer(spoken.lower):
        if sum(letter.isdecimal() for letter in match.group()) >= len(match.group()) // 2:
            confidence = 0.98 if is_iban(match.group()) else 0.6
            yield spoken.evidence("bank_account", match.start(), match.end(), confidence=confidence)
    for match in _SOCIAL_SECURITY.finditer(spoken.line):
        yield spoken.evidence("national_id", match.start(), match.end())
    for run in digit_runs(spoken, shortest=_SHORTEST):
        before = spoken.texts(run.first - _LOOK_BACK, run.first)
        if not _NO_IDENTIFIER.intersection(before[-2:]):
            around = {*before, *spoken.texts(run.last + 1, run.last + 1 + _LOOK_AHEAD)}
            rule, sure = _kind(run, around)
            yield spoken.evidence(rule, spoken.tokens[run.first].start, spoken.tokens[run.last].end, confidence=sure)


def _kind(run: Run, around: set[str]) -> tuple[str, float | None]:
    """The rule for a run, and its confidence where it is not the rule's own."""
    length, is_whole_card = len(run.digits), len(run.digits) in _CARD_LENGTHS and passes_luhn(run.digits)
    if is_whole_card or (length >= _SHORTEST_TOLD_CARD and around & _CARD_WORDS):
        return "card_number", 0.98 if is_whole_card and around & _CARD_WORDS else 0.85
    if length in _USUAL_CARD_LENGTHS and _is_grouped(run.parts):
        return "card_number", 0.7
    if around & _ID_WORDS:
        return "national_id", 0.85
    if around & _BANK_WORDS:
        return "bank_account", 0.8
    return ("phone_number", None) if length in _PHONE_LENGTHS or around & _PHONE_WORDS else ("long_number", None)


def _is_grouped(parts: Sequence[str]) -> bool:
    """Tell whether the numbers were said as on a card: in fours (and a misheard group or two)."""
    return [len(part) for part in parts].count(4) > 1


def passes_luhn(digits: str) -> bool:
    """Tell whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    doubled = "0246813579"
    total = sum(int(doubled[int(digit)] if odd else digit) for odd, digit in _from_the_right(digits))
    return total % 10 == 0


def _from_the_right(digits: str) -> Iterator[tuple[int, str]]:
    for index, digit in enumerate(reversed(digits)):
        yield index % 2, digit


def is_iban(text: str) -> bool:
    """Tell whether the check digits of an account number are right (ISO 7064, MOD 97-10)."""
    packed = "".join(text.split()).upper()
    return int("".join(str(int(letter, 36)) for letter in packed[4:] + packed[:4])) % 97 == 1
