"""One row or a page of rows of any table, within what who asks may see."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, select
from sqlalchemy.orm import Session

from core.errors import Forbidden, Invalid, NotFound

MOST = 200  # rows of one page


def find_row(session: Session, table: Table, *where: ColumnElement[bool]) -> RowMapping | None:
    """The newest row of which this holds."""
    statement = select(table).where(*where).order_by(table.c.id.desc()).limit(1)
    return session.execute(statement).mappings().one_or_none()


def get_row(session: Session, table: Table, row_id: int) -> RowMapping:
    """The row of this id. Raises NotFound, also where it is another's."""
    row = find_row(session, table, table.c.id == row_id)
    if row is None:
        raise _absent(table, row_id)
    return row


def list_rows(
    session: Session, table: Table, *where: ColumnElement[bool], before: int | None = None, limit: int = 50, more: bool = False
) -> list[RowMapping]:
    """Newest first; the next page begins `before` the last id of this one. With `more`, one over the limit tells that there is one."""
    if not 1 <= limit <= MOST:
        raise Invalid(f"limit must be from 1 to {MOST}")
    older = () if before is None else (table.c.id < before,)
    return list(session.execute(select(table).where(*where, *older).order_by(table.c.id.desc()).limit(limit + more)).mappings())


def insert_row(session: Session, table: Table, values: Mapping[str, Any]) -> RowMapping:
    """Write a row, and return it with what the database adds."""
    return session.execute(table.insert().values(dict(values)).returning(table)).mappings().one()


def update_row(
    session: Session, table: Table, row_id: int, values: Mapping[str, Any], *, only_if: ColumnElement[bool] | None = None
) -> RowMapping:
    """Set these columns, where `only_if` holds. Raises NotFound, or Forbidden where who asks sees the row but may not do this."""
    conditions = (table.c.id == row_id,) if only_if is None else (table.c.id == row_id, only_if)
    statement = table.update().where(*conditions).values(dict(values)).returning(table)
    row = session.execute(statement).mappings().one_or_none() if values else get_row(session, table, row_id)
    if row is None:
        get_row(session, table, row_id)
        raise Forbidden(f"{table.name} {row_id} is not yours to change so; ask who runs the company, or look at its status")
    return row


def delete_row(session: Session, table: Table, row_id: int) -> None:
    """Remove the row. Raises NotFound, or Forbidden where who asks sees it but may not remove it."""
    if session.execute(table.delete().where(table.c.id == row_id).returning(table.c.id)).first() is None:
        get_row(session, table, row_id)
        raise Forbidden(f"{table.name} {row_id} is not yours to remove; ask who wrote it, or who runs the company")


def require_only(values: Iterable[str], allowed: Iterable[str]) -> None:
    """Raises Invalid unless each of these is a column that may be set."""
    known = set(allowed)
    unknown = sorted(set(values) - known)
    if unknown:
        raise Invalid(f"{', '.join(unknown)} cannot be set; these can: {', '.join(sorted(known))}")


def _absent(table: Table, row_id: int) -> NotFound:
    return NotFound(f"there is no row {row_id} in {table.name}")
