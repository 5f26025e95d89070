"""Jobs of everybody, looked for by what operators know of them: owner, subject, pipeline, status, error, argument. As the job core.

What an index finds is found at once. For the rest so many of the newest jobs are looked through, and the page says where it stopped:
no search reads all history, and none is cut short in silence.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from db.jobs import Status

LIVE = "live"
_UNFINISHED = frozenset({LIVE, Status.QUEUED, Status.RUNNING, Status.RETRYING})
_BROKEN = frozenset({Status.FAILED, Status.QUARANTINED})
_LOOKED_THROUGH, _DOCUMENTS_LOOKED_THROUGH = 20_000, 5_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job must be like; None asks nothing. `status` may be `live`, `error` and `argument` a part of the text.

    `argument` as `name=value` asks for that value. `failure` is the id of a group (db/failures.py).
    """

    owner: str | None = None  # an id or an e-mail address
    subject: str | None = None
    pipeline: str | None = None
    status: str | None = None
    error: str | None = None
    argument: str | None = None
    batch: UUID | None = None
    failure: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether only jobs that have not ended are wanted."""
        return self.status in _UNFINISHED

    @property
    def is_broken(self) -> bool:
        """Whether only jobs with an error are wanted."""
        return self.status in _BROKEN or self.error is not None


@dataclass(frozen=True, slots=True)
class Found:
    """Newest first. `cursor` goes on from here; `looked_back_to` tells that the search stopped there, with older jobs not looked at."""

    jobs: Sequence[Mapping[Any, Any]]
    cursor: UUID | None
    looked_back_to: datetime | None


@dataclass(frozen=True, slots=True)
class _Place:
    table: str
    columns: str
    error: str
    args: str
    window: int


_HOT = _Place(
    "jobs.jobs",
    "id, pipeline, owner_id, subject, status, error, created_at, finished_at, cancel_requested_at",
    "error",
    "args",
    _LOOKED_THROUGH,
)
_ARCHIVE = _Place(
    "jobs.archived_jobs",
    "id, pipeline, owner_id, subject, status, job->>'error' AS error, CAST(job->>'created_at' AS timestamptz) AS created_at,"
    " finished_at, CAST(NULL AS timestamptz) AS cancel_requested_at",
    "job->>'error'",
    "job->'args'",
    _LOOKED_THROUGH,
)
OF_GROUP = "left(md5(concat_ws(chr(10), pipeline, name, error_class, error_group)), 16)"
OF_STOPPED = "left(md5(concat_ws(chr(10), pipeline, '', 'TimeLimit', jobs.error_group(stop_reason))), 16)"


def narrowed(wanted: Wanted, *, archived: bool = False) -> Iterator[str]:
    """The conditions that an index answers."""
    if wanted.owner is not None:
        yield "owner_id = coalesce((SELECT u.id FROM public.users u WHERE u.email = :owner), :owner)"
    if wanted.subject is not None:
        yield "subject = :subject"
    if wanted.batch is not None:
        yield "id IN (SELECT job_id FROM jobs.batch_jobs WHERE batch_id = :batch)"
    if archived:
        return
    if wanted.is_live:
        yield "finished_at IS NULL"
    if wanted.is_broken:
        yield "error IS NOT NULL"
    if wanted.failure is not None:
        yield f"""id = ANY(ARRAY(
            SELECT job_id FROM jobs.job_steps WHERE status IN ('failed', 'quarantined') AND NOT optional AND {OF_GROUP} = :failure
            UNION SELECT id FROM jobs.jobs WHERE stop_reason IS NOT NULL AND {OF_STOPPED} = :failure))"""  # noqa: S608  (constants)


def asked(wanted: Wanted, *, error: str = "error", args: str = "args") -> Iterator[str]:
    """The conditions that each row is asked."""
    if wanted.pipeline is not None:
        yield "pipeline = :pipeline"
    if wanted.status is not None and wanted.status != LIVE:
        yield "status = :status"
    if wanted.error is not None:
        yield rf"{error} ILIKE :error ESCAPE '\'"
    if wanted.argument is not None:
        if "=" in wanted.argument:
            yield f"({args} @> CAST(:argument AS jsonb) OR {args} @> CAST(:argument_text AS jsonb))"
        else:
            yield rf"CAST({args} AS text) ILIKE :argument ESCAPE '\'"


def parameters(wanted: Wanted) -> Mapping[str, Any]:
    """What the conditions name."""
    argument = {"argument": _part(wanted.argument) if wanted.argument is not None else None}
    if wanted.argument is not None and "=" in wanted.argument:
        name, _, value = wanted.argument.partition("=")
        argument = {"argument": json.dumps({name: _as_json(value)}), "argument_text": json.dumps({name: value})}
    return {
        "owner": wanted.owner,
        "subject": wanted.subject,
        "pipeline": wanted.pipeline,
        "status": wanted.status,
        "error": _part(wanted.error) if wanted.error is not None else None,
        "batch": wanted.batch,
        "failure": wanted.failure,
        **argument,
    }


def _part(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _as_json(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


def find_jobs(session: Session, wanted: Wanted, *, before: UUID | None = None, limit: int = 50) -> Found:
    """One page of what is wanted, from `before` (exclusive) on; archived jobs among the others."""
    places = [_HOT] if wanted.is_live or wanted.failure is not None else [_HOT, _ARCHIVE]
    looks = [_look(session, place, wanted, before=before, limit=limit + 1) for place in places]
    floor = max((reached for _, reached in looks if reached is not None), default=None)
    rows = sorted((row for found, _ in looks for row in found if floor is None or row["id"] >= floor), key=_id, reverse=True)
    if len(rows) > limit:
        return Found(rows[:limit], _id(rows[limit - 1]), None)
    return Found(rows, floor, _made_at(floor) if floor else None)


def _id(row: RowMapping) -> UUID:
    job_id: UUID = row["id"]
    return job_id


def _made_at(job_id: UUID) -> datetime:
    return datetime.fromtimestamp((job_id.int >> 80) / 1000, UTC)


def _look(
    session: Session, place: _Place, wanted: Wanted, *, before: UUID | None, limit: int
) -> tuple[Sequence[RowMapping], UUID | None]:
    """What one place has, and the id down to which it was looked through (None: to its end)."""
    archived = place is _ARCHIVE
    narrow = " AND ".join(["true", *(["id < :before"] if before else []), *narrowed(wanted, archived=archived)])
    conditions = " AND ".join(["true", *asked(wanted, error=place.error, args=place.args)])
    reads_documents = archived and (wanted.error is not None or wanted.argument is not None)
    params = {
        **parameters(wanted),
        "before": before,
        "limit": limit,
        "window": _DOCUMENTS_LOOKED_THROUGH if reads_documents else place.window,
    }
    walk = f"SELECT * FROM {place.table} WHERE {narrow} ORDER BY id DESC LIMIT :window"  # noqa: S608  (constants)
    statement = text(f"SELECT {place.columns} FROM ({walk}) walked WHERE {conditions} ORDER BY id DESC LIMIT :limit")  # noqa: S608
    rows = session.execute(statement, params).mappings().all()
    if len(rows) == limit:
        return rows, _id(rows[-1])
    last = text(f"SELECT id FROM {place.table} WHERE {narrow} ORDER BY id DESC OFFSET :window - 1 LIMIT 1")  # noqa: S608
    reached: UUID | None = session.scalar(last, params)
    return rows, reached
