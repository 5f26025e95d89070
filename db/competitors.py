"""What was read of competitors and what changed. A reading is never changed; only a change that was found can be acknowledged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from db.base.competitors import Severity, SnapshotSource, competitor_changes, competitor_snapshots
from db.base.rows import MOST, find_row, get_row, insert_row, list_rows, update_row
from db.leads.clients import insert_of_client

COMPARED = 24  # the newest readings of a competitor: the last good one and those that noise is learned from are among them


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a competitor. `competitor_key` is `lead:12`, `url:https://…` or `channel:UC…`; the body lies in storage."""

    competitor_key: str
    source: SnapshotSource
    url: str | None = None
    content_hash: str | None = None
    extracted_data: Mapping[str, Any] | None = None
    raw_body_key: str | None = None
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between two readings."""

    change_type: str
    field: str | None = None
    before: str | None = None
    after: str | None = None
    severity: Severity = Severity.LOW
    summary: str | None = None


def insert_snapshot(session: Session, client_id: int, reading: Reading, *, user_id: str) -> RowMapping:
    """Keep a reading. Raises NotFound."""
    data = None if reading.extracted_data is None else dict(reading.extracted_data)
    values = {name: getattr(reading, name) for name in Reading.__slots__}
    return insert_of_client(session, competitor_snapshots, client_id, {**values, "extracted_data": data}, user_id=user_id)


def get_snapshot(session: Session, snapshot_id: int) -> RowMapping:
    """One reading. Raises NotFound."""
    return get_row(session, competitor_snapshots, snapshot_id)


def list_readings(
    session: Session, client_id: int, competitor_key: str, source: SnapshotSource, *, before: int | None = None, limit: int = 50
) -> list[RowMapping]:
    """Of one competitor, newest first."""
    columns = competitor_snapshots.c
    same = (columns.client_id == client_id, columns.competitor_key == competitor_key, columns.source == source)
    return list_rows(session, competitor_snapshots, *same, before=before, limit=limit)


def has_changes(session: Session, snapshot_id: int) -> bool:
    """Tell whether changes were kept that this reading showed."""
    return find_row(session, competitor_changes, competitor_changes.c.after_snapshot_id == snapshot_id) is not None


def list_changes_of(session: Session, snapshot_id: int) -> list[RowMapping]:
    """What a reading showed, newest first."""
    return list_rows(session, competitor_changes, competitor_changes.c.after_snapshot_id == snapshot_id, limit=MOST)


def list_competitors(session: Session, client_id: int) -> list[RowMapping]:
    """The newest reading of each competitor and source of a client."""
    columns = competitor_snapshots.c
    one_each = (columns.competitor_key, columns.source)
    statement = select(competitor_snapshots).ext(distinct_on(*one_each)).where(columns.client_id == client_id)
    return list(session.execute(statement.order_by(*one_each, columns.id.desc())).mappings())


def insert_changes(
    session: Session, changes: Sequence[Change], *, before_snapshot_id: int | None, after_snapshot_id: int, user_id: str
) -> list[RowMapping]:
    """Keep what was found between two readings, in the company of the later one. Raises NotFound."""
    company_id = get_row(session, competitor_snapshots, after_snapshot_id)["company_id"]
    compared = {"before_snapshot_id": before_snapshot_id, "after_snapshot_id": after_snapshot_id}
    whose = {"user_id": user_id, "company_id": company_id, **compared}
    return [
        insert_row(session, competitor_changes, {**whose, **{name: getattr(change, name) for name in Change.__slots__}})
        for change in changes
    ]


def list_changes(
    session: Session, client_id: int, *, only_new: bool = False, before: int | None = None, limit: int = 50
) -> list[RowMapping]:
    """Of a client's competitors, newest first; `only_new` leaves out what was acknowledged."""
    of_client = competitor_changes.c.after_snapshot_id.in_(
        select(competitor_snapshots.c.id).where(competitor_snapshots.c.client_id == client_id)
    )
    new = (competitor_changes.c.acknowledged_at.is_(None),) if only_new else ()
    return list_rows(session, competitor_changes, of_client, *new, before=before, limit=limit)


def acknowledge(session: Session, change_id: int) -> RowMapping:
    """Somebody has seen the change; the first time counts. Raises NotFound, Refused."""
    seen = func.coalesce(competitor_changes.c.acknowledged_at, func.now())
    return update_row(session, competitor_changes, change_id, {"acknowledged_at": seen})


# What earlier systems read has no bytes here, and is never removed. An error's reading has none either, but a change that names it.
_PRUNE = text("""
DELETE FROM public.competitor_snapshots WHERE id IN (
    SELECT s.id FROM public.competitor_snapshots s
    WHERE s.captured_at < now() - :age AND s.raw_body_key LIKE 'readings/%'
        AND NOT EXISTS (SELECT 1 FROM public.competitor_changes c WHERE c.before_snapshot_id = s.id)
        AND NOT EXISTS (SELECT 1 FROM public.competitor_changes c WHERE c.after_snapshot_id = s.id)
        AND EXISTS (SELECT 1 FROM public.competitor_snapshots n
            WHERE (n.client_id, n.competitor_key, n.source) = (s.client_id, s.competitor_key, s.source) AND n.id > s.id
            ORDER BY n.id OFFSET :newest - 1 LIMIT 1)
    LIMIT :most)
RETURNING 1
""")
_LOCK_BODY = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7310104))")


def prune_snapshots(session: Session, age: timedelta, *, most: int = 1000) -> int:
    """Remove at most so many readings of that age that no change names and nothing is compared with; for the role of the job core."""
    return len(session.execute(_PRUNE, {"age": age, "newest": COMPARED, "most": most}).all())


def lock_body(session: Session, key: str) -> None:
    """Until this transaction ends, nobody else looks whether these bytes are named, or names them."""
    session.execute(_LOCK_BODY, {"key": key})


def list_unnamed_bodies(session: Session, keys: Sequence[str]) -> list[str]:
    """Those of these keys that no reading names, whoever's it is; for the role of the job core."""
    statement = text("""
        SELECT k.key FROM unnest(CAST(:keys AS text[])) k (key)
        WHERE NOT EXISTS (SELECT 1 FROM public.competitor_snapshots s WHERE s.raw_body_key = k.key)
    """)
    return list(session.execute(statement, {"keys": list(keys)}).scalars())
