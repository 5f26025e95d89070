"""Circuit breakers: work for a provider that is away waits, and one step at a time tries whether it is back.

A breaker is a row, seen by every worker. After so many failures one after another it is open until a time; from then on it lets
one step through, until one succeeds. Where the provider said when to come again it is open exactly until then, for all at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from core.errors import Invalid, NotFound, Unavailable
from db.engine import MOVED

FAILURES_TO_OPEN = 5
_SHORTEST, _LONGEST = timedelta(seconds=30), timedelta(minutes=10)
_LONGEST_BY_HAND = timedelta(days=31)
_IDS = bindparam("step_ids", type_=ARRAY(Uuid))

# Of a breaker `b` whose time has passed: a step is trying. One that has run longer than a call may take was answered.
_TRYING = """
SELECT 1 FROM jobs.job_steps r WHERE r.status = 'running' AND r.provider = b.provider AND b.owner_id IN ('', r.owner_id)
  AND r.claimed_at > greatest(b.open_until, now() - interval '30 s')
"""
# A breaker `b` that a step `s` has to pass: open, or letting one through at a time.
_GATE = f"""
b.provider = s.provider AND b.owner_id IN ('', s.owner_id) AND (b.open_until > now() OR b.failures >= {FAILURES_TO_OPEN})
"""
NOT_GATED = f"NOT EXISTS (SELECT 1 FROM jobs.breakers b WHERE {_GATE})"  # noqa: S608  (constants)
# The providers that nothing of the owner in a row `o` may call now.
SHUT = f"""
ARRAY(SELECT b.provider FROM jobs.breakers b WHERE b.owner_id IN ('', o.owner_id)
    AND (b.open_until > now() OR (b.failures >= {FAILURES_TO_OPEN} AND EXISTS ({_TRYING}))))
"""  # noqa: S608  (constants)


@dataclass(frozen=True, slots=True)
class Breaker:
    """A provider that failed, or was held back, and has not succeeded since. Without an owner: for everybody."""

    provider: str
    owner_id: str | None
    failures: int
    open_until: datetime | None
    opened_by: str | None
    reason: str | None
    is_open: bool
    tries_one: bool  # its time has passed: one step at a time
    is_tried: bool  # a step is at it


_GATES = text(f"""
SELECT b.provider, b.owner_id FROM jobs.job_steps s JOIN jobs.breakers b ON {_GATE} WHERE s.id = :step_id
ORDER BY b.provider, b.owner_id
""")  # noqa: S608  (constants)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:provider || ' ' || :owner_id, 7310201))")
_IS_SHUT = text(f"""
SELECT b.open_until > now() OR EXISTS ({_TRYING}) FROM jobs.breakers b WHERE b.provider = :provider AND b.owner_id = :owner_id
""")  # noqa: S608  (constants)


def is_admitted(session: Session, step_id: UUID) -> bool:
    """Tell whether no breaker holds this step back.

    Where a breaker lets it through, to try, every other claim under it waits until this transaction ends.
    """
    for gate in session.execute(_GATES, {"step_id": step_id}).mappings().all():
        session.execute(_LOCK, dict(gate))
        # A statement of its own, so that it sees what the holder before us committed.
        if session.scalar(_IS_SHUT, dict(gate)):
            return False
    return True


_NAME = text("""
UPDATE jobs.job_steps SET provider = :provider
WHERE id = :step_id AND status = 'running' AND provider IS DISTINCT FROM :provider RETURNING 1
""")


def name_provider(session: Session, step_id: UUID, provider: str) -> bool:
    """Keep what this running step calls; False when that was known, and has been judged by, when it was claimed."""
    return session.execute(_NAME, {"step_id": step_id, "provider": provider}).first() is not None


# A success of what was begun before the breaker opened says nothing of now. One that somebody else is judging is left to them.
_CLOSE_ANSWERED = text("""
DELETE FROM jobs.breakers WHERE (provider, owner_id) IN (
    SELECT b.provider, b.owner_id FROM jobs.job_steps s
    JOIN jobs.breakers b ON b.provider = s.provider AND b.owner_id IN ('', s.owner_id)
    WHERE s.id = ANY(:step_ids) AND (b.open_until IS NULL OR s.claimed_at >= b.open_until)
    FOR UPDATE OF b SKIP LOCKED)
""").bindparams(_IDS)


def close_answered(session: Session, step_ids: Sequence[UUID]) -> None:
    """Close the breakers of what these steps called: they succeeded, in this transaction."""
    session.execute(_CLOSE_ANSWERED, {"step_ids": list(step_ids)})


# The row is locked, so that no success can take it away before it is judged; `xmax` is 0 where it was inserted.
_ENSURE = text("""
INSERT INTO jobs.breakers (provider, owner_id) VALUES (:provider, :owner_id)
ON CONFLICT (provider, owner_id) DO UPDATE SET failures = breakers.failures RETURNING xmax = 0
""")
_JUDGE = text("""
SELECT b.failures, b.open_until, b.opened_at, s.provider, s.claimed_at, now() AS now, EXISTS (
    SELECT 1 FROM jobs.job_attempts a WHERE a.step_id = s.id AND a.outcome = 'unavailable') AS again
