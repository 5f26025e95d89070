"""The names that older copies use, and how a description is turned to today's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from db.schema.shape import Column, Constraint, Index, Schema, Table

TABLES = {
    "client_businesses": "leads_clients",
    "lead_searches": "leads_searches",
    "lead_search_schedules": "leads_search_schedules",
    "leads": "business_leads",
    "swot_analyses": "leads_swot_analyses",
}
COLUMNS = {"client_business_id": "client_id", "lead_search_id": "search_id"}  # in the tables above, under either name


@dataclass(frozen=True, slots=True)
class Renamed:
    """A table that an older copy names otherwise, or whose columns it does."""

    was: str
    name: str
    columns: Mapping[str, str]  # old names to today's


def list_renamed(live: Schema) -> list[Renamed]:
    """What is to be renamed; a table that is there under both names is left out."""
    found = []
    for old, new in TABLES.items():
        was = old if old in live else new
        if was not in live or (old in live and new in live):
            continue
        there = live[was].columns
        columns = {before: after for before, after in COLUMNS.items() if before in there and after not in there}
        if was != new or columns:
            found.append(Renamed(was, new, columns))
    return found


def list_doubled(live: Schema) -> list[tuple[str, str]]:
    """Tables that are there under their older name and under today's."""
    return [(old, new) for old, new in TABLES.items() if old in live and new in live]


def rename(live: Schema, renamed: list[Renamed]) -> Schema:
    """The same description under today's names."""
    by_old = {one.was: one for one in renamed}
    tables = {one.was: one.name for one in renamed}
    columns = {one.was: one.columns for one in renamed}
    described = (_rename_table(table, by_old.get(name), tables, columns) for name, table in live.items())
    return {table.name: table for table in described}


def _rename_table(
    table: Table, renamed: Renamed | None, tables: Mapping[str, str], columns: Mapping[str, Mapping[str, str]]
) -> Table:
    own = renamed.columns if renamed else {}

    def column(one: Column) -> Column:
        return replace(one, name=own.get(one.name, one.name))

    def constraint(one: Constraint) -> Constraint:
        here, refers, there = one.definition.partition(" REFERENCES ")
        referred = columns.get(one.refers_to or "", {})
        there = _words(re.sub(r"^public\.(\w+)", lambda match: f"public.{tables.get(match[1], match[1])}", there), referred)
        return replace(
            one,
            definition=_words(here, own) + refers + there,
            columns=tuple(own.get(name, name) for name in one.columns),
            refers_to=tables.get(one.refers_to or "", one.refers_to),
        )

    def index(one: Index) -> Index:
        return replace(one, definition=_words(one.definition, own))

    return replace(
        table,
        name=renamed.name if renamed else table.name,
        columns={own.get(name, name): column(one) for name, one in table.columns.items()},
        constraints=tuple(map(constraint, table.constraints)),
        indexes=tuple(map(index, table.indexes)),
    )


def _words(definition: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        definition = re.sub(rf"\b{old}\b", new, definition)
    return definition
