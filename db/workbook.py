"""The business workbook: one row per section and owner, and how far the whole is, worked out whenever a section is saved."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from core.errors import Invalid, NotFound
from db.base import workbook as tables
from db.base.rows import delete_row, find_row, get_row, insert_row, list_rows, require_only, update_row
from db.base.workbook import BusinessArea, SectionStatus, WorkbookStatus

SECTIONS: Mapping[str, Table] = {  # in the order in which they are worked through
    "core-value": tables.core_values,
    "swot": tables.workbook_swot_analyses,
    "root-cause": tables.root_cause_charts,
    "time-audit": tables.time_audits,
    "action-plan": tables.action_plans,
}
_KEPT_BY_US = {"id", "user_id", "company_id", "workbook_id", "created_at", "updated_at"}


def find_section(
    session: Session, section: str, *, user_id: str, company_id: int | None = None, area: BusinessArea = BusinessArea.OVERALL
) -> RowMapping | None:
    """What is written of a section; `area` counts for a SWOT only. Raises NotFound when there is no such section."""
    table = _table(section)
    return find_row(session, table, *_whose(table, user_id, company_id), *_of_area(table, area))


def list_swot_analyses(session: Session, *, user_id: str, company_id: int | None = None) -> list[RowMapping]:
    """The newest analysis of each business area that has one, in the order of areas."""
    table = tables.workbook_swot_analyses
    newest = (
        select(table)
        .ext(distinct_on(table.c.business_area))
        .where(*_whose(table, user_id, company_id))
        .order_by(table.c.business_area, table.c.id.desc())
    )
    rows = {row["business_area"]: row for row in session.execute(newest).mappings()}
    return [rows[area] for area in BusinessArea if area in rows]


def save_section(
    session: Session, section: str, values: Mapping[str, Any], *, user_id: str, company_id: int | None = None
) -> RowMapping:
    """Write these columns of a section, making its row where there is none, and how far the workbook is with it.

    Who saves at the same time waits: neither makes a second row. Raises NotFound, Invalid.
    """
    table = _table(section)
    require_only(values, {column.name for column in table.columns} - _KEPT_BY_US)
    _take_turns(session, user_id, company_id)
    area = values.get("business_area", BusinessArea.OVERALL)
    if area not in set(BusinessArea):
        raise Invalid(f"there is no business area {area}; there are {', '.join(BusinessArea)}")
    progress = _ensure_progress(session, user_id, company_id)
    row = find_row(session, table, *_whose(table, user_id, company_id), *_of_area(table, BusinessArea(area)))
    if row is None:
        owner = {"user_id": user_id, "company_id": company_id, "workbook_id": progress["id"]}
        row = insert_row(session, table, {**owner, **values})
    else:
        row = update_row(session, table, row["id"], values)
    _recount(session, progress, user_id, company_id)
    return row


def update_section(session: Session, section: str, row_id: int, values: Mapping[str, Any]) -> RowMapping:
    """Set these columns of a section's row, and how far the workbook is with it. Raises NotFound, Forbidden, Invalid."""
    table = _table(section)
    require_only(values, {column.name for column in table.columns} - _KEPT_BY_US)
    row = get_row(session, table, row_id)
    with _recounted(session, row):
        return update_row(session, table, row_id, values)


def delete_section(session: Session, section: str, row_id: int) -> None:
    """Remove a section's row; the workbook is that much less far. Raises NotFound, Forbidden."""
    table = _table(section)
    with _recounted(session, get_row(session, table, row_id)):
        delete_row(session, table, row_id)


@contextmanager
def _recounted(session: Session, row: RowMapping) -> Iterator[None]:
    """After the block, the workbook that this row is of says how far it is."""
    user_id, company_id = row["user_id"], row["company_id"]
    _take_turns(session, user_id, company_id)
    yield
    _recount(session, _ensure_progress(session, user_id, company_id), user_id, company_id)


def find_progress(session: Session, *, user_id: str, company_id: int | None = None) -> RowMapping | None:
    """How far the workbook is, or None before it is begun."""
    return find_row(session, tables.workbook_progress, *_whose(tables.workbook_progress, user_id, company_id))


