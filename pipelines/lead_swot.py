"""The pipeline `lead_swot`: strengths, weaknesses, opportunities and threats of a client, from its leads."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from db import jobs
from db.base.leads import AnalysisStatus
from db.leads import clients, searches
from pipelines.base import Pipeline, enqueue
from pipelines.steps.swot import analyse


@dataclass(frozen=True, slots=True)
class LeadSwot:
    """A client, and the row that is to be filled."""

    client_id: int
    analysis_id: int


def start(session: Session, client_id: int, *, user_id: str) -> RowMapping:
    """Write an analysis that is to come, and its job. Raises NotFound."""
    row = searches.insert_analysis(session, client_id, user_id=user_id)
    args = {"client_id": client_id, "analysis_id": row["id"]}
    enqueue(session, "lead_swot", args, owner_id=user_id, subject=clients.subject(client_id), priority=0)
    return row


def follow(session: Session, job: RowMapping) -> None:
    """Show on the analysis that its job did not end well."""
    if job["status"] in {jobs.Status.FAILED, jobs.Status.CANCELLED, jobs.Status.QUARANTINED}:
        message = job["error"] or "This analysis was cancelled."
        searches.move_analysis(session, job["args"]["analysis_id"], AnalysisStatus.ERROR, error_message=message)


PIPELINE = Pipeline("lead_swot", LeadSwot, (analyse,), follow, finish_within=timedelta(hours=1))
