"""Claims: how attempts start. Many in one statement, because a commit for each is what a queue in a database costs."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from db.engine import run
from db.jobs.breakers import NOT_GATED, is_admitted
from db.jobs.limits import admit
from db.jobs.pauses import NOT_PAUSED
from db.jobs.time_limits import MAY_BEGIN
from db.jobs.words import STATUS_OF_NAMED, Claim

_DUE = f"""
s.id = ANY(:step_ids) AND {STATUS_OF_NAMED} IN ('queued', 'retrying') AND s.available_at <= now() AND (:alone OR s.deaths = 0) AND {NOT_PAUSED}
"""
_IDS = bindparam("step_ids", type_=ARRAY(Uuid))
# SKIP LOCKED: a row that somebody else holds is being claimed, ended or cancelled right now. Nothing is waited for, so that no order
# of locks has to be kept. What runs makes its job run, whatever the job's other steps are.
_CLAIM = text(f"""
WITH free AS MATERIALIZED (
    SELECT s.id, s.job_id, j.args FROM jobs.job_steps s JOIN jobs.jobs j ON j.id = s.job_id WHERE {_DUE} AND {MAY_BEGIN} AND (:tries OR {NOT_GATED})
    FOR NO KEY UPDATE OF j SKIP LOCKED FOR UPDATE OF s SKIP LOCKED),
begun AS (
    UPDATE jobs.jobs j SET status = 'running', version = j.version + 1, updated_at = now()
    FROM (SELECT DISTINCT job_id FROM free) f WHERE j.id = f.job_id)
UPDATE jobs.job_steps s
SET status = 'running', attempt = s.attempt + 1, claim_id = gen_random_uuid(), worker_id = :worker_id,
    claimed_at = now(), lease_until = now() + :lease, error = NULL
FROM free f WHERE s.id = f.id
RETURNING s.claim_id, s.id, s.job_id, s.pipeline, s.owner_id, s.name, s.part, s.attempt, s.max_attempts,
    f.args, s.input, s.checkpoint, s.provider
""").bindparams(_IDS)  # noqa: S608  (constants)


def claim_many(
    session: Session, step_ids: Sequence[UUID], *, worker_id: UUID, lease: timedelta, alone: bool = True
) -> list[Claim]:
    """Start an attempt of each of these steps that may run now, and wait for nothing.

    Left out are stale hints, what lost its worker and is not to run `alone`, what a limit holds back, and, for `claim` to look at,
    what calls a provider that failed and what another transaction has its hands on.
    """
    return _claim(session, step_ids, worker_id=worker_id, lease=lease, alone=alone, tries=False)


def _claim(
    session: Session, step_ids: Sequence[UUID], *, worker_id: UUID, lease: timedelta, alone: bool, tries: bool
) -> list[Claim]:
    admitted = admit(session, step_ids)
    if not admitted:
        return []
    rows = run(session, _CLAIM, {"step_ids": admitted, "worker_id": worker_id, "lease": lease, "alone": alone, "tries": tries})
    return [Claim(*row) for row in rows]


_WAIT = text(f"""
SELECT 1 FROM jobs.jobs WHERE id IN (SELECT s.job_id FROM jobs.job_steps s WHERE {_DUE}) ORDER BY id FOR NO KEY UPDATE
""").bindparams(_IDS)  # noqa: S608  (constants)


def claim(session: Session, step_id: UUID, *, worker_id: UUID, lease: timedelta, alone: bool = True) -> Claim | None:
    """Start an attempt, or return None when the hint is stale, a limit would be exceeded, or what it calls is away.

    Raises OperationalError when the job's row is held by another for a second: whoever holds it may be frozen, and a hint that
    cannot be followed soon must not hold a thread. It comes again.
    """
    session.execute(text("SET LOCAL lock_timeout = '1s'"))
    if session.execute(_WAIT, {"step_ids": [step_id], "alone": alone}).first() is None:
        return None
    if not is_admitted(session, step_id):
        return None
    claims = _claim(session, [step_id], worker_id=worker_id, lease=lease, alone=alone, tries=True)
    return claims[0] if claims else None