def save_draft(
    session: Session,
    section: str,
    own: Mapping[str, Any],
    where_empty: Mapping[str, Any],
    *,
    user_id: str,
    company_id: int | None = None,
    area: BusinessArea = BusinessArea.OVERALL,
) -> list[str]:
    """Write what was drafted: `own` columns always, the others only where nothing is written; returns those that were filled.

    A person who writes at the same time is waited for, so that nothing of theirs is replaced. Raises NotFound, Invalid.
    """
    table = _table(section)
    require_only([*own, *where_empty], {column.name for column in table.columns} - _KEPT_BY_US)
    _take_turns(session, user_id, company_id)
    progress = _ensure_progress(session, user_id, company_id)
    row = find_row(session, table, *_whose(table, user_id, company_id), *_of_area(table, area))
    if row is None:
        of_area = {"business_area": area} if _of_area(table, area) else {}
        row = insert_row(
            session, table, {"user_id": user_id, "company_id": company_id, "workbook_id": progress["id"], **of_area}
        )
    row = session.execute(select(table).where(table.c.id == row["id"]).with_for_update()).mappings().one()
    filled = {name: value for name, value in where_empty.items() if value and not row[name]}
    update_row(session, table, row["id"], {**own, **filled})
    return list(filled)


def get_progress(session: Session, *, user_id: str, company_id: int | None = None) -> RowMapping:
    """How far the workbook is; one that was not begun is begun."""
    _take_turns(session, user_id, company_id)
    return _ensure_progress(session, user_id, company_id)


def archive(session: Session, *, user_id: str, company_id: int | None = None) -> RowMapping:
    """Put the workbook away; saving a section takes it out again."""
    progress = get_progress(session, user_id=user_id, company_id=company_id)
    return update_row(session, tables.workbook_progress, progress["id"], {"status": WorkbookStatus.ARCHIVED})


def reopen(session: Session, *, user_id: str, company_id: int | None = None) -> RowMapping:
    """Take the workbook out, and count anew how far it is; one that was not begun is begun."""
    progress = get_progress(session, user_id=user_id, company_id=company_id)
    return _recount(session, progress, user_id, company_id)


def add_coaching(session: Session, values: Mapping[str, Any], *, user_id: str, company_id: int | None = None) -> RowMapping:
    """Keep one exchange with the coach: `section`, `messages`, `key_insights`, `action_items`. Raises Invalid."""
    table = tables.ai_coach_conversations
    require_only(values, {"section", "messages", "key_insights", "action_items"})
    progress = get_progress(session, user_id=user_id, company_id=company_id)
    return insert_row(session, table, {"user_id": user_id, "company_id": company_id, "workbook_id": progress["id"], **values})


def list_coaching(
    session: Session, section: str, *, user_id: str, company_id: int | None = None, before: int | None = None, limit: int = 50
) -> list[RowMapping]:
    """What was said with the coach about a section, newest first."""
    table = tables.ai_coach_conversations
    return list_rows(
        session, table, *_whose(table, user_id, company_id), table.c.section == section, before=before, limit=limit
    )


def _table(section: str) -> Table:
    if section not in SECTIONS:
        raise NotFound(f"there is no section {section}; there are {', '.join(SECTIONS)}")
    return SECTIONS[section]


def _whose(table: Table, user_id: str, company_id: int | None) -> tuple[ColumnElement[bool], ...]:
    """A workbook is a person's own, or a company's that its members share."""
    if company_id is None:
        return table.c.user_id == user_id, table.c.company_id.is_(None)
    return (table.c.company_id == company_id,)


def _of_area(table: Table, area: BusinessArea) -> tuple[ColumnElement[bool], ...]:
    return (table.c.business_area == area,) if table is tables.workbook_swot_analyses else ()


def _take_turns(session: Session, user_id: str, company_id: int | None) -> None:
    whose = f"workbook of user {user_id}" if company_id is None else f"workbook of company {company_id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:whose, 0))"), {"whose": whose})


def _ensure_progress(session: Session, user_id: str, company_id: int | None) -> RowMapping:
    table = tables.workbook_progress
    found = find_row(session, table, *_whose(table, user_id, company_id))
    return found or insert_row(session, table, {"user_id": user_id, "company_id": company_id, "completed_sections": []})


def _recount(session: Session, progress: RowMapping, user_id: str, company_id: int | None) -> RowMapping:
    done = [section for section in SECTIONS if _is_complete(session, section, user_id, company_id)]
    everything = len(done) == len(SECTIONS)
    values = {
        "completed_sections": done,
        "completion_percentage": round(100 * len(done) / len(SECTIONS)),
        "status": WorkbookStatus.COMPLETED if everything else WorkbookStatus.IN_PROGRESS,
        "last_updated": func.now(),
    }
    return update_row(session, tables.workbook_progress, progress["id"], values)


def _is_complete(session: Session, section: str, user_id: str, company_id: int | None) -> bool:
    row = find_section(session, section, user_id=user_id, company_id=company_id)
    return row is not None and row["status"] == SectionStatus.COMPLETE
