"""Amounts as they are said: "$2.4 million", "ninety five thousand", "20 percent", each with its size and unit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.providers.rules.digits import TENS, UNITS
from pipelines.providers.rules.spoken import Spoken, Token
from pipelines.providers.rules.tables import word_list

_SCALES = {"hundred": 1e2, "thousand": 1e3, "grand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SHORT_SCALES = {"k": 1e3, "m": 1e6, "mm": 1e6, "bn": 1e9, "mil": 1e6}  # only right behind digits
_SMALL = {**UNITS, **TENS}
_SIGNS = frozenset("$£€¥")
_CURRENCIES = frozenset(word_list("currencies")) | _SIGNS
_PERCENTS = frozenset({"%", "percent", "per cent"})
_LONGEST = 14  # tokens of one amount


@dataclass(frozen=True, slots=True)
class Quantity:
    """One amount; `first` to `last` are indices of tokens, both inside."""

    first: int
    last: int
    size: float
    is_money: bool
    is_percent: bool
    has_scale: bool


def quantities(spoken: Spoken) -> Iterator[Quantity]:
    """Every number with what stands around it, in the order of time."""
    tokens, index = spoken.tokens, 0
    while index < len(tokens):
        if not _begins_number(tokens, index):
            index += 1
            continue
        last = _end_of_number(tokens, index)
        yield _quantity(tokens, index, last)
        index = last + 1


def _begins_number(tokens: Sequence[Token], index: int) -> bool:
    text = tokens[index].text
    if text.isdecimal() or text in _SMALL:
        return True
    is_half = text in {"a", "half"} and index + 1 < len(tokens)
    return is_half and (tokens[index + 1].text in _SCALES or _texts(tokens, index + 1) in {("a", "million"), ("a", "billion")})


def _texts(tokens: Sequence[Token], index: int) -> tuple[str, ...]:
    return tuple(token.text for token in tokens[index : index + 2])


def _end_of_number(tokens: Sequence[Token], first: int) -> int:
    last = index = first
    while index < min(len(tokens), first + _LONGEST):
        text = tokens[index].text
        if text.isdecimal() or text in _SMALL or text in _SCALES or _is_short_scale(tokens, index):
            last = index
        elif index != first and not _joins(tokens, index):
            break
        index += 1
    return last


def _is_short_scale(tokens: Sequence[Token], index: int) -> bool:
    is_behind = index > 0 and tokens[index - 1].text.isdecimal()
    return is_behind and tokens[index].text in _SHORT_SCALES and tokens[index].start - tokens[index - 1].end <= 1


def _joins(tokens: Sequence[Token], index: int) -> bool:
    """Tell whether a token stands inside one number: `2,400.50`, "twenty-five", "two hundred and ten", "one point five"."""
    text = tokens[index].text
    if text in {",", ".", "-"}:
        return (
            index + 1 < len(tokens)
            and tokens[index - 1].end == tokens[index].start
            and tokens[index].end == tokens[index + 1].start
        )
    if text == "and":
        return tokens[index - 1].text in _SCALES
    return text in {"point", "a"} and (text == "point" or tokens[index - 1].text in {"half", "and"})


def _quantity(tokens: Sequence[Token], first: int, last: int) -> Quantity:
    before = tokens[first - 1].text if first else ""
    after = tokens[last + 1].text if last + 1 < len(tokens) else ""
    is_percent = after in _PERCENTS or _texts(tokens, last + 1) == ("per", "cent")
    is_money = before in _SIGNS or after in _CURRENCIES or tokens[last].text == "grand"
    has_scale = any(tokens[index].text in _SCALES or _is_short_scale(tokens, index) for index in range(first, last + 1))
    begin = first - 1 if before in _SIGNS else first
    end = last + 1 if after in _CURRENCIES or after in _PERCENTS else last
    return Quantity(begin, end, _size(tokens[first : last + 1]), is_money, is_percent, has_scale)


def _size(tokens: Sequence[Token]) -> float:
    """About how much: enough to tell a shop's price from a figure of the business."""
    total = current = 0.0
    fraction = False
    for token in tokens:
        scale = _SCALES.get(token.text) or _SHORT_SCALES.get(token.text)
        if token.text == "hundred":  # of "two hundred thousand": it belongs to what follows
            current = max(current, 1.0) * 100
        elif scale:
            total, current = total + max(current, 1.0) * scale, 0.0
        elif token.text.isdecimal():
            current = current if fraction else _joined(current, token.text)
        else:
            current += _SMALL.get(token.text, 0)
        fraction = token.text in {".", "point"}
    return total + current


def _joined(current: float, digits: str) -> float:
    """`2,400` comes as two groups. Nobody says more than eighteen digits as an amount."""
    return float(current * 10 ** min(len(digits), 18) + int(digits[:18]))
