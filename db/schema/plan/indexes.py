"""Plan the indexes of a table that is there."""

from collections.abc import Collection

from db.schema.facts import quoted
from db.schema.plan.parts import Plan
from db.schema.shape import Index, Table


def plan_indexes(plan: Plan, ours: Table, there: Table, *, taken: Collection[str]) -> None:
    """The same under another name gets ours; a missing one is built beside the work; one left half-built is built again."""
    meanings = {index.meaning: index for index in there.indexes if index.valid}
    names = {index.name: index for index in there.indexes}
    for index in ours.indexes:
        found, named = meanings.get(index.meaning), names.get(index.name)
        if found:
            if found.name != index.name and index.name not in taken:
                rename = f"ALTER INDEX public.{quoted(found.name)} RENAME TO {quoted(index.name)}"
                plan.now(f"{ours.name}: index {found.name} is called {index.name}", rename)
        elif (named is None or named.valid) and index.name in taken:
            plan.obstacles.append(f"something else is called {index.name}, as an index of ours on {ours.name}")
        else:
            plan.later(f"{ours.name}: index on {index.definition}", *_build(ours.name, index))


def _build(table: str, index: Index) -> tuple[str, str]:
    unique = "UNIQUE " if index.unique else ""
    return (
        f"DROP INDEX CONCURRENTLY IF EXISTS public.{quoted(index.name)}",
        f"CREATE {unique}INDEX CONCURRENTLY {quoted(index.name)} ON public.{quoted(table)} USING {index.definition}",
    )
