"""Searches for leads and analyses of what they found: what was asked, how it stands, what came of it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, text
from sqlalchemy.orm import Session

from core.errors import Invalid
from db.base.columns import come_from
from db.base.leads import (
    ANALYSIS_MOVES,
    SEARCH_MOVES,
    AnalysisStatus,
    LeadType,
    SearchStatus,
    leads_searches,
    leads_swot_analyses,
)
from db.base.rows import get_row, list_rows, require_only, update_row
from db.leads.clients import insert_of_client

SEARCH_TYPES = (LeadType.IDEAL_CUSTOMER, LeadType.COMPETITOR, LeadType.PARTNER)


def insert_search(
    session: Session,
    client_id: int,
    *,
    user_id: str,
    keyword: str,
    geo: str,
    search_types: Sequence[LeadType] = SEARCH_TYPES,
    start_offset: int = 0,
    verify_emails: bool = False,
) -> RowMapping:
    """A new search, pending. Raises NotFound, Invalid."""
    if not search_types or not set(search_types) <= set(SEARCH_TYPES):
        raise Invalid(f"search_types must name one or more of {', '.join(SEARCH_TYPES)}")
    values = {
        "keyword": keyword,
        "geo": geo,
        "search_types": [LeadType(kind).value for kind in search_types],
        "start_offset": start_offset,
        "verify_emails_requested": verify_emails,
    }
    return insert_of_client(session, leads_searches, client_id, values, user_id=user_id)


def get_search(session: Session, search_id: int) -> RowMapping:
    """One search. Raises NotFound."""
    return get_row(session, leads_searches, search_id)


def list_searches(session: Session, client_id: int, *, before: int | None = None, limit: int = 50) -> list[RowMapping]:
    """Of one client, newest first."""
    return list_rows(session, leads_searches, leads_searches.c.client_id == client_id, before=before, limit=limit)


def find_search_of_job(session: Session, job_id: UUID) -> int | None:
    """The search that a job's first step wrote."""
    statement = text("SELECT CAST(result ->> 'search_id' AS integer) FROM jobs.job_steps WHERE job_id = :id AND name = 'begin'")
    found: int | None = session.scalar(statement, {"id": job_id})
    return found


def begin_search(session: Session, search_id: int) -> RowMapping:
    """It runs now; one that runs already goes on. Raises NotFound, Refused where it has ended."""
    return _move_search(session, search_id, SearchStatus.RUNNING, {"error_message": None})


def complete_search(
    session: Session, search_id: int, results: Sequence[Mapping[str, Any]], *, note: str | None = None
) -> RowMapping:
    """It has ended with this; `note` says what is missing. A later answer replaces an earlier one. Raises NotFound, Refused."""
    found = {"results": [dict(result) for result in results], "total_found": len(results), "error_message": note}
    return _move_search(session, search_id, SearchStatus.COMPLETED, {**found, "completed_at": func.now()})


def fail_search(session: Session, search_id: int, error_message: str) -> RowMapping:
    """It has ended with nothing. Raises NotFound, Refused where it has ended well before."""
    return _move_search(session, search_id, SearchStatus.ERROR, {"error_message": error_message, "completed_at": func.now()})


def _move_search(session: Session, search_id: int, status: SearchStatus, values: Mapping[str, Any]) -> RowMapping:
    allowed = leads_searches.c.status.in_(come_from(SEARCH_MOVES, status))
    return update_row(session, leads_searches, search_id, {"status": status, **values}, only_if=allowed)


def insert_analysis(session: Session, client_id: int, *, user_id: str) -> RowMapping:
    """A new analysis of a client's leads, pending. Raises NotFound."""
    return insert_of_client(session, leads_swot_analyses, client_id, {}, user_id=user_id)


def list_analyses(session: Session, client_id: int, *, before: int | None = None, limit: int = 50) -> list[RowMapping]:
    """Of one client, newest first."""
    of_client = leads_swot_analyses.c.client_id == client_id
    return list_rows(session, leads_swot_analyses, of_client, before=before, limit=limit)


def get_analysis(session: Session, analysis_id: int) -> RowMapping:
    """One analysis. Raises NotFound."""
    return get_row(session, leads_swot_analyses, analysis_id)


def begin_analysis(session: Session, analysis_id: int) -> RowMapping:
    """It is being written now; one that was begun by a lost worker goes on. Raises NotFound, Refused where it has ended well."""
    row = get_analysis(session, analysis_id)
    return row if row["status"] == AnalysisStatus.GENERATING else move_analysis(session, analysis_id, AnalysisStatus.GENERATING)


def move_analysis(session: Session, analysis_id: int, status: AnalysisStatus, **values: object) -> RowMapping:
    """Set the status and, with it, what came of it. Raises NotFound, Invalid, Refused where the status cannot follow."""
    require_only(
        values,
        ("strengths", "weaknesses", "opportunities", "threats", "summary", "model_used", "leads_analyzed", "error_message"),
    )
    ended = {"completed_at": func.now()} if not ANALYSIS_MOVES[status] else {}
    allowed = leads_swot_analyses.c.status.in_(come_from(ANALYSIS_MOVES, status))
    return update_row(session, leads_swot_analyses, analysis_id, {"status": status, **values, **ended}, only_if=allowed)
