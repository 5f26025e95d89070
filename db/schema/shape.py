"""What a database's tables look like, and when two parts of them mean the same."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_CAST = re.compile(
    r"::\s*(?:\"?\w+\"?\.)?(?:character varying|timestamp with(?:out)? time zone|\"?\w+\"?)(?:\(\d+\))?(?:\[\])?"
)
_AROUND_ONE = re.compile(r"(?<!\w)\((\w+(?:\(\))?|'[^']*')\)")
_QUOTED = re.compile(r"('(?:[^']|'')*')")


class Kind(StrEnum):
    """Kinds of constraints, as `pg_constraint.contype` names them."""

    PRIMARY_KEY = "p"
    UNIQUE = "u"
    FOREIGN_KEY = "f"
    CHECK = "c"
    EXCLUSION = "x"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `default` is an expression as PostgreSQL prints it, `generated` one that is always computed."""

    name: str
    type: str
    nullable: bool
    default: str | None = None
    identity: bool = False
    generated: bool = False

    @property
    def numbers_itself(self) -> bool:
        """Whether rows get their number from a sequence, by either of the two ways there are."""
        return self.identity or (self.default or "").startswith("nextval(")


@dataclass(frozen=True, slots=True)
class Constraint:
    """One constraint; `definition` is without NOT VALID, `words` what a list of allowed words holds."""

    name: str
    kind: Kind
    definition: str
    columns: tuple[str, ...]
    valid: bool = True
    refers_to: str | None = None
    words: frozenset[str] | None = None

    @property
    def meaning(self) -> str:
        """The same for two constraints that hold the same, whatever their names and casts."""
        if self.words is not None:
            return f"CHECK {self.columns[0]} IN {', '.join(sorted(self.words))}"
        return plain(self.definition)


@dataclass(frozen=True, slots=True)
class Index:
    """One index that no constraint made; `definition` starts at its method."""

    name: str
    definition: str
    unique: bool
    valid: bool = True

    @property
    def meaning(self) -> str:
        """The same for two indexes that find the same, whatever their names."""
        return f"{'UNIQUE ' if self.unique else ''}{plain(self.definition)}"


@dataclass(frozen=True, slots=True)
class Table:
    """One table, or a partitioned one."""

    name: str
    columns: Mapping[str, Column]
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    owned: bool = True  # by the login that reads, so that it may change it

    def find_key(self, columns: tuple[str, ...]) -> Constraint | Index | None:
        """What keeps these columns unique together, a constraint or an index."""
        for constraint in self.constraints:
            if constraint.kind in {Kind.PRIMARY_KEY, Kind.UNIQUE} and set(constraint.columns) == set(columns):
                return constraint
        definition = plain(f"btree ({', '.join(columns)})")
        return next((index for index in self.indexes if index.unique and plain(index.definition) == definition), None)


Schema = Mapping[str, Table]  # tables by name


def plain(expression: str) -> str:
    """An expression without casts, spaces and brackets around one name; what stands in quotes is left as it is."""
    parts = _QUOTED.split(expression)
    parts[::2] = [re.sub(r"\s+", " ", _CAST.sub("", part)).lower() for part in parts[::2]]
    joined, before = "".join(parts).replace("current_timestamp", "now()").strip(), ""
    while joined != before:
        before, joined = joined, _AROUND_ONE.sub(r"\1", joined)
    return joined
