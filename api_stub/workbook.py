"""/api/workbook: each section is a row of its owner's, read or null, and written as a whole or in parts; how far it is follows."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, create_model
from sqlalchemy import Column, Table
from sqlalchemy.dialects.postgresql import JSONB

from api_stub.auth import DatabaseHere, User, in_area
from api_stub.contract import LARGEST_ID, Sent, Shown
from api_stub.tables import reading_kind, writing_kind
from db import workbook
from db.base.columns import UtcDateTime
from db.base.workbook import BusinessArea, workbook_progress
from db.permissions import Area

router = APIRouter(prefix="/api/workbook", tags=["workbook"], dependencies=[Depends(in_area(Area.WORKBOOK))])
_KEPT_BY_US = {"id", "user_id", "company_id", "workbook_id", "created_at", "updated_at"}
CompanyId = Annotated[
    int | None, Query(alias="companyId", ge=1, le=LARGEST_ID, description="The workbook of this company, instead of one's own.")
]
# Earlier clients send times without a zone, and days without a time: in UTC.
_LooseTime = Annotated[datetime, AfterValidator(lambda time: time if time.tzinfo else time.replace(tzinfo=UTC))]


def _shown(table: Table, name: str) -> type[BaseModel]:
    fields: dict[str, Any] = {column.name: (reading_kind(column), ...) for column in table.columns}
    return create_model(name, __base__=Shown, **fields)


def _sent(table: Table, name: str) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for column in table.columns:
        if column.name not in _KEPT_BY_US:
            kind = _sent_kind(column)
            fields[column.name] = (kind | None if column.nullable else kind, None)
    return create_model(name, __base__=Sent, **fields)


def _sent_kind(column: Column[Any]) -> Any:  # noqa: ANN401  (a type)
    if isinstance(column.type, UtcDateTime):
        return _LooseTime
    return Any if isinstance(column.type, JSONB) else writing_kind(column)


Progress: Any = _shown(workbook_progress, "WorkbookProgress")


class ChangedProgress(Sent):
    """All that is not worked out here."""

    status: Literal["in_progress", "completed", "archived"] = "in_progress"


@router.get("/progress", response_model=Progress | None)
def get_progress(user: User, database: DatabaseHere, company: CompanyId = None) -> dict[str, Any] | None:
    """How far the workbook is, or null before it is begun."""
    with database.tenant(user) as session:
        row = workbook.find_progress(session, user_id=user, company_id=company)
    return dict(row) if row else None


@router.post("/progress", response_model=Progress)
def post_progress(sent: ChangedProgress, user: User, database: DatabaseHere, company: CompanyId = None) -> dict[str, Any]:
    """Begin the workbook, put it away or take it out; which sections are complete is looked up, not told."""
    with database.tenant(user) as session:
        change = workbook.archive if sent.status == "archived" else workbook.reopen
        return dict(change(session, user_id=user, company_id=company))


@router.get("/swot/all", response_model=list[_shown(workbook.SECTIONS["swot"], "SwotOfAnArea")])  # type: ignore[misc]
def list_swot(user: User, database: DatabaseHere, company: CompanyId = None) -> list[dict[str, Any]]:
    """The newest analysis of each business area that has one."""
    with database.tenant(user) as session:
        return [dict(row) for row in workbook.list_swot_analyses(session, user_id=user, company_id=company)]


def _add_section(section: str, table: Table) -> None:
    name = "".join(word.capitalize() for word in section.split("-"))
    shown: Any = _shown(table, name)
    sent: Any = _sent(table, f"Changed{name}")
    router.add_api_route(
        f"/{section}", _reader(section), methods=["GET"], response_model=shown | None, name=f"get_{section.replace('-', '_')}"
    )
    router.add_api_route(
        f"/{section}", _writer(section, sent), methods=["POST"], response_model=shown, name=f"post_{section.replace('-', '_')}"
    )


def _reader(section: str) -> Callable[..., dict[str, Any] | None]:
    def of_area(
        user: User,
        database: DatabaseHere,
        company: CompanyId = None,
        area: Annotated[BusinessArea, Query(alias="businessArea")] = BusinessArea.OVERALL,
    ) -> dict[str, Any] | None:
        """The analysis of one business area, or null."""
        with database.tenant(user) as session:
            row = workbook.find_section(session, section, user_id=user, company_id=company, area=area)
        return dict(row) if row else None

    def plain(user: User, database: DatabaseHere, company: CompanyId = None) -> dict[str, Any] | None:
        """What is written of this section, or null."""
        return of_area(user, database, company, BusinessArea.OVERALL)

    return of_area if section == "swot" else plain


def _writer(section: str, sent_model: Any) -> Callable[..., dict[str, Any]]:  # noqa: ANN401  (a type)
    def post(
        sent: sent_model,
        user: User,
        database: DatabaseHere,
        company: CompanyId = None,
    ) -> dict[str, Any]:
        """Write what is sent of this section; the rest of it stays."""
        values = sent.model_dump(exclude_unset=True)
        with database.tenant(user) as session:
            return dict(workbook.save_section(session, section, values, user_id=user, company_id=company))

    return post


for _name, _table in workbook.SECTIONS.items():
    _add_section(_name, _table)
