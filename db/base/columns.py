"""What the tables share: their metadata, columns that many have, and types that read what earlier databases hold."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    cast,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator, TypeEngine

_Word = TypeVar("_Word", bound=StrEnum)
Moves = Mapping[_Word, frozenset[_Word]]  # for each status, those that may follow it

metadata = MetaData(
    schema="public",
    naming_convention={  # the names that PostgreSQL itself gives
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
)

NOBODYS_ARE_FOR_ALL = "rows without a user are for everybody to read"  # in a table's `info`

Document = JSONB(none_as_null=True)  # None is written as NULL, not as the document `null`


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Earlier databases hold it without a zone, in UTC; what is written must say its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} does not say its zone: give an aware time")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class LooseBoolean(TypeDecorator[bool]):
    """True or false, which some earlier databases hold as the text `true` or `false`.

    A boolean is sent, which PostgreSQL assigns to a text column too; comparing is done on text, which either column can be.
    """

    impl = Boolean
    cache_ok = True

    def process_result_value(self, value: bool | str | None, dialect: Dialect) -> bool | None:  # noqa: ARG002, FBT001
        return value == "true" if isinstance(value, str) else value

    class Comparator(TypeDecorator.Comparator[bool]):
        """Lets `column == True`, `column.is_(True)` and their opposites compare text."""

        def operate(self, op: operators.OperatorType, *other: Any, **kwargs: Any) -> ColumnElement[Any]:  # noqa: ANN401
            spelled = cast(self.expr, Text)
            if op is operators.inv:
                return spelled == "false"
            if len(other) == 1 and isinstance(other[0], bool):
                word = str(other[0]).lower()
                return spelled == word if op in {operators.eq, operators.is_} else spelled != word
            return super().operate(op, *other, **kwargs)

    comparator_factory = Comparator


def come_from(moves: Moves[_Word], status: _Word) -> list[str]:
    """The statuses that `status` may follow, itself among them: saying it twice changes nothing."""
    return [before.value for before, after in moves.items() if status in after or before is status]


def key() -> Column[int]:
    """The id that the database counts up."""
    return Column("id", Integer, Identity(), primary_key=True)


def user(*, required: bool = True) -> Column[str]:
    """Whose row it is."""
    return Column("user_id", String, ForeignKey("public.users.id"), nullable=not required)


def company() -> Column[int]:
    """The company whose members may see the row, too; a company that is removed leaves its rows to their users."""
    return Column("company_id", Integer, ForeignKey("public.companies.id", ondelete="SET NULL"))


def created_at() -> Column[datetime]:
    """When the row was written first."""
    return Column("created_at", UtcDateTime, nullable=False, server_default=text("now()"))


def updated_at() -> Column[datetime]:
    """When the row was written last; a trigger keeps it."""
    return Column("updated_at", UtcDateTime, nullable=False, server_default=text("now()"))


def words(
    name: str,
    allowed: type[StrEnum],
    *,
    default: StrEnum | None = None,
    required: bool = False,
    kind: type[TypeEngine[str]] = Text,
) -> tuple[SchemaItem, SchemaItem]:
    """A column of text that holds one of these words, and the check that it does."""
    listed = ", ".join(f"'{word}'" for word in allowed)
    written = None if default is None else text(f"'{default}'")
    column = Column(name, kind, nullable=not required, server_default=written, info={"words": allowed})
    return column, CheckConstraint(f"{name} IN ({listed})", name=name)


def by_owner(table: str) -> tuple[SchemaItem, SchemaItem]:
    """The two ways in which rows are listed, newest first: of a user, and of a company. The policies use them as well."""
    return (
        Index(f"{table}_by_user", "user_id", text("id DESC")),
        Index(f"{table}_by_company", "company_id", text("id DESC"), postgresql_where=text("company_id IS NOT NULL")),
    )
