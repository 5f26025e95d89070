"""Plan everything that is not a column, a constraint or an index of a table that is there."""

import re

from db.schema.entries import Entry, Grant, list_closed, list_grants
from db.schema.facts import quoted
from db.schema.names import Renamed
from db.schema.plan.parts import Plan, Step
from db.schema.shape import Schema, Table

_PLANNED_BY_TABLE = {
    "TABLE",
    "TABLE DATA",
    "SEQUENCE",
    "DEFAULT",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "INDEX",
    "COMMENT",
}
_JOBS = "schema jobs: made, with all that is in it"
_ACCESS = "who may see and do what: row-level security, policies and grants"
_SEQUENCE = re.compile(r"^nextval\('(?:public\.)?(?P<name>\w+)'::regclass\)$")


def plan_objects(
    plan: Plan, ours: list[Entry], there: list[Entry], live: Schema, renamed: list[Renamed], *, adopted: bool
) -> None:
    """Run what our dump holds and the database lacks, in the dump's order.

    `adopted`: our own migrations were here, so what has the name of ours is ours, however this server prints it.
    """
    today = {one.was: one.name for one in renamed}
    present = {_key(entry, today): entry.sql for entry in there}
    for entry in ours:
        if entry.kind in {"ACL", "SEQUENCE SET"}:
            continue
        if entry.is_of_jobs:
            if not adopted:
                plan.now(_words(entry), entry.sql, part_of=_JOBS)
        elif entry.kind in _PLANNED_BY_TABLE and entry.table in live:
            continue
        elif (found := present.get(_key(entry, today))) is None:
            plan.now(_words(entry), entry.sql, part_of=_whole(entry, live))
        elif found != entry.sql and not adopted and entry.kind not in _PLANNED_BY_TABLE:
            plan.obstacles.append(f"{_words(entry)} is there already and is not ours: rename or drop it first")
    _plan_numbers(plan, ours, live, adopted=adopted)
    _plan_grants(plan, ours, there, live)
    if not adopted:
        _refuse_policies(plan, ours, there, today)


def plan_old_names(plan: Plan, renamed: list[Renamed], live: Schema) -> None:
    """Tables and columns get today's names first; what still asks by the older one of a table finds a view there."""
    for one in reversed(renamed):
        plan.change.insert(0, _rename(one))
    for one in renamed:
        if one.was != one.name:
            plan.now(f"{one.was} stays readable and writable as a view of {one.name}", _view(one, live[one.name]))


def _rename(renamed: Renamed) -> Step:
    table = f"public.{quoted(renamed.name)}"
    statements, words = [], []
    if renamed.was != renamed.name:
        statements.append(f"ALTER TABLE public.{quoted(renamed.was)} RENAME TO {quoted(renamed.name)}")
        words.append(f"{renamed.was} becomes {renamed.name}")
    for old, new in renamed.columns.items():
        statements.append(f"ALTER TABLE {table} RENAME COLUMN {quoted(old)} TO {quoted(new)}")
        words.append(f"{renamed.was}.{old} becomes {new}")
    return Step(", ".join(words), tuple(statements))


def _view(renamed: Renamed, table: Table) -> str:
    before = {new: old for old, new in renamed.columns.items()}
    columns = (f"{quoted(name)} AS {quoted(before[name])}" if name in before else quoted(name) for name in table.columns)
    # As who asks, not as the owner: row-level security holds through it.
    options = "WITH (security_invoker = true)"
    return (
        f"CREATE VIEW public.{quoted(renamed.was)} {options} AS SELECT {', '.join(columns)} FROM public.{quoted(renamed.name)}"
    )


def _plan_numbers(plan: Plan, ours: list[Entry], live: Schema, *, adopted: bool) -> None:
    """Sequences of tables that are made go on after the rows that our migrations bring."""
    for entry in ours:
        if entry.kind == "SEQUENCE SET" and not adopted and not any(entry.name.startswith(f"{table}_") for table in live):
            plan.now(_words(entry), entry.sql, part_of=_JOBS)


def _plan_grants(plan: Plan, ours: list[Entry], there: list[Entry], live: Schema) -> None:
    closed = set(list_closed(there))
    for statement in list_closed(ours):
        if statement not in closed:
            plan.now(f"not for everybody: {statement}", statement, part_of=_ACCESS)
    held = list_grants(there)
    needed = list_grants(ours)
    for grant in [*needed, *_of_sequences(needed, live)]:
        if not any(one.covers(grant) for one in held):
            plan.now(
                f"{grant.role} may {', '.join(sorted(grant.privileges)).lower()}: {grant.object}", grant.sql, part_of=_ACCESS
            )


def _of_sequences(grants: list[Grant], live: Schema) -> list[Grant]:
    """Who may insert a row must be able to number it, where the number is not an identity's."""
    inserting = {(grant.object, grant.role) for grant in grants if grant.privileges & {"INSERT", "ALL"}}
    found = [
        (table.name, match["name"])
        for table in live.values()
        for column in table.columns.values()
        if (match := _SEQUENCE.match(column.default or ""))
    ]
    return [
        Grant(frozenset({"USAGE"}), f"SEQUENCE public.{sequence}", role)
        for table, sequence in found
        for granted, role in sorted(inserting)
        if granted == f"TABLE public.{table}"
    ]


def _refuse_policies(plan: Plan, ours: list[Entry], there: list[Entry], today: dict[str, str]) -> None:
    """A policy that is there lets rows through beside ours."""
    tables = {entry.table for entry in ours}
    known = {_key(entry, today) for entry in ours}
    for entry in there:
        if entry.kind == "POLICY" and today.get(entry.table or "", entry.table) in tables and _key(entry, today) not in known:
            plan.obstacles.append(f"the policy {entry.name} would decide beside ours who sees which rows: drop it first")


def _key(entry: Entry, today: dict[str, str]) -> tuple[str, str, str]:
    table = entry.table
    name = entry.name
    if table in today:
        name = re.sub(rf"^{table}\b", today[table], name)
    return entry.kind, entry.schema, name


def _whole(entry: Entry, live: Schema) -> str | None:
    if entry.table and entry.table not in live:
        return f"{entry.table}: made"
    return _ACCESS if entry.kind in {"POLICY", "ROW SECURITY"} else None


def _words(entry: Entry) -> str:
    return f"{entry.kind.lower()} {'' if entry.schema in {'-', 'public'} else entry.schema + '.'}{entry.name}"
