"""How claimed attempts end, each behind its claim."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Executable, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from db.engine import Role, become, run
from db.jobs.breakers import close_answered
from db.jobs.insert import insert_parts
from db.jobs.machine import advance, lock, note_ends
from db.jobs.words import NO_EVIDENCE, STATUS_OF_NAMED, Claim, Evidence, NewStep, Status

_HELD = text("""
SELECT 1 FROM jobs.job_steps WHERE id = :step_id AND claim_id = :claim_id AND status = 'running' FOR UPDATE
""")
_END = text("""
UPDATE jobs.job_steps SET status = :status, finished_at = now(), lease_until = NULL, result = NULL, error = :error,
    error_class = :error_class, error_group = jobs.error_group(:error)
WHERE id = :step_id
""")
# The fence of many: a row comes back only for a claim that still holds its step, with its number among them.
_FENCED = f"""
UPDATE jobs.job_steps s SET status = 'succeeded', finished_at = now(), lease_until = NULL, error = NULL, progress = 1,
    result = CAST(e.result AS jsonb)
FROM unnest(:step_ids, :claim_ids, CAST(:results AS text[])) WITH ORDINALITY e(id, claim_id, result, number)
WHERE s.id = e.id AND s.claim_id = e.claim_id AND {STATUS_OF_NAMED} = 'running'
"""  # noqa: S608  (a constant)
_ENDED = (
    bindparam("step_ids", type_=ARRAY(Uuid)),
    bindparam("claim_ids", type_=ARRAY(Uuid)),
    bindparam("job_ids", type_=ARRAY(Uuid)),
)
_SUCCEED = text(f"{_FENCED} RETURNING e.number").bindparams(*_ENDED[:2])
# What `lock`, `_SUCCEED` and `_DERIVE` come to where the job has this one step. All jobs are locked before the first step: the count
# says so. A step or job that changed while they were waited for is looked at again as it is then. A job to which another version of
# its pipeline gave more steps is left alone.
_SUCCEED_ALONE = text(f"""
WITH locked AS MATERIALIZED (SELECT id FROM jobs.jobs WHERE id = ANY(:job_ids) ORDER BY id FOR NO KEY UPDATE),
ended AS ({_FENCED} AND (SELECT count(*) FROM locked) > 0
    AND NOT EXISTS (SELECT 1 FROM jobs.job_steps o WHERE o.job_id = s.job_id AND o.id <> s.id)
    RETURNING e.number, s.job_id)
UPDATE jobs.jobs j SET status = 'succeeded', error = NULL, version = j.version + 1, updated_at = now(), finished_at = now()
FROM ended WHERE j.id = ended.job_id
RETURNING ended.number, j.unique_key IS NOT NULL AS has_key
""").bindparams(*_ENDED)  # noqa: S608  (a constant)

_AGAIN = text("""
UPDATE jobs.job_steps SET status = :status, available_at = now() + :delay, lease_until = NULL, claim_id = NULL, error = :error,
    attempt = attempt - :uncounted
WHERE id = :step_id
""")
_ATTEMPT = text("""
INSERT INTO jobs.job_attempts (step_id, claim_id, attempt, worker_id, started_at, outcome, error, evidence)
SELECT id, claim_id, attempt, worker_id, claimed_at, :outcome, :error,
    jsonb_strip_nulls(jsonb_build_object('progress', progress, 'doing', progress_message)) || :evidence
