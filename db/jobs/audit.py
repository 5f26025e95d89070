"""Proves over the rows what is promised of them, heals what is safe to heal, and keeps what was found.

Every query is of what can be seen in one snapshot: each function of the status machine leaves these true at its commit.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.jobs.limits import APPLYING
from db.jobs.machine import advance, lock, settled
from db.jobs.time_limits import MAY_BEGIN
from db.jobs.words import LIVE_STATUSES


class Invariant(StrEnum):
    """What must hold of every job."""

    JOINS_FIRE = "joins_fire"  # no step waits for steps that have all ended
    JOINS_WAIT = "joins_wait"  # no step begins before those that it comes after have ended
    STATUS_IS_DERIVED = "status_is_derived"  # a job has ended exactly when none of its steps is live
    FAILURE_STOPS = "failure_stops"  # nothing new starts in a job that failed, was cancelled or was quarantined
    KEYS_ARE_LIVE = "keys_are_live"  # a unique key is held by a job that has not ended
    RUNNING_IS_HELD = "running_is_held"  # what runs has a claim and a lease, and nothing else has a lease
    BATCHES_END = "batches_end"  # a batch has ended exactly when none of its jobs is live
    CLAIMS_ARE_SINGLE = "claims_are_single"  # a claim holds one step
    LIMITS_HOLD = "limits_hold"  # nothing was begun over a limit
    LATE_ARE_STOPPED = "late_are_stopped"  # a job past its limits of time was noticed within a minute
    LEASES_ARE_JUDGED = "leases_are_judged"  # a lease that expired a minute ago has been noticed
    # These two are seen over a minute, by scheduler/standstill.py:
    DUE_ARE_STARTED = "due_are_started"  # what nothing holds back does not stand before a free thread
    HINTS_ARE_ROWS = "hints_are_rows"  # no hint of what is no live step of its queue lies before a free thread


@dataclass(frozen=True, slots=True)
class Violation:
    """One job of which an invariant does not hold."""

    invariant: Invariant
    job_id: UUID
    detail: str


_STOPPING = "(d.status IN ('quarantined', 'cancelled') OR (d.status = 'failed' AND NOT d.optional))"
_QUERIES = {
    Invariant.JOINS_FIRE: """
        SELECT s.job_id, s.name AS detail FROM jobs.jobs j JOIN jobs.job_steps s ON s.job_id = j.id
        WHERE j.finished_at IS NULL AND s.status = 'waiting' AND NOT EXISTS (
            SELECT 1 FROM jobs.job_steps d WHERE d.job_id = s.job_id AND d.name = ANY(s.after)
            AND NOT (d.status = 'succeeded' OR (d.status = 'failed' AND d.optional)))
    """,
    Invariant.STATUS_IS_DERIVED: f"""
        SELECT j.id AS job_id, j.status AS detail FROM jobs.jobs j WHERE j.finished_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM jobs.job_steps s WHERE s.job_id = j.id AND s.status IN {LIVE_STATUSES})
        UNION ALL
        SELECT DISTINCT j.id, j.status FROM (
            SELECT job_id FROM jobs.job_steps WHERE status IN ('queued', 'retrying')
            UNION ALL SELECT job_id FROM jobs.job_steps WHERE status = 'running'
            UNION ALL SELECT job_id FROM jobs.job_steps WHERE status = 'waiting') s JOIN jobs.jobs j ON j.id = s.job_id
        WHERE j.finished_at IS NOT NULL
    """,  # noqa: S608  (constants)
    Invariant.FAILURE_STOPS: f"""
        SELECT s.job_id, s.name AS detail FROM jobs.jobs j JOIN jobs.job_steps s ON s.job_id = j.id
        WHERE j.finished_at IS NULL AND s.status IN ('waiting', 'queued', 'retrying')
          AND EXISTS (SELECT 1 FROM jobs.job_steps d WHERE d.job_id = s.job_id AND {_STOPPING})
    """,  # noqa: S608  (constants)
    Invariant.KEYS_ARE_LIVE: """
        SELECT u.job_id, u.pipeline AS detail FROM jobs.unique_keys u JOIN jobs.jobs j ON j.id = u.job_id
        WHERE j.finished_at IS NOT NULL
    """,
    Invariant.RUNNING_IS_HELD: """
        SELECT s.job_id, s.name AS detail FROM jobs.jobs j JOIN jobs.job_steps s ON s.job_id = j.id
        WHERE j.finished_at IS NULL AND ((s.status = 'running' AND (s.claim_id IS NULL OR s.lease_until IS NULL))
          OR (s.status IN ('queued', 'retrying', 'waiting') AND s.lease_until IS NOT NULL))
    """,
    Invariant.BATCHES_END: """
        SELECT (SELECT min(m.job_id::text)::uuid FROM jobs.batch_jobs m WHERE m.batch_id = b.id) AS job_id, b.pipeline AS detail
        FROM jobs.batches b WHERE b.finished_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM jobs.batch_jobs m JOIN jobs.jobs j ON j.id = m.job_id WHERE m.batch_id = b.id AND j.finished_at IS NULL)
        UNION ALL
        SELECT j.id, b.pipeline FROM jobs.jobs j JOIN jobs.batch_jobs m ON m.job_id = j.id JOIN jobs.batches b ON b.id = m.batch_id
        WHERE j.finished_at IS NULL AND b.finished_at IS NOT NULL
    """,
    Invariant.JOINS_WAIT: f"""
        SELECT s.job_id, s.name AS detail FROM jobs.jobs j JOIN jobs.job_steps s ON s.job_id = j.id
        WHERE j.finished_at IS NULL AND s.status IN ('queued', 'retrying', 'running') AND EXISTS (
            SELECT 1 FROM jobs.job_steps d WHERE d.job_id = s.job_id AND d.name = ANY(s.after)
            AND d.status IN {LIVE_STATUSES})
    """,  # noqa: S608  (a constant)
    Invariant.CLAIMS_ARE_SINGLE: """
        SELECT min(job_id::text)::uuid AS job_id, string_agg(name, ', ') AS detail FROM jobs.job_steps WHERE status = 'running'
        GROUP BY claim_id HAVING count(*) > 1
    """,
    # At the newest claim all the others that still run ran already. A step that names its provider while it runs goes back at once.
    Invariant.LIMITS_HOLD: f"""
        SELECT (array_agg(s.job_id ORDER BY s.claimed_at DESC))[1] AS job_id,
            n.kind || ' ' || n.name || ': ' || count(*) || ' ran, at most ' || l.most AS detail
        FROM jobs.job_steps s {APPLYING} WHERE s.status = 'running' AND s.claimed_at < now() - interval '10 seconds'
        GROUP BY n.kind, n.name, l.most, l.set_at HAVING count(*) > l.most AND max(s.claimed_at) > l.set_at
    """,  # noqa: S608  (constants)
    Invariant.LATE_ARE_STOPPED: f"""
        SELECT j.id AS job_id, j.status AS detail FROM jobs.jobs j WHERE j.finished_at IS NULL AND j.cancel_requested_at IS NULL
          AND (j.finish_by < now() - interval '1 minute' OR (j.start_by < now() - interval '1 minute' AND NOT {MAY_BEGIN}))
    """,  # noqa: S608  (constants)
    Invariant.LEASES_ARE_JUDGED: """
        SELECT job_id, name AS detail FROM jobs.job_steps WHERE status = 'running' AND lease_until < now() - interval '1 minute'
    """,
}
# `advance` derives and unblocks from the steps alone, and frees keys: to run it once more is always safe.
_HEALED = {
    Invariant.BATCHES_END,
    Invariant.JOINS_FIRE,
    Invariant.STATUS_IS_DERIVED,
    Invariant.FAILURE_STOPS,
    Invariant.KEYS_ARE_LIVE,
}
_INSERT = text("""
WITH counted AS (
    INSERT INTO jobs.violation_counts AS c (invariant, found) VALUES (:invariant, 1)
    ON CONFLICT (invariant) DO UPDATE SET found = c.found + 1)
