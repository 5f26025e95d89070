"""How many steps may run at once: of a queue, a pipeline, an owner or a provider. Counted from the rows that run, never kept as a number."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from core.errors import Invalid, NotFound
from db import users
from db.engine import MOVED, run
from db.jobs.scope import Scope

LIGHTEST, HEAVIEST = 0.01, 100
_HIGHEST = 30_000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most this many steps of it run at once. The name `*`: of each that has no limit of its own."""

    kind: Scope
    name: str
    most: int


def set_limit(session: Session, kind: Scope, name: str, most: int | None) -> None:
    """Hold from now on, or with None no longer. What runs already is left alone. Raises Invalid."""
    if most is not None and not 0 <= most <= _HIGHEST:
        raise Invalid(f"a limit is 0 to {_HIGHEST}")
    named = {"kind": kind, "name": name}
    if most is None:
        session.execute(text("DELETE FROM jobs.limits WHERE kind = :kind AND name = :name"), named)
        session.execute(text("UPDATE jobs.limits SET set_at = now() WHERE kind = :kind AND name = '*'"), named)
    else:
        session.execute(
            text("""
            INSERT INTO jobs.limits (kind, name, most) VALUES (:kind, :name, :most)
            ON CONFLICT (kind, name) DO UPDATE SET most = excluded.most, set_at = now()
            """),
            {**named, "most": most},
        )
    session.info[MOVED] = True


def list_limits(session: Session) -> list[Limit]:
    """Every limit."""
    rows = session.execute(text("SELECT kind, name, most FROM jobs.limits ORDER BY kind, name"))
    return [Limit(Scope(row.kind), row.name, row.most) for row in rows]


# What a step falls under; a name of its own counts before `*`.
APPLYING = """
CROSS JOIN LATERAL (VALUES ('queue', s.queue), ('pipeline', s.pipeline), ('owner', s.owner_id), ('provider', s.provider)) n(kind, name)
CROSS JOIN LATERAL (SELECT l.most, l.set_at FROM jobs.limits l WHERE l.kind = n.kind AND n.name IS NOT NULL AND l.name IN (n.name, '*') ORDER BY l.name = '*' LIMIT 1) l
"""
_IDS = bindparam("step_ids", type_=ARRAY(Uuid))
# Each is locked until the transaction ends, in one order everywhere. What is alike is counted first: most of a group is.
_LOCK_THOSE_OF_MANY = text(f"""
SELECT kind, name, most, wanted, pg_advisory_xact_lock(hashtextextended(kind || ' ' || name, 7310200)) FROM (
    SELECT n.kind, n.name, l.most, CAST(sum(s.alike) AS bigint) AS wanted FROM (
        SELECT queue, pipeline, owner_id, provider, count(*) AS alike FROM jobs.job_steps
        WHERE id = ANY(:step_ids) GROUP BY queue, pipeline, owner_id, provider) s {APPLYING}
    GROUP BY n.kind, n.name, l.most ORDER BY n.kind, n.name) n
""").bindparams(_IDS)  # noqa: S608  (a constant)
_OF_EACH = text(f"""
SELECT n.kind, n.name, s.id FROM jobs.job_steps s {APPLYING} WHERE s.id = ANY(:step_ids)
""").bindparams(_IDS)  # noqa: S608  (a constant)
_RUNNING = text(
    "SELECT queue, pipeline, owner_id, provider, count(*) FROM jobs.job_steps WHERE status = 'running' GROUP BY 1, 2, 3, 4"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit, and how many steps of each thing run."""

    most: Mapping[tuple[str, str], int]
    running: Mapping[tuple[str, str], int]

    def find_full(self, *, queue: str, pipeline: str, owner_id: str, provider: str | None) -> Limit | None:
        """A limit that keeps a step of these from running now, if one does."""
        for kind, name in (
            (Scope.OWNER, owner_id),
            (Scope.PIPELINE, pipeline),
            (Scope.PROVIDER, provider),
            (Scope.QUEUE, queue),
        ):
            most = None if name is None else self.most.get((kind, name), self.most.get((kind, "*")))
            if name is not None and most is not None and self.running[kind, name] >= most:
                return Limit(kind, name, most)
        return None


def read_limits(session: Session) -> Limits:
    """As they stand now; to be told, not to be relied on: `admit` decides."""
    most: dict[tuple[str, str], int] = {(limit.kind, limit.name): limit.most for limit in list_limits(session)}
    return Limits(most, _count_running(session) if most else Counter())


def _count_running(session: Session) -> Counter[tuple[str, str]]:
    """How many steps of each thing run, by its kind and name."""
    running: Counter[tuple[str, str]] = Counter()
    for *names, count in session.execute(_RUNNING):
        for key in zip((Scope.QUEUE, Scope.PIPELINE, Scope.OWNER, Scope.PROVIDER), names, strict=True):
            running[key] += count
    return running


def _room(session: Session, limits: Sequence[Row[Any]]) -> dict[tuple[str, str], int]:
    """How many more steps may run under each of these limits."""
    if not limits:
        return {}
    running = _count_running(session)
    return {(limit.kind, limit.name): limit.most - running[limit.kind, limit.name] for limit in limits}


def admit(session: Session, step_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these steps that may run under every limit, in their order.

    Where a limit applies, every other claim under it waits until this transaction ends.
    """
    limits = run(session, _LOCK_THOSE_OF_MANY, {"step_ids": list(step_ids)})
    if not limits:
        return list(step_ids)
    room = _room(session, limits)  # a statement of its own, so that it sees what the holder before us committed
    if all(room[limit.kind, limit.name] >= limit.wanted for limit in limits):
        return list(step_ids)
    under: dict[UUID, list[tuple[str, str]]] = defaultdict(list)
    for kind, name, step_id in session.execute(_OF_EACH, {"step_ids": list(step_ids)}):
        under[step_id].append((kind, name))
    admitted = []
    for step_id in step_ids:
        if all(room[key] > 0 for key in under[step_id]):
            admitted.append(step_id)
            for key in under[step_id]:
                room[key] -= 1
    return admitted


def set_weight(session: Session, owner_id: str, weight: float) -> None:
    """Give this owner `weight` times the time of one of weight 1, where they wait for the same threads. Raises Invalid, NotFound."""
    if not LIGHTEST <= weight <= HEAVIEST:
        raise Invalid(f"a weight is at least {LIGHTEST} and at most {HEAVIEST}")
    if not users.is_known(session, owner_id):
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
