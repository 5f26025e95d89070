"""Plan how a database of an earlier generation is brought to ours, driven by what our migrations make."""

from dataclasses import dataclass

from db.schema.entries import Entry
from db.schema.facts import Facts
from db.schema.names import list_doubled, list_renamed, rename
from db.schema.plan.columns import plan_columns
from db.schema.plan.constraints import ConstraintPlanner
from db.schema.plan.indexes import plan_indexes
from db.schema.plan.objects import plan_objects, plan_old_names
from db.schema.plan.parts import Plan, Step
from db.schema.shape import Schema

__all__ = ["Described", "Plan", "Step", "make_plan"]


@dataclass(frozen=True, slots=True)
class Described:
    """A database: its tables, everything else as pg_dump tells it, and the revision of our migrations, if they were there."""

    tables: Schema
    entries: list[Entry]
    revision: str | None


def make_plan(ours: Described, there: Described, facts: Facts, *, rewrite: bool = False) -> Plan:
    """What is to be done, without doing any of it. `facts` answers about the rows of `there`."""
    plan = Plan()
    renamed = list_renamed(there.tables)
    live = rename(there.tables, renamed)
    _plan_whole(plan, ours, there)
    taken = {part.name for table in live.values() for parts in (table.constraints, table.indexes) for part in parts}
    both = [(table, live[name]) for name, table in ours.tables.items() if name in live]
    for table, there_is in both:
        plan_columns(plan, table, there_is, facts, rewrite=rewrite)
    # New tables come after the columns that their policies name, and before the foreign keys that refer to them.
    plan_objects(plan, ours.entries, there.entries, live, renamed, adopted=there.revision is not None)
    for table, there_is in both:
        ConstraintPlanner(plan, table, there_is, facts, taken=taken).plan(live, ours.tables.keys())
        plan_indexes(plan, table, there_is, taken=taken)
    plan_old_names(plan, renamed, live)
    return plan


def _plan_whole(plan: Plan, ours: Described, there: Described) -> None:
    for old, new in list_doubled(there.tables):
        plan.obstacles.append(f"{old} and {new} are both there, and are the same table by an older name and by today's")
    for name, table in there.tables.items():
        if not table.owned:
            plan.obstacles.append(f"{name} belongs to another role than this login: connect as its owner")
    if there.revision is None and any(
        entry.schema == "jobs" or entry.name == "jobs" for entry in there.entries if entry.kind == "SCHEMA"
    ):
        plan.obstacles.append("a schema called jobs is there and is not ours: rename or drop it first")
    beside = sorted(there.tables.keys() - ours.tables.keys() - {one.was for one in list_renamed(there.tables)})
    if beside:
        plan.kept.append(f"tables that ours does not know stay as they are: {', '.join(beside)}")
