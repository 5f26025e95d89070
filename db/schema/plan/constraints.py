"""Plan the constraints of a table that is there."""

import re
from collections.abc import Collection, Iterator
from itertools import combinations

from db.schema.facts import Facts, literal, quoted
from db.schema.plan.parts import Plan
from db.schema.shape import Constraint, Index, Kind, Schema, Table

_REFERRED = re.compile(r" REFERENCES \S+?\((?P<columns>[^)]*)\)")

_DEFERRED = re.compile(r"((?: NOT)? DEFERRABLE.*)?$")


class ConstraintPlanner:
    """Adds to a plan what one table needs. `taken` are names of constraints and indexes that are there."""

    def __init__(self, plan: Plan, ours: Table, there: Table, facts: Facts, *, taken: Collection[str]) -> None:
        self._plan = plan
        self._ours = ours
        self._there = there
        self._facts = facts
        self._taken = taken
        self._alter = f"ALTER TABLE public.{quoted(ours.name)}"
        self._stricter: set[str] = set()  # the keys of which the plan says that they go, or why they stay

    def plan(self, live: Schema, known: Collection[str]) -> None:
        """Every constraint of ours, then what is there beside them. `known` are the tables that ours has."""
        for constraint in self._ours.constraints:
            if constraint.kind is Kind.PRIMARY_KEY:
                self._plan_primary_key(constraint)
            elif constraint.kind is Kind.UNIQUE:
                self._plan_unique(constraint)
                self._plan_stricter(constraint, live)
            elif constraint.kind is Kind.FOREIGN_KEY:
                self._plan_foreign_key(constraint, live)
            elif constraint.words is not None:
                self._plan_words(constraint, constraint.words)
            else:
                self._plan_rule(constraint)
        self._plan_beside_ours()
        self._plan_unknown_references(live, known)

    def _plan_primary_key(self, ours: Constraint) -> None:
        found = next((one for one in self._there.constraints if one.kind is Kind.PRIMARY_KEY), None)
        if found is None or set(found.columns) != set(ours.columns):
            has = f"on ({', '.join(found.columns)})" if found else "there is none"
            self._plan.obstacles.append(f"the primary key of {self._ours.name} is on ({', '.join(ours.columns)}), but {has}")
        else:
            self._call(ours, found)

    def _plan_unique(self, ours: Constraint) -> None:
        if found := self._there.find_key(ours.columns):
            if isinstance(found, Constraint):
                self._call(ours, found)
            return
        words = f"{self._ours.name} ({', '.join(ours.columns)})"
        known = all(column in self._there.columns for column in ours.columns)
        if known and (doubled := self._facts.count_doubled(self._ours.name, ours.columns)):
            self._plan.obstacles.append(f"{words} must be unique, and {doubled} values are there more than once")
            return
        index = (
            f"CREATE UNIQUE INDEX CONCURRENTLY {quoted(ours.name)} ON public.{quoted(self._ours.name)} ({_list(ours.columns)})"
        )
        use = f"{self._alter} ADD CONSTRAINT {quoted(ours.name)} UNIQUE USING INDEX {quoted(ours.name)}"
        unfinished = f"DROP INDEX CONCURRENTLY IF EXISTS public.{quoted(ours.name)}"
        self._plan.later(f"{words}: unique", unfinished, index, use)

    def _plan_stricter(self, ours: Constraint, live: Schema) -> None:
        """A key on a part of the columns of ours goes once ours is there: it would refuse rows that ours lets in."""
        referred = {_referred(one) for table in live.values() for one in table.constraints if one.refers_to == self._ours.name}
        for columns, found in self._list_stricter(ours):
            self._stricter.add(found.name)
            words = f"{self._ours.name} ({', '.join(columns)})"
            if columns in referred:
                self._plan.kept.append(f"{words} stays unique for all, since other tables refer to it: ours lets more rows in")
            else:
                rest = ", ".join(name for name in ours.columns if name not in columns)
                self._plan.later(f"{words}: unique for each {rest}, no more for all", self._drop_key(found))

    def _list_stricter(self, ours: Constraint) -> Iterator[tuple[tuple[str, ...], Constraint | Index]]:
        for count in range(1, len(ours.columns)):
            for columns in combinations(ours.columns, count):
                found = self._there.find_key(columns)
                if found and not self._ours.find_key(columns):
                    yield columns, found

    def _drop_key(self, key: Constraint | Index) -> str:
        if isinstance(key, Constraint):
            return f"{self._alter} DROP CONSTRAINT IF EXISTS {quoted(key.name)}"
        return f"DROP INDEX CONCURRENTLY IF EXISTS public.{quoted(key.name)}"

    def _plan_foreign_key(self, ours: Constraint, live: Schema) -> None:
        same = [one for one in self._there.constraints if one.kind is Kind.FOREIGN_KEY and one.columns == ours.columns]
        words = f"{self._ours.name} ({', '.join(ours.columns)}) refers to {ours.refers_to}"
        found = next((one for one in same if one.meaning == ours.meaning), None)
        if found is None and (other := next((one for one in same if one.refers_to != ours.refers_to), None)):
            self._plan.obstacles.append(f"{words} in ours, but to {other.refers_to} there")
            return
        if found:
            self._call(ours, found)
        else:
            deeds = [f"DROP CONSTRAINT {quoted(one.name)}" for one in same]
            deeds.append(f"ADD CONSTRAINT {quoted(ours.name)} {ours.definition} NOT VALID")
            self._plan.now(f"{words}: {_actions(ours)}", f"{self._alter} {', '.join(deeds)}")
        if (found is None or not found.valid) and not self._has_orphans(ours, live, words):
            self._validate(ours)

    def _has_orphans(self, ours: Constraint, live: Schema, words: str) -> bool:
        names = _referred(ours)
        if not all(column in self._there.columns for column in ours.columns):
            return False  # added by this plan, and empty
        other = ours.refers_to or ""
        if other in live and not all(name in live[other].columns for name in names):
            return False
        orphans = self._facts.count_orphaned(self._ours.name, ours.columns, other, names)
        if orphans:
            self._plan.kept.append(f"{words}, but {orphans} rows name one that is not there: held for new rows only")
        return orphans > 0

    def _plan_words(self, ours: Constraint, words: frozenset[str]) -> None:
        [column] = ours.columns
        same = [one for one in self._there.constraints if one.words is not None and one.columns == ours.columns]
        if len(same) == 1 and (same[0].words or frozenset()) >= words:
            self._call(ours, same[0])
            if not same[0].valid:
                self._validate(ours)
            return
        used = self._facts.find_words(self._ours.name, column) if column in self._there.columns else frozenset()
        if used is None:
            self._plan.obstacles.append(
                f"{self._ours.name}.{column} holds too many different words to be what ours takes it for"
            )
            return
        allowed = words.union(used, *(one.words or frozenset() for one in same))
        more = f", beside ours: {', '.join(sorted(allowed - words))}" if allowed > words else ""
        deeds = [f"DROP CONSTRAINT {quoted(one.name)}" for one in same]
        rule = f"CHECK ({quoted(column)} IN ({', '.join(map(literal, sorted(allowed)))}))"
        deeds.append(f"ADD CONSTRAINT {quoted(ours.name)} {rule} NOT VALID")
        self._plan.now(f"{self._ours.name}.{column}: takes {len(allowed)} words{more}", f"{self._alter} {', '.join(deeds)}")
        self._validate(ours)

    def _plan_rule(self, ours: Constraint) -> None:
        named = next((one for one in self._there.constraints if one.name == ours.name), None)
        found = next((one for one in self._there.constraints if one.meaning == ours.meaning), named)
        if found:
            self._call(ours, found)
            if not found.valid:
                self._validate(ours)
            return
        if all(column in self._there.columns for column in ours.columns):
            rule = ours.definition.removeprefix("CHECK ")
            if ours.kind is Kind.CHECK and (breaking := self._facts.count_breaking(self._ours.name, rule)):
                self._plan.obstacles.append(f"{breaking} rows of {self._ours.name} break a rule of ours: {rule}")
                return
        later = " NOT VALID" if ours.kind is Kind.CHECK else ""
        self._plan.now(
            f"{self._ours.name}: {ours.definition}",
            f"{self._alter} ADD CONSTRAINT {quoted(ours.name)} {ours.definition}{later}",
        )
        if later:
            self._validate(ours)

    def _plan_beside_ours(self) -> None:
        """What is there and not ours: a list of words that ours does not know goes, other rules are told."""
        names = {one.name for one in self._ours.constraints}
        meanings = {one.meaning for one in self._ours.constraints}
        ours_words = {one.columns for one in self._ours.constraints if one.words is not None}
        for one in self._there.constraints:
            if (
                one.name in names | self._stricter
                or one.meaning in meanings
                or (one.words is not None and one.columns in ours_words)
            ):
                continue
            if one.words is not None and one.columns[0] in self._ours.columns:
                self._plan.now(
                    f"{self._ours.name}.{one.columns[0]}: takes any word, no more {', '.join(sorted(one.words))} only",
                    f"{self._alter} DROP CONSTRAINT {quoted(one.name)}",
                )
            elif one.kind is Kind.CHECK or (one.kind is Kind.UNIQUE and not self._ours.find_key(one.columns)):
                self._plan.kept.append(f"{self._ours.name} keeps a rule that ours has not: {one.definition}")

    def _plan_unknown_references(self, live: Schema, known: Collection[str]) -> None:
        """A reference of a column that ours does not know keeps no row of ours from being removed."""
        for one in self._there.constraints:
            if one.refers_to not in known or set(one.columns) <= self._ours.columns.keys():
                continue
            words = f"{self._ours.name} ({', '.join(one.columns)}) refers to {one.refers_to}"
            if "ON DELETE" not in one.definition:
                had_to_be = not any(self._there.columns[name].nullable for name in one.columns)
                deed = "CASCADE" if had_to_be else "SET NULL"
                rule = _DEFERRED.sub(rf" ON DELETE {deed}\1", one.definition, count=1)
                name = quoted(one.name)
                self._plan.now(
                    f"{words}: on delete {deed.lower()} (ours does not know it)",
                    f"{self._alter} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {rule} NOT VALID",
                )
            elif one.valid:
                continue
            if not self._has_orphans(one, live, words):
                self._validate(one)

    def _call(self, ours: Constraint, there: Constraint) -> None:
        """Under our name, by which later migrations find it."""
        if there.name != ours.name and ours.name not in self._taken:
            rename = f"{self._alter} RENAME CONSTRAINT {quoted(there.name)} TO {quoted(ours.name)}"
            self._plan.now(f"{self._ours.name}: constraint {there.name} is called {ours.name}", rename)

    def _validate(self, ours: Constraint) -> None:
        words = f"{self._ours.name}: every row holds {ours.name}"
        self._plan.later(words, f"{self._alter} VALIDATE CONSTRAINT {quoted(ours.name)}")


def _referred(constraint: Constraint) -> tuple[str, ...]:
    found = _REFERRED.search(constraint.definition)
    return tuple(name.strip().strip('"') for name in found["columns"].split(",")) if found else ()


def _list(columns: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, columns))


def _actions(constraint: Constraint) -> str:
    return constraint.definition.partition(" REFERENCES ")[2].partition(") ")[2].lower() or "plainly"
