"""Tell how two descriptions of a database differ."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from db.schema.names import Renamed, list_renamed, rename
from db.schema.shape import Column, Schema, Table, plain

_Part = tuple[str, str]  # its name and its definition, by its meaning


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same in the two; None is where it is missing."""

    what: str  # name | column | type | nullability | default | index | constraint
    name: str
    first: str | None
    second: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two databases side by side. `tables` holds those of both, each with its differences; names are sorted."""

    first: str
    second: str
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    tables: Mapping[str, tuple[Difference, ...]]

    @property
    def differing(self) -> Mapping[str, tuple[Difference, ...]]:
        """The tables of both that are not the same."""
        return {name: differences for name, differences in self.tables.items() if differences}


def compare(first: Schema, second: Schema, *, names: tuple[str, str]) -> Comparison:
    """What is in both, in one only, and how the tables of both differ.

    A table that only one side calls by its older name is the same table, and its name a difference.
    """
    older_first, older_second = list_renamed(first), list_renamed(second)
    if older_first == older_second:
        older_first = older_second = []
    first, second = rename(first, older_first), rename(second, older_second)
    names_first, names_second = _older_names(older_first), _older_names(older_second)
    return Comparison(
        *names,
        only_first=tuple(sorted(first.keys() - second.keys())),
        only_second=tuple(sorted(second.keys() - first.keys())),
        tables={
            name: (
                *_of_names(names_first.get(name, {}), names_second.get(name, {})),
                *_differences(first[name], second[name]),
            )
            for name in sorted(first.keys() & second.keys())
        },
    )


def _older_names(renamed: list[Renamed]) -> Mapping[str, Mapping[str, str]]:
    """Of each table, today's names of it and of its columns to those that it has."""
    return {one.name: {one.name: one.was, **{new: old for old, new in one.columns.items()}} for one in renamed}


def _of_names(first: Mapping[str, str], second: Mapping[str, str]) -> Iterable[Difference]:
    for name in dict.fromkeys([*first, *second]):
        has = first.get(name, name), second.get(name, name)
        if has[0] != has[1]:
            yield Difference("name", name, *has)


def _differences(first: Table, second: Table) -> Iterable[Difference]:
    for name in dict.fromkeys([*first.columns, *second.columns]):
        yield from _of_column(name, first.columns.get(name), second.columns.get(name))
    yield from _of_parts("index", _indexes(first), _indexes(second))
    yield from _of_parts("constraint", _constraints(first), _constraints(second))


def _of_column(name: str, first: Column | None, second: Column | None) -> Iterable[Difference]:
    if first is None or second is None:
        yield Difference("column", name, describe(first) if first else None, describe(second) if second else None)
        return
    if first.type != second.type:
        yield Difference("type", name, first.type, second.type)
    if first.nullable != second.nullable:
        yield Difference("nullability", name, _null(first), _null(second))
    if _default(first) != _default(second):
        yield Difference("default", name, first.default, second.default)


def _of_parts(what: str, first: Mapping[str, _Part], second: Mapping[str, _Part]) -> Iterable[Difference]:
    for meaning, (name, words) in first.items():
        if meaning not in second:
            yield Difference(what, name, words, None)
    for meaning, (name, words) in second.items():
        if meaning not in first:
            yield Difference(what, name, None, words)


def _indexes(table: Table) -> Mapping[str, _Part]:
    return {one.meaning: (one.name, f"{'unique ' if one.unique else ''}{one.definition}") for one in table.indexes}


def _constraints(table: Table) -> Mapping[str, _Part]:
    return {one.meaning: (one.name, one.definition) for one in table.constraints}


def describe(column: Column) -> str:
    """The column in SQL's words: type, default, NOT NULL."""
    numbered = " identity" if column.identity else ""
    default = f" default {column.default}" if column.default else ""
    return f"{column.type}{numbered}{default}{'' if column.nullable else ' not null'}"


def _default(column: Column) -> str | None:
    if column.numbers_itself:
        return "its next number"
    return plain(column.default) if column.default else None


def _null(column: Column) -> str:
    return "may be null" if column.nullable else "not null"
