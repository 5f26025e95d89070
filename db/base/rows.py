"""One row or a page of rows of any table, within what who asks may see."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Integer,
    RowMapping,
    Select,
    Table,
    bindparam,
    column,
    func,
    literal_column,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from core.errors import Forbidden, Invalid, NotFound
from db.base.columns import NOBODYS_ARE_FOR_ALL

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
    wanted = where if before is None else (*where, table.c.id < before)
    # Written into the statement: for a limit that it is told later, a plan takes a tenth of the table.
    most = bindparam("most", limit + more, Integer, literal_execute=True)
    if not {"user_id", "company_id"} <= set(table.columns.keys()):
        return _list(session, select(table).where(*wanted).order_by(table.c.id.desc()).limit(most))
    with _in_order_of_an_index(session):
        mine = _newest_of_mine(table, wanted, most)
        return _list(session, select(table).where(table.c.id.in_(mine)).order_by(table.c.id.desc()))


_ME: ColumnElement[str | None] = literal_column("(SELECT nullif(current_setting('app.user_id', true), ''))")
_MINE: ColumnElement[Sequence[int]] = literal_column("jobs.my_companies('{owner,admin,member}')", ARRAY(Integer))


def _newest_of_mine(table: Table, wanted: Iterable[ColumnElement[bool]], most: BindParameter[int]) -> Select[tuple[int]]:
    """The ids of the newest rows that are one's own or a company's of one's own: each of these walks down an index and stops.

    The policies say the same with OR, for which the database would read and sort every row that may be seen.
    """

    def newest(whose: ColumnElement[bool]) -> Select[tuple[int]]:
        return select(table.c.id).where(whose, *wanted).order_by(table.c.id.desc()).limit(most)

    company = func.unnest(_MINE).table_valued(column("id", Integer), name="company").render_derived()
    of_company = newest(table.c.company_id == company.c.id).lateral("of_company")
    arms = [newest(table.c.user_id == _ME), select(of_company.c.id).select_from(company).join(of_company, true())]
    if NOBODYS_ARE_FOR_ALL in table.info:
        arms.append(newest(table.c.user_id.is_(None)))
    mine = union_all(*arms).subquery("mine")
    return select(mine.c.id).distinct().order_by(mine.c.id.desc()).limit(most)


@contextmanager
def _in_order_of_an_index(session: Session) -> Iterator[None]:
    """Within the block an index is read in its order, and never as a bitmap that is sorted afterwards.

    A policy's condition that repeats the statement's counts twice when rows are estimated: of thousands six are expected, and sorted.
    """
    session.execute(text("SET LOCAL enable_bitmapscan = off"))
    yield
    session.execute(text("SET LOCAL enable_bitmapscan = on"))


def _list(session: Session, statement: Select[Any]) -> list[RowMapping]:
    return list(session.execute(statement).mappings())


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
