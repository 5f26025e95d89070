"""What failed and is not archived yet, grouped by what the errors have in common. As the job core."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.errors import NotFound
from db.search import OF_GROUP, OF_STOPPED


@dataclass(frozen=True, slots=True)
class Group:
    """Steps of one name that ended badly in the same way; those of jobs that broke a limit of time have no step."""

    id: str
    pipeline: str
    step: str
    error_class: str
    message: str  # of the newest; numbers, ids and quoted words of the others may be different
    count: int
    jobs: int
    first_at: datetime
    last_at: datetime
    newest_job_id: UUID


# A job whose step ran again, or that was archived, is in none.
_GROUPS = text(f"""
WITH groups AS (
    SELECT {OF_GROUP} AS id, pipeline, name AS step, coalesce(error_class, 'Unknown') AS error_class, error_group,
        count(*) AS count, count(DISTINCT job_id) AS jobs, min(finished_at) AS first_at, max(finished_at) AS last_at,
        (array_agg(job_id ORDER BY finished_at DESC))[1] AS newest_job_id
    FROM jobs.job_steps WHERE status IN ('failed', 'quarantined') AND NOT optional
    GROUP BY pipeline, name, job_steps.error_class, error_group
    UNION ALL
    SELECT {OF_STOPPED}, pipeline, '', 'TimeLimit', jobs.error_group(stop_reason), count(*), count(*), min(finished_at), max(finished_at),
        (array_agg(id ORDER BY finished_at DESC))[1]
    FROM jobs.jobs WHERE stop_reason IS NOT NULL AND finished_at IS NOT NULL GROUP BY pipeline, jobs.error_group(stop_reason)
    ORDER BY last_at DESC LIMIT :limit
)
SELECT g.id, g.pipeline, g.step, g.error_class, g.count, g.jobs, g.first_at, g.last_at, g.newest_job_id, left(coalesce(
    (SELECT s.error FROM jobs.job_steps s WHERE s.job_id = g.newest_job_id AND s.name = g.step AND s.error_group = g.error_group LIMIT 1),
    (SELECT j.stop_reason FROM jobs.jobs j WHERE j.id = g.newest_job_id), ''), 300) AS message
FROM groups g WHERE CAST(:id AS text) IS NULL OR g.id = :id ORDER BY g.last_at DESC
""")  # noqa: S608  (constants)


def list_groups(session: Session, *, limit: int = 100) -> list[Group]:
    """The groups that grew last come first."""
    return [Group(**row) for row in session.execute(_GROUPS, {"limit": limit, "id": None}).mappings()]


def get_group(session: Session, group_id: str) -> Group:
    """One group. Raises NotFound."""
    row = session.execute(_GROUPS, {"limit": 10_000, "id": group_id}).mappings().first()
    if row is None:
        raise NotFound("nothing fails in this way any more: it was run again, or is archived")
    return Group(**row)
