"""Whether a column's type serves as another."""

import re
from dataclasses import dataclass
from enum import Enum

_TEXT = {"text", "character varying"}
_LIMITED = re.compile(r"character varying\(\d+\)")
_TIMES = {"timestamp without time zone", "timestamp with time zone"}
_WHOLE = ("smallint", "integer", "bigint")
_LISTS = {"text[]", "character varying[]"}
# Read and written through a type that takes both.
_LOOSE = {("cloud_connections", "is_active"): {"text", "character varying", "boolean"}}


class Fit(Enum):
    """How well the type that is there serves as ours."""

    GOOD = "read and written as it is"
    WIDEN = "our type takes the same values and more, and the table need not be written anew for it"
    NARROW = "serves, but does not hold every value that ours does"
    BAD = "does not serve"


@dataclass(frozen=True, slots=True)
class Place:
    """A column by name."""

    table: str
    column: str


def fit(place: Place, there: str, ours: str) -> Fit:
    """Whether a column of type `there` serves where ours is another."""
    if there == ours or {there, ours} <= _LOOSE.get((place.table, place.column), set()):
        return Fit.GOOD
    if any({there, ours} <= family for family in (_TEXT, _TIMES, _LISTS)):
        return Fit.GOOD
    if _LIMITED.fullmatch(there) and ours in _TEXT:
        return Fit.WIDEN
    if there in _WHOLE and ours in _WHOLE:
        return Fit.GOOD if _WHOLE.index(there) > _WHOLE.index(ours) else Fit.NARROW
    return Fit.BAD
