"""Amounts of money: figures of the business by the words around them, and any other amount."""

from collections.abc import Iterator, Sequence

from pipelines.providers.rules.quantities import Quantity, quantities
from pipelines.providers.rules.spoken import Evidence, Spoken
from pipelines.providers.rules.tables import word_list

_NEAR = 12  # tokens on either side whose words say what an amount is
_LARGE = 1000  # from here on a price or cost of "our" company is a figure of the business

_BUSINESS = frozenset(word_list("business"))
_PROMOTION = frozenset(word_list("promotion"))
_TRADE = frozenset(word_list("trade"))
_OURS = frozenset(word_list("ours"))


def find_money(spoken: Spoken) -> Iterator[Evidence]:
    """Every amount of money, and every share or large number that the words around it make a figure of the business.

    A figure reaches to the word that makes it one: "revenue … $84,000".
    """
    for quantity in quantities(spoken):
        near = _near(spoken, quantity)
        rule = _rule(quantity, {spoken.tokens[index].text for index in near})
        if rule:
            first, last = _reach(spoken, quantity, near) if rule == "business_figure" else (quantity.first, quantity.last)
            yield spoken.evidence(rule, spoken.tokens[first].start, spoken.tokens[last].end)


def _near(spoken: Spoken, quantity: Quantity) -> list[int]:
    """The tokens around an amount, and of it, that belong to its sentence or a neighbouring one."""
    sentence = spoken.tokens[quantity.first].sentence
    near = range(max(0, quantity.first - _NEAR), min(len(spoken.tokens), quantity.last + 1 + _NEAR))
    return [index for index in near if abs(spoken.tokens[index].sentence - sentence) <= 1]


def _rule(quantity: Quantity, near: set[str]) -> str | None:
    is_small = quantity.is_percent or quantity.size < _LARGE
    is_business = bool(near & (_BUSINESS - _PROMOTION if is_small else _BUSINESS))
    if quantity.is_percent:
        return "business_figure" if is_business else None
    is_large_trade = quantity.size >= _LARGE and bool(near & _TRADE) and bool(near & _OURS)
    if quantity.is_money:
        return "business_figure" if is_business or is_large_trade else "money_amount"
    return "business_figure" if quantity.has_scale and quantity.size >= _LARGE and is_business else None


def _reach(spoken: Spoken, quantity: Quantity, near: Sequence[int]) -> tuple[int, int]:
    """The first and last token from an amount to the nearest word that says what it is."""
    telling = [index for index in near if spoken.tokens[index].text in _BUSINESS | _TRADE]
    nearest = min(telling, key=lambda index: max(quantity.first - index, index - quantity.last), default=quantity.first)
    return min(quantity.first, nearest), max(quantity.last, nearest)
