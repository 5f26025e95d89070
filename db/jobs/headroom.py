"""What steps need of their host, and what hosts have left beside what runs there. Counted from rows, never kept as a number.

What a running step has written already counts twice, as reserved and as no longer free: that is too careful, never too bold.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.jobs.ends import put_back
from db.jobs.machine import lock
from db.jobs.words import WORKER_LIVES, Claim

_AGAIN = timedelta(seconds=2)
_GIGABYTE, _MEGABYTE = 1_000_000_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Needs:
    """What an attempt takes of its host at most; 0 of what it takes little of."""

    disk_bytes: int = 0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Free:
    """What a host has free: where attempts have their folders, and of memory. None where that is not known: nothing is held back."""

    disk_bytes: int | None
    memory_bytes: int | None


_RESERVED = """
(SELECT coalesce(sum(r.needs_{what}_bytes), 0) FROM jobs.job_steps r WHERE r.status = 'running' AND r.needs_host = w.host)
"""
_DISK_LEFT = f"w.free_disk_bytes - {_RESERVED.format(what='disk')}"
_MEMORY_LEFT = f"w.free_memory_bytes - {_RESERVED.format(what='memory')}"
# For the relay, of a step `s`. What a step needs is known from its first claim on; before that it is hinted, and the claim finds out.
HAS_ROOM = f"""
(s.needs_disk_bytes IS NULL OR EXISTS (
    SELECT 1 FROM jobs.workers w WHERE {WORKER_LIVES} AND s.queue = ANY(w.queues)
    AND s.needs_disk_bytes <= coalesce({_DISK_LEFT}, s.needs_disk_bytes)
    AND s.needs_memory_bytes <= coalesce({_MEMORY_LEFT}, s.needs_memory_bytes)))
"""  # noqa: S608  (constants)

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:host, 7310202))")
_TAKEN = text("""
SELECT coalesce(sum(needs_disk_bytes), 0) AS disk, coalesce(sum(needs_memory_bytes), 0) AS memory FROM jobs.job_steps
WHERE status = 'running' AND needs_host = :host AND id <> :step_id
""")
_NEED = text("""
UPDATE jobs.job_steps SET needs_disk_bytes = :disk, needs_memory_bytes = :memory, needs_host = :host
WHERE id = :step_id AND claim_id = :claim_id AND status = 'running'
""")


def reserve(session: Session, held: Claim, needs: Needs, *, host: str, free: Free) -> bool:
    """Reserve what the attempt needs until it ends, or put it back, as if it had not been claimed, where there is no room."""
    lock(session, held.job_id)
    session.execute(_LOCK, {"host": host})
    taken = session.execute(_TAKEN, {"host": host, "step_id": held.step_id}).one()
    short = None
    for what, needed, there, used in (
        ("disk", needs.disk_bytes, free.disk_bytes, taken.disk),
        ("memory", needs.memory_bytes, free.memory_bytes, taken.memory),
    ):
        if there is not None and there - used < needed:
            short = short or _told(held.step, what, needed, there - int(used), host)
    wants = {"disk": needs.disk_bytes, "memory": needs.memory_bytes, "host": None if short else host}
    session.execute(_NEED, {**wants, "step_id": held.step_id, "claim_id": held.claim_id})
    if short:
        put_back(session, [held], delay=_AGAIN, reason=short)
    return short is None


_LARGEST = f"""
SELECT w.host, {{left}} AS room FROM jobs.workers w WHERE {WORKER_LIVES} AND :queue = ANY(w.queues)
ORDER BY room DESC NULLS FIRST LIMIT 1
"""  # noqa: S608  (a constant)
_LARGEST_DISK = text(_LARGEST.format(left=_DISK_LEFT))
_LARGEST_MEMORY = text(_LARGEST.format(left=_MEMORY_LEFT))
_HAS_ROOM = text(f"SELECT {HAS_ROOM} FROM jobs.job_steps s WHERE s.id = :id")  # noqa: S608  (a constant)


def find_shortage(session: Session, *, step_id: object, step: str, queue: str, needs: Needs) -> str | None:
    """Why no live host has room for the step that needs this, or None where one has."""
    if session.scalar(_HAS_ROOM, {"id": step_id}):
        return None
    for what, needed, largest in (
        ("disk", needs.disk_bytes, _LARGEST_DISK),
        ("memory", needs.memory_bytes, _LARGEST_MEMORY),
    ):
        most = session.execute(largest, {"queue": queue}).one_or_none()
        if most and most.room is not None and most.room < needed:
            return _told(step, what, needed, int(most.room), most.host)
    return f"{step} needs {_amount(needs.disk_bytes)} of disk and {_amount(needs.memory_bytes)} of memory; no host has both"


def _told(step: str, what: str, needed: int, left: int, host: str) -> str:
    most = "the largest free space" if what == "disk" else "the most that is free"
    return f"{step} needs {_amount(needed)} of {what}; {most} is {_amount(max(0, left))} on host {host}"


def _amount(count: int) -> str:
    unit, name = (_GIGABYTE, "GB") if count >= _GIGABYTE else (_MEGABYTE, "MB")
    return f"{count / unit:.1f}".removesuffix(".0") + f" {name}"