FROM jobs.job_steps WHERE id = :step_id AND claim_id IS NOT NULL
ON CONFLICT (step_id, claim_id) DO NOTHING
""").bindparams(bindparam("evidence", type_=JSONB))


def holds(session: Session, held: Claim) -> bool:
    """Lock job and step, and tell whether this claim still holds the step: the fence before anything else is written."""
    lock(session, held.job_id)
    return session.execute(_HELD, {"step_id": held.step_id, "claim_id": held.claim_id}).first() is not None


@dataclass(frozen=True, slots=True)
class Rows:
    """Product rows: a statement, and the parameters of each time that it is executed."""

    statement: Executable
    params: Sequence[Mapping[str, Any]]


class Success(NamedTuple):
    """How a step ended well. `result` is JSON text; `rows` are written, as the job's owner, with the step's end."""

    held: Claim
    steps: Sequence[NewStep]  # of its pipeline
    result: str | None = None
    parts: Sequence[object] = ()
    rows: Rows | None = None


def succeed(session: Session, successes: Sequence[Success]) -> set[UUID]:
    """End these steps well, and queue what that unblocks. Returns the claims that held their step: the others wrote nothing."""
    ordered = sorted(successes, key=lambda each: each.held.step_id)  # rows are locked in one order everywhere
    alone = [each for each in ordered if len(each.steps) == 1]
    if len(alone) < len(ordered):
        lock(session, *{each.held.job_id for each in ordered})  # of all: in one order
    holding = _succeed_alone(session, alone)
    holding |= _succeed_among(session, [each for each in ordered if each.held.claim_id not in holding])
    kept = [each for each in ordered if each.held.claim_id in holding]
    for each in kept:
        if each.held.attempt > 1:
            insert_attempt(session, each.held.step_id, "succeeded", None)
    if called := [each.held.step_id for each in kept if each.held.provider is not None]:
        close_answered(session, called)
    _write_products(session, kept)
    return holding


def _succeed_alone(session: Session, successes: Sequence[Success]) -> set[UUID]:
    if not successes:
        return set()
    job_ids = [each.held.job_id for each in successes]
    rows = run(session, _SUCCEED_ALONE, {**_arrays(successes), "job_ids": job_ids})
    ended = [(successes[number - 1].held, has_key) for number, has_key in rows]
    note_ends(session, {held.job_id: held.pipeline for held, _ in ended}, [held.job_id for held, has_key in ended if has_key])
    return {held.claim_id for held, _ in ended}


def _succeed_among(session: Session, successes: Sequence[Success]) -> set[UUID]:
    """Of jobs that have other steps too."""
    if not successes:
        return set()
    kept = [successes[row.number - 1] for row in run(session, _SUCCEED, _arrays(successes))]
    for each in kept:
        for step in each.steps:
            if step.for_each == each.held.step:
                insert_parts(session, each.held.job_id, step, each.steps, each.parts)
    advance(session, *{each.held.job_id for each in kept})
    return {each.held.claim_id for each in kept}


def _arrays(successes: Sequence[Success]) -> dict[str, object]:
    results = [each.result for each in successes]
    return {
        "step_ids": [each.held.step_id for each in successes],
        "claim_ids": [each.held.claim_id for each in successes],
        "results": results if any(results) else None,
    }


def _write_products(session: Session, successes: Sequence[Success]) -> None:
    """One statement for all that write the same way, owner by owner."""
    writes: dict[str, dict[Executable, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for each in successes:
        if each.rows and each.rows.params:
            writes[each.held.owner_id][each.rows.statement].extend(each.rows.params)
    for owner_id, theirs in sorted(writes.items()):
        become(session, Role.TENANT, owner_id)
        for statement, params in theirs.items():
            session.execute(statement, params)
    if writes:
        become(session, Role.JOBS, "")


def fail(
    session: Session, held: Claim, *, error: str, error_class: str | None = None, evidence: Evidence = NO_EVIDENCE
) -> None:
    """End the step badly; unless it is optional, the job goes with it."""
    _end_attempt(session, held, Status.FAILED, error=error, error_class=error_class, evidence=evidence)


def cancel_step(session: Session, held: Claim) -> None:
    """End the step as cancelled; its processes and partial files are gone."""
    _end_attempt(session, held, Status.CANCELLED)


def retry_later(session: Session, held: Claim, *, error: str, delay: timedelta, evidence: Evidence = NO_EVIDENCE) -> None:
    """Let the step run again after `delay`; this attempt counts."""
    insert_attempt(session, held.step_id, "retrying", error, evidence)
    _give_back(session, held, Status.RETRYING, error=error, delay=delay, uncounted=0)


def release(
    session: Session, held: Claim, *, outcome: str = "released", delay: timedelta = timedelta(0), reason: str | None = None
) -> None:
    """Put the step back as it was; this attempt does not count. `reason` is shown while it waits."""
    insert_attempt(session, held.step_id, outcome, reason)
    _give_back(session, held, Status.QUEUED, error=reason, delay=delay, uncounted=1)


_PUT_BACK = text(f"""
UPDATE jobs.job_steps s SET status = 'queued', attempt = s.attempt - 1, claim_id = NULL, lease_until = NULL, error = :reason,
    claimed_at = CASE WHEN s.attempt > 1 THEN s.claimed_at END, available_at = now() + :delay
FROM unnest(:step_ids, :claim_ids) c(id, claim_id)
WHERE s.id = c.id AND s.claim_id = c.claim_id AND {STATUS_OF_NAMED} = 'running'
""").bindparams(bindparam("step_ids", type_=ARRAY(Uuid)), bindparam("claim_ids", type_=ARRAY(Uuid)))  # noqa: S608  (a constant)


def put_back(session: Session, claims: Sequence[Claim], *, delay: timedelta = timedelta(0), reason: str | None = None) -> None:
    """Undo claims whose steps were never begun; those that were replaced meanwhile are left alone."""
    ordered = sorted(claims, key=lambda held: held.step_id)
    job_ids = {held.job_id for held in ordered}
    lock(session, *job_ids)
    rows = {"step_ids": [held.step_id for held in ordered], "claim_ids": [held.claim_id for held in ordered]}
    session.execute(_PUT_BACK, {**rows, "delay": delay, "reason": reason})
    advance(session, *job_ids)


def _end_attempt(
    session: Session,
    held: Claim,
    status: Status,
    *,
    error: str | None = None,
    error_class: str | None = None,
    evidence: Evidence = NO_EVIDENCE,
) -> None:
    insert_attempt(session, held.step_id, status.value, error, evidence)
    session.execute(_END, {"step_id": held.step_id, "status": status, "error": error, "error_class": error_class})
    advance(session, held.job_id)


def _give_back(session: Session, held: Claim, status: Status, *, error: str | None, delay: timedelta, uncounted: int) -> None:
    session.execute(_AGAIN, {"step_id": held.step_id, "status": status, "delay": delay, "error": error, "uncounted": uncounted})
    advance(session, held.job_id)


def insert_attempt(session: Session, step_id: UUID, outcome: str, error: str | None, evidence: Evidence = NO_EVIDENCE) -> None:
    """Keep how the step's present attempt ended and how far it was, before its row forgets it."""
    params = {"step_id": step_id, "outcome": outcome, "error": error, "evidence": dict(evidence)}
    session.execute(_ATTEMPT, params)