INSERT INTO jobs.violations (invariant, job_id, detail, healed) VALUES (:invariant, :job_id, :detail, :healed)
""")


def find_violations(session: Session, *, most: int = 100) -> list[Violation]:
    """What does not hold now, at most so many of each kind."""
    found = []
    for invariant, query in _QUERIES.items():
        rows = session.execute(text(f"{query} LIMIT :most"), {"most": most})
        found += [Violation(invariant, row.job_id, row.detail) for row in rows]
    return found


def heal(session: Session, violation: Violation) -> bool:
    """Keep the violation, and mend it where that is safe; returns whether it was mended."""
    healed = violation.invariant in _HEALED
    if violation.invariant is Invariant.BATCHES_END:
        settled(session, {violation.job_id: violation.detail})
    elif healed:
        lock(session, violation.job_id)
        advance(session, violation.job_id)
    keep_violation(session, violation, healed=healed)
    return healed


def keep_violation(session: Session, violation: Violation, *, healed: bool) -> None:
    """Count it, and keep it for a while."""
    session.execute(
        _INSERT,
        {"invariant": violation.invariant, "job_id": violation.job_id, "detail": violation.detail, "healed": healed},
    )


def count_violations(session: Session) -> dict[Invariant, int]:
    """How many were ever found of each invariant; the violations themselves age out."""
    counts = dict.fromkeys(Invariant, 0)
    for row in session.execute(text("SELECT invariant, found FROM jobs.violation_counts")):
        counts[Invariant(row.invariant)] = row.found
    return counts
