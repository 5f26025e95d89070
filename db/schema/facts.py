"""What a plan must know of the rows that are there. Names are today's; the tables may still have their older ones."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from db.schema.names import Renamed
from db.schema.shape import Schema

_MOST_WORDS = 40


class Facts:
    """Reads only."""

    def __init__(self, connection: Connection, live: Schema, renamed: list[Renamed]) -> None:
        self._connection = connection
        self._rows: Mapping[str, str] = {name: f"public.{quoted(name)}" for name in live} | {
            one.name: _under_todays_names(one) for one in renamed
        }

    def has_rows(self, table: str) -> bool:
        """Whether there is one."""
        return bool(self._ask(f"SELECT EXISTS (SELECT 1 FROM {self._rows[table]} t)"))

    def count_without(self, table: str, column: str) -> int:
        """Rows without a value."""
        return self._count(f"SELECT count(*) FROM {self._rows[table]} t WHERE {quoted(column)} IS NULL")

    def count_doubled(self, table: str, columns: tuple[str, ...]) -> int:
        """Values that more than one row has."""
        names = ", ".join(map(quoted, columns))
        there = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
        return self._count(
            f"SELECT count(*) FROM (SELECT 1 FROM {self._rows[table]} t WHERE {there} GROUP BY {names} HAVING count(*) > 1) d"
        )

    def count_orphaned(self, table: str, columns: tuple[str, ...], refers_to: str, referred: tuple[str, ...]) -> int:
        """Rows that name one that is not there; all of them when the other table is not there yet."""
        there = " AND ".join(f"t.{quoted(column)} IS NOT NULL" for column in columns)
        if refers_to not in self._rows:
            return self._count(f"SELECT count(*) FROM {self._rows[table]} t WHERE {there}")
        same = " AND ".join(f"o.{quoted(other)} = t.{quoted(column)}" for column, other in zip(columns, referred, strict=True))
        found = f"SELECT 1 FROM {self._rows[refers_to]} o WHERE {same}"
        return self._count(f"SELECT count(*) FROM {self._rows[table]} t WHERE {there} AND NOT EXISTS ({found})")

    def count_breaking(self, table: str, expression: str) -> int:
        """Rows for which the expression is false."""
        return self._count(f"SELECT count(*) FROM {self._rows[table]} t WHERE NOT ({expression})")

    def find_words(self, table: str, column: str) -> frozenset[str] | None:
        """Every word that the column holds, or None when there are too many for a status."""
        found = self._connection.exec_driver_sql(
            f"SELECT DISTINCT {quoted(column)}::text FROM {self._rows[table]} t WHERE {quoted(column)} IS NOT NULL"
            f" LIMIT {_MOST_WORDS + 1}"
        ).scalars()
        words = frozenset(found)
        return words if len(words) <= _MOST_WORDS else None

    def next_number(self, table: str, column: str) -> int:
        """One more than the largest there."""
        return 1 + self._count(f"SELECT coalesce(max({quoted(column)}), 0) FROM {self._rows[table]} t")

    def _count(self, statement: str) -> int:
        count: int = self._ask(statement) or 0
        return count

    def _ask(self, statement: str) -> Any:  # noqa: ANN401
        # Not text(): names and expressions may hold a colon.
        return self._connection.exec_driver_sql(statement).scalar()


def quoted(name: str) -> str:
    """A name as it may stand in a statement."""
    return '"{}"'.format(name.replace('"', '""'))


def literal(words: str) -> str:
    """A string as it may stand in a statement."""
    return "'{}'".format(words.replace("'", "''"))


def _under_todays_names(renamed: Renamed) -> str:
    # The older name stays readable beside today's, which does no harm.
    columns = "".join(f", {quoted(old)} AS {quoted(new)}" for old, new in renamed.columns.items())
    return f"(SELECT *{columns} FROM public.{quoted(renamed.was)})"
