"""The pipeline `lead_search`: businesses near a client are looked for, recognised, judged and kept as leads."""

from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from db import jobs
from db.base.leads import SearchStatus
from db.leads import searches
from pipelines.base import Pipeline
from pipelines.steps.leads import absorb, begin, collect


@dataclass(frozen=True, slots=True)
class LeadSearch:
    """A client, and its search where one is written already; `late`: its answer came when nobody waited any more."""

    client_id: int
    search_id: int | None = None
    late: bool = False


def follow(session: Session, job: RowMapping) -> None:
    """Show on the search how the job ended."""
    search_id = job["args"]["search_id"] or searches.find_search_of_job(session, job["id"])
    if search_id is None or job["status"] not in {jobs.Status.FAILED, jobs.Status.CANCELLED, jobs.Status.QUARANTINED}:
        return
    if searches.get_search(session, search_id)["status"] == SearchStatus.COMPLETED:
        return
    searches.fail_search(session, search_id, job["error"] or "This search was cancelled.")


PIPELINE = Pipeline("lead_search", LeadSearch, (begin, collect.after(begin), absorb.after(collect)), follow)
