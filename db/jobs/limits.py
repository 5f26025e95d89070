"""How many steps may run at once: of a queue, a pipeline or an owner. Counted from the rows that run, never kept as a number."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.errors import Invalid, NotFound
from db.engine import MOVED
from db.jobs.scope import Scope

_HEAVIEST = 100


@dataclass(frozen=True, slots=True)
class Limit:
    """At most this many steps of it run at once. The name `*`: of each that has no limit of its own."""

    kind: Scope
    name: str
    most: int


def set_limit(session: Session, kind: Scope, name: str, most: int | None) -> None:
    """Hold from now on, or with None no longer. What runs already is left alone. Raises Invalid."""
    if most is not None and most < 0:
        raise Invalid("a limit is 0 or more")
    named = {"kind": kind, "name": name}
    if most is None:
        session.execute(text("DELETE FROM jobs.limits WHERE kind = :kind AND name = :name"), named)
    else:
        session.execute(
            text("""
            INSERT INTO jobs.limits (kind, name, most) VALUES (:kind, :name, :most)
            ON CONFLICT (kind, name) DO UPDATE SET most = excluded.most
            """),
            {**named, "most": most},
        )
    session.info[MOVED] = True


def list_limits(session: Session) -> list[Limit]:
    """Every limit."""
    rows = session.execute(text("SELECT kind, name, most FROM jobs.limits ORDER BY kind, name"))
    return [Limit(Scope(row.kind), row.name, row.most) for row in rows]


# A name of its own counts before `*`; always in one order, because locks are taken in it.
_APPLYING = text("""
SELECT DISTINCT ON (l.kind) l.kind, n.name, l.most FROM jobs.limits l
JOIN (VALUES ('queue', :queue), ('pipeline', :pipeline), ('owner', :owner)) n(kind, name) ON n.kind = l.kind
WHERE l.name IN (n.name, '*') ORDER BY l.kind, l.name = '*'
""")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:kind || ' ' || :name, 7310200))")
_RUNNING = {
    Scope.QUEUE: text("SELECT count(*) FROM jobs.job_steps WHERE status = 'running' AND queue = :name"),
    Scope.PIPELINE: text("SELECT count(*) FROM jobs.job_steps WHERE status = 'running' AND pipeline = :name"),
    Scope.OWNER: text("SELECT count(*) FROM jobs.job_steps WHERE status = 'running' AND owner_id = :name"),
}


def find_full(session: Session, *, queue: str, pipeline: str, owner_id: str) -> Limit | None:
    """A limit that keeps a step of these from running now, if one does."""
    for limit in session.execute(_APPLYING, {"queue": queue, "pipeline": pipeline, "owner": owner_id}).all():
        if _count_running(session, limit.kind, limit.name) >= limit.most:
            return Limit(Scope(limit.kind), limit.name, limit.most)
    return None


def _count_running(session: Session, kind: str, name: str) -> int:
    return int(session.scalar(_RUNNING[Scope(kind)], {"name": name}) or 0)


def has_room(session: Session, *, queue: str, pipeline: str, owner_id: str) -> bool:
    """Tell whether one more step may run, and keep every other claim under the same limits waiting until this transaction ends."""
    applying = session.execute(_APPLYING, {"queue": queue, "pipeline": pipeline, "owner": owner_id}).all()
    for limit in applying:
        session.execute(_LOCK, {"kind": limit.kind, "name": limit.name})
        # A statement of its own, so that it sees what the holder before us committed.
        if _count_running(session, limit.kind, limit.name) >= limit.most:
            return False
    return True


def set_weight(session: Session, owner_id: str, weight: float) -> None:
    """Give this owner `weight` times the time of one of weight 1, where they wait for the same threads. Raises Invalid, NotFound."""
    if not 0 < weight <= _HEAVIEST:
        raise Invalid(f"a weight is above 0 and at most {_HEAVIEST}")
    if session.execute(text("SELECT 1 FROM public.users WHERE id = :id"), {"id": owner_id}).first() is None:
        raise NotFound(f"there is no user {owner_id}")
    session.execute(
        text("""
        INSERT INTO jobs.weights (owner_id, weight) VALUES (:owner_id, :weight)
        ON CONFLICT (owner_id) DO UPDATE SET weight = excluded.weight
        """),
        {"owner_id": owner_id, "weight": weight},
    )


def list_weights(session: Session) -> dict[str, float]:
    """The weights of those who have another than 1."""
    rows = session.execute(text("SELECT owner_id, weight FROM jobs.weights ORDER BY owner_id"))
    return {row.owner_id: row.weight for row in rows}