FROM jobs.breakers b CROSS JOIN jobs.job_steps s
WHERE b.provider = :provider AND b.owner_id = :owner_id AND s.id = :step_id
""")
_FAILED = text("""
UPDATE jobs.breakers SET failures = :failures, reason = :reason,
    open_until = greatest(open_until, CAST(:open_until AS timestamptz)),
    opened_at = CASE WHEN CAST(:open_until AS timestamptz) IS NULL THEN opened_at ELSE now() END,
    opened_by = CASE WHEN CAST(:open_until AS timestamptz) IS NULL OR open_until >= :open_until THEN opened_by END
WHERE provider = :provider AND owner_id = :owner_id
RETURNING open_until
""")


def record_failure(session: Session, step_id: UUID, owner_id: str, error: Unavailable) -> timedelta | None:
    """Count against the provider what this running step met. Returns how long the step should wait.

    None: the step itself is at fault, and the attempt counts. It failed so before, and others have been answered since.
    A step that did not say what it calls has said it now, and waits with the others.
    """
    key = {"provider": error.provider, "owner_id": owner_id if error.of_owner else ""}
    was_well = session.scalar(_ENSURE, key)
    row = session.execute(_JUDGE, {**key, "step_id": step_id}).one()
    if row.provider is None:
        name_provider(session, step_id, error.provider)
    failures, open_until = row.failures, row.open_until
    # Of several that were on their way when the breaker opened, each would make it stay open twice as long.
    is_news = row.opened_at is None or row.claimed_at > row.opened_at
    if error.retry_after is not None or is_news:
        failures += error.retry_after is None
        open_for = error.retry_after or _open_for(failures)
        until = row.now + open_for if open_for else None
        open_until = session.scalar(_FAILED, {**key, "failures": failures, "reason": str(error), "open_until": until})
    if was_well and row.again and error.retry_after is None:
        return None
    wait = timedelta(seconds=2 ** min(failures, FAILURES_TO_OPEN))
    if open_until is not None:
        wait = max(wait, open_until - row.now)
    return wait


def _open_for(failures: int) -> timedelta | None:
    """Not at all, then doubling from the shortest to the longest."""
    further = failures - FAILURES_TO_OPEN
    return min(_SHORTEST * 2 ** min(further, 10), _LONGEST) if further >= 0 else None


_OPEN = text("""
INSERT INTO jobs.breakers (provider, owner_id, open_until, opened_at, opened_by, reason)
VALUES (:provider, :owner_id, now() + :open_for, now(), :opened_by, :reason)
ON CONFLICT (provider, owner_id) DO UPDATE SET open_until = excluded.open_until, opened_at = excluded.opened_at,
    opened_by = excluded.opened_by, reason = excluded.reason
""")
_CLOSE = text("DELETE FROM jobs.breakers WHERE provider = :provider AND owner_id = :owner_id RETURNING 1")
_WAKE = text("""
UPDATE jobs.job_steps SET available_at = now() WHERE id IN (
    SELECT id FROM jobs.job_steps WHERE provider = :provider AND status = 'queued' AND available_at > now()
    ORDER BY id FOR UPDATE SKIP LOCKED)
""")


def open_breaker(
    session: Session, provider: str, *, owner_id: str | None, open_for: timedelta, opened_by: str, reason: str | None
) -> None:
    """Hold back what calls this provider, for one owner or for all; may be repeated, the last word counts. Raises Invalid."""
    if not timedelta(0) < open_for <= _LONGEST_BY_HAND:
        raise Invalid(f"a provider is held back for up to {_LONGEST_BY_HAND.days} days; to hold it for longer, pause it")
    key = {"provider": provider, "owner_id": owner_id or ""}
    session.execute(_OPEN, {**key, "open_for": open_for, "opened_by": opened_by, "reason": reason})


def close_breaker(session: Session, provider: str, *, owner_id: str | None) -> None:
    """Let its work go on now. Raises NotFound when it neither failed nor was held back."""
    if session.execute(_CLOSE, {"provider": provider, "owner_id": owner_id or ""}).first() is None:
        raise NotFound(f"provider {provider} is not held back{f' for {owner_id}' if owner_id else ''}")
    wake(session, provider)


def wake(session: Session, provider: str) -> None:
    """Let steps that were put off until later look again now whether they may run."""
    session.execute(_WAKE, {"provider": provider})
    session.info[MOVED] = True


_LIST = text(f"""
SELECT b.provider, nullif(b.owner_id, '') AS owner_id, b.failures, b.open_until, b.opened_by, b.reason,
    coalesce(b.open_until > now(), false) AS is_open,
    b.failures >= {FAILURES_TO_OPEN} AND b.open_until <= now() AS tries_one,
    b.failures >= {FAILURES_TO_OPEN} AND EXISTS ({_TRYING}) AS is_tried
FROM jobs.breakers b
ORDER BY b.provider, b.owner_id
""")  # noqa: S608  (constants)


def list_breakers(session: Session) -> list[Breaker]:
    """Every provider that has failed, or was held back, and has not succeeded since."""
    return [Breaker(**row) for row in session.execute(_LIST).mappings()]
