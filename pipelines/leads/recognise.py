"""Which of the leads that are there a listing is: candidates that share something rare, weighed by what agrees and what does not."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from pipelines.leads.normalise import Card, same_phone

THRESHOLD = 5.0  # set by hand, as the weights are, before anything was measured: benchmarks/leads.py
_MARGIN = 1.0  # by less, one that is surer is chosen and the other told
_MOST_IN_BLOCK = 80  # what more share tells nothing
_ALIKE, _SIMILAR, _RELATED = 0.85, 0.6, 0.35


@dataclass(frozen=True, slots=True)
class Match:
    """Which lead it is, how surely, and why; and which others it could be, nearly as surely."""

    lead: int
    weight: float
    reasons: tuple[str, ...]
    could_be: tuple[int, ...]


@dataclass
class Known:
    """Leads with the cards that they were found under so far."""

    _cards: dict[int, list[Card]] = field(default_factory=lambda: defaultdict(list))
    _blocks: dict[Hashable, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, lead: int, card: Card) -> None:
        """Let the lead be recognised by this card, too."""
        if card in self._cards[lead]:
            return
        self._cards[lead].append(card)
        for key in _keys(card):
            self._blocks[key].add(lead)

    def find(self, card: Card) -> Match | None:
        """The lead that the card is of, if there is one: of several the surest, then the first."""
        weighed = {lead: self._weigh(card, lead) for lead in sorted(self._candidates(card))}
        likely = {lead: (weight, reasons) for lead, (weight, reasons) in weighed.items() if weight >= THRESHOLD}
        if not likely:
            return None
        best = max(likely, key=lambda lead: likely[lead][0])
        weight, reasons = likely.pop(best)
        could_be = tuple(lead for lead, (other, _) in likely.items() if other >= weight - _MARGIN)
        return Match(best, weight, reasons, could_be)

    def _weigh(self, card: Card, lead: int) -> tuple[float, tuple[str, ...]]:
        return max((weigh(card, other) for other in self._cards[lead]), key=lambda pair: pair[0])

    def _candidates(self, card: Card) -> set[int]:
        found: set[int] = set()
        for key in _keys(card):
            block = self._blocks.get(key, ())
            if len(block) <= _MOST_IN_BLOCK:
                found.update(block)
        return found


def _keys(card: Card) -> Iterator[Hashable]:
    if card.place_id:
        yield "place", card.place_id
    if card.phone:
        yield "phone", card.phone[-7:]
    if card.site:
        yield "site", card.site
    if card.number and card.street:
        yield from (("street", card.number, word) for word in card.street)
    where = card.zip or card.city
    yield "name", card.squeezed[:12], where
    yield from (("word", word, where) for word in card.name if len(word) > 3)  # noqa: PLR2004


def weigh(one: Card, other: Card) -> tuple[float, tuple[str, ...]]:
    """How much speaks for these being one business, and what does."""
    if one.place_id and one.place_id == other.place_id:
        return 20.0, ("the same place",)
    parts = tuple(_compare(one, other))
    return sum(weight for weight, _ in parts), tuple(words for weight, words in parts if weight > 0)


def _compare(one: Card, other: Card) -> Iterator[tuple[float, str]]:
    alike = name_likeness(one, other)
    yield (4.0 if alike >= _ALIKE else 2.5 if alike >= _SIMILAR else 0.5 if alike >= _RELATED else -2.5), "a name like it"
    if one.phone and other.phone:
        yield (3.5, "the same phone") if same_phone(one.phone, other.phone) else (-1.0, "")
    if one.site and other.site:
        yield (3.0, "the same site") if one.site == other.site else (-1.5, "")
    if one.number and other.number:
        # Of one brand at two addresses there are two.
        same_street = not one.street or not other.street or bool(one.street & other.street)
        yield (3.5, "the same address") if one.number == other.number and same_street else (-4.0, "")
    if one.zip and other.zip and one.zip != other.zip:
        yield -1.5, ""
    if one.city and other.city and one.city != other.city and not (one.zip and one.zip == other.zip):
        yield -1.5, ""


def name_likeness(one: Card, other: Card) -> float:
    """From 0 to 1: by words, in any order, and by letters."""
    if not one.name or not other.name:
        return 0.0
    if one.squeezed == other.squeezed:
        return 1.0
    shared = len(one.name & other.name)
    smaller, all_words = min(len(one.name), len(other.name)), len(one.name | other.name)
    by_words = max(shared / all_words, 0.9 * shared / smaller if smaller > 1 else 0.6 * shared)
    if by_words >= _ALIKE:
        return by_words
    matcher = SequenceMatcher(None, one.squeezed, other.squeezed, autojunk=False)
    return max(by_words, matcher.ratio() if matcher.real_quick_ratio() > by_words else 0.0)


def resolve(cards: Iterable[Card]) -> list[int]:
    """For each card the number of the business that it is of, counted from 0 in the order of their first cards."""
    known, numbers, businesses = Known(), [], 0
    for card in cards:
        match = known.find(card)
        number = businesses if match is None else match.lead
        businesses += match is None
        known.add(number, card)
        numbers.append(number)
    return numbers
