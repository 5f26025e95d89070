"""What operators pause: a queue, a pipeline, an owner's jobs, or what calls a provider. Running steps go on; nothing new starts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.errors import Invalid, NotFound
from db.engine import MOVED
from db.jobs.scope import Scope


@dataclass(frozen=True, slots=True)
class Pause:
    """One thing that stands still. Draining lets jobs that have begun come to their end."""

    kind: Scope
    name: str
    drain: bool
    paused_by: str
    reason: str | None
    paused_at: datetime


# Of a step `s` that is about to be hinted or claimed.
NOT_PAUSED = """
NOT EXISTS (
    SELECT 1 FROM jobs.pauses p
    WHERE p.name = CASE p.kind WHEN 'queue' THEN s.queue WHEN 'pipeline' THEN s.pipeline WHEN 'owner' THEN s.owner_id ELSE s.provider END
      AND NOT (p.drain AND EXISTS (SELECT 1 FROM jobs.job_steps b WHERE b.job_id = s.job_id AND b.attempt > 0)))
"""

# Of an owner `o` of a queue, by which none of the steps has to be read.
ALL_PAUSED = """
EXISTS (SELECT 1 FROM jobs.pauses p WHERE NOT p.drain AND (p.kind, p.name) IN (('queue', o.queue), ('owner', o.owner_id)))
"""


def pause(session: Session, kind: Scope, name: str, *, paused_by: str, reason: str | None = None, drain: bool = False) -> None:
    """Let nothing of it start, or with `drain` nothing that has not begun; may be repeated, the last word counts. Raises Invalid."""
    known = text("SELECT 1 FROM jobs.queues WHERE name = :name")
    if kind is Scope.QUEUE and session.execute(known, {"name": name}).first() is None:
        raise Invalid(f"there is no queue {name!r}")
    session.execute(
        text("""
        INSERT INTO jobs.pauses (kind, name, drain, paused_by, reason) VALUES (:kind, :name, :drain, :paused_by, :reason)
        ON CONFLICT (kind, name) DO UPDATE SET drain = excluded.drain, paused_by = excluded.paused_by, reason = excluded.reason
        """),
        {"kind": kind, "name": name, "drain": drain, "paused_by": paused_by, "reason": reason},
    )


def resume(session: Session, kind: Scope, name: str) -> None:
    """Let it run again. Raises NotFound when it is not paused."""
    statement = text("DELETE FROM jobs.pauses WHERE kind = :kind AND name = :name RETURNING 1")
    if session.execute(statement, {"kind": kind, "name": name}).first() is None:
        raise NotFound(f"{kind} {name} is not paused")
    session.info[MOVED] = True


def list_pauses(session: Session) -> list[Pause]:
    """Everything that stands still, the longest first."""
    rows = session.execute(
        text("SELECT kind, name, drain, paused_by, reason, paused_at FROM jobs.pauses ORDER BY paused_at")
    ).mappings()
    return [Pause(**{**row, "kind": Scope(row["kind"])}) for row in rows]
