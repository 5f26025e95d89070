"""Running again, or stopping, everything that matches: what would be met, and a bounded part of it at a time. As the job core.

What is met is frozen at an instant of the database's clock: a job that was made, or that failed, later is left alone, however
long the deed takes. Archived jobs are not met: they are run again one by one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound, Refused
from db import jobs
from db.jobs import Status
from db.search import Wanted, asked, narrowed, parameters

_EXAMPLES = 5


class Deed(StrEnum):
    """What is done to each."""

    RETRY = "retry"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be met."""

    as_of: datetime
    count: int
    pipelines: Mapping[str, int]
    owners: int
    examples: Sequence[RowMapping]


@dataclass(frozen=True, slots=True)
class Bulk:
    """What an operator asked for."""

    deed: Deed
    wanted: Wanted
    as_of: datetime
    count: int

    def detail(self, reason: str) -> dict[str, object]:
        """As it is kept with the operator's action."""
        wanted = {name: str(value) for name, value in asdict(self.wanted).items() if value is not None}
        return {"wanted": wanted, "as_of": self.as_of.isoformat(), "count": self.count, "reason": reason}


def _conditions(deed: Deed, wanted: Wanted) -> Iterator[str]:
    yield from narrowed(wanted)
    yield from asked(wanted)
    if deed is Deed.CANCEL:
        yield "finished_at IS NULL AND cancel_requested_at IS NULL AND created_at <= :as_of"
    elif wanted.status == Status.CANCELLED:
        yield "finished_at <= :as_of"
    else:  # not what somebody stopped on purpose, unless that is asked for
        yield "error IS NOT NULL AND status IN ('failed', 'quarantined') AND finished_at <= :as_of"


def preview(session: Session, deed: Deed, wanted: Wanted, *, as_of: datetime | None = None) -> Preview:
    """What the deed would meet now, of what was there at that instant; by itself, at this one."""
    as_of = as_of or session.execute(text("SELECT clock_timestamp()")).scalar_one()
    params = {**parameters(wanted), "as_of": as_of, "limit": _EXAMPLES}
    where = " AND ".join(_conditions(deed, wanted))
    counts = session.execute(
        text(f"SELECT pipeline, owner_id, count(*) AS found FROM jobs.jobs WHERE {where} GROUP BY pipeline, owner_id"),  # noqa: S608
        params,
    ).all()
    pipelines: dict[str, int] = {}
    for row in counts:
        pipelines[row.pipeline] = pipelines.get(row.pipeline, 0) + row.found
    examples = text(f"""
        SELECT id, pipeline, owner_id, subject, status, error, created_at, finished_at FROM jobs.jobs WHERE {where} ORDER BY id DESC LIMIT :limit
    """)  # noqa: S608  (constants)
    return Preview(
        as_of,
        sum(pipelines.values()),
        dict(sorted(pipelines.items(), key=lambda each: -each[1])),
        len({row.owner_id for row in counts}),
        session.execute(examples, params).mappings().all() if counts else [],
    )


def list_next(session: Session, bulk: Bulk, *, before: UUID | None, limit: int) -> Sequence[UUID]:
    """The next jobs that are still as asked, from `before` (exclusive) on, the newest first."""
    where = " AND ".join([*_conditions(bulk.deed, bulk.wanted), *(["id < :before"] if before else [])])
    statement = text(f"SELECT id FROM jobs.jobs WHERE {where} ORDER BY id DESC LIMIT :limit")  # noqa: S608  (constants)
    params = {**parameters(bulk.wanted), "as_of": bulk.as_of, "before": before, "limit": limit}
    return session.execute(statement, params).scalars().all()


def act(session: Session, deed: Deed, job_ids: Collection[UUID]) -> tuple[int, int]:
    """Do it to each; returns how many it was done to, and how many were no longer such that it could be."""
    done = 0
    for job_id in sorted(job_ids):  # rows are locked in one order everywhere
        try:
            with session.begin_nested():
                if deed is Deed.RETRY:
                    jobs.retry(session, job_id)
                else:
                    jobs.request_cancel(session, job_id)
        except (Conflict, NotFound):
            continue
        done += 1
    return done, len(job_ids) - done


def get_bulk(session: Session, action_id: int, *, operator: str) -> Bulk:
    """What this operator asked for under this number. Raises Refused."""
    statement = text("SELECT action, detail FROM jobs.operator_actions WHERE id = :id AND operator = :operator")
    row = session.execute(statement, {"id": action_id, "operator": operator}).one_or_none()
    if row is None or row.action not in {f"bulk_{deed}" for deed in Deed}:
        raise Refused(f"{operator} asked for nothing under the number {action_id}")
    detail: Mapping[str, Any] = row.detail
    wanted = dict(detail["wanted"])
    if "batch" in wanted:
        wanted["batch"] = UUID(wanted["batch"])
    deed = Deed(row.action.removeprefix("bulk_"))
    return Bulk(deed, Wanted(**wanted), datetime.fromisoformat(detail["as_of"]), detail["count"])
