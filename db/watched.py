"""Competitors that are read again and again. What was read and what changed is in db/competitors.py."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from core.errors import Conflict, Forbidden, NotFound
from db.base.competitors import SnapshotSource
from db.leads.clients import get_client

_MOST = 200


def insert_competitor(
    session: Session, client_id: int, *, competitor_key: str, source: SnapshotSource, url: str, name: str, user_id: str
) -> RowMapping:
    """Watch a competitor of a client. Raises NotFound, and Conflict when it is watched already."""
    values = {
        "client_id": client_id,
        "company_id": get_client(session, client_id)["company_id"],
        "key": competitor_key,
        "source": source.value,
        "url": url,
        "name": name,
        "user_id": user_id,
    }
    statement = text("""
        INSERT INTO public.competitors (user_id, company_id, client_id, competitor_key, source, url, name)
        VALUES (:user_id, :company_id, :client_id, :key, :source, :url, :name)
        ON CONFLICT (client_id, competitor_key, source) DO NOTHING RETURNING *
    """)
    row = session.execute(statement, values).mappings().one_or_none()
    if row is None:
        raise Conflict(f"{name} is watched for this client already")
    return row


def get_competitor(session: Session, competitor_id: int) -> RowMapping:
    """One of them. Raises NotFound."""
    statement = text("SELECT * FROM public.competitors WHERE id = :id")
    row = session.execute(statement, {"id": competitor_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no competitor {competitor_id}")
    return row


def list_watched(
    session: Session, *, client_id: int | None = None, before: int | None = None, limit: int = 50
) -> list[RowMapping]:
    """Newest first."""
    statement = text("""
        SELECT * FROM public.competitors
        WHERE (CAST(:client_id AS integer) IS NULL OR client_id = :client_id) AND (CAST(:before AS integer) IS NULL OR id < :before)
        ORDER BY id DESC LIMIT :limit
    """)
    return list(session.execute(statement, {"client_id": client_id, "before": before, "limit": min(limit, _MOST)}).mappings())


def delete_competitor(session: Session, competitor_id: int) -> None:
    """Watch it no longer; its readings and changes stay. Raises NotFound, Forbidden."""
    get_competitor(session, competitor_id)
    if not session.execute(text("DELETE FROM public.competitors WHERE id = :id RETURNING 1"), {"id": competitor_id}).first():
        raise Forbidden(f"competitor {competitor_id} is not yours to remove; ask who added it, or who runs the company")


def keep_outcome(session: Session, competitor_id: int, outcome: str, validators: Mapping[str, Any]) -> None:
    """How the last reading went; `validators` (etag, last_modified) are for asking whether anything is new. Raises NotFound."""
    statement = text("""
        UPDATE public.competitors
        SET last_read_at = now(), etag = :etag, last_modified = :last_modified, outcome = :outcome,
            outcome_since = CASE WHEN outcome IS DISTINCT FROM :outcome THEN now() ELSE outcome_since END
        WHERE id = :id RETURNING 1
    """)
    values = {"id": competitor_id, "outcome": outcome, "etag": None, "last_modified": None, **validators}
    if not session.execute(statement, values).first():
        raise NotFound(f"there is no competitor {competitor_id}, or it is not yours")


def keep_schedule(session: Session, competitor_id: int, schedule_id: object) -> None:
    """What reads it again."""
    session.execute(
        text("UPDATE public.competitors SET schedule_id = :schedule WHERE id = :id"),
        {"id": competitor_id, "schedule": schedule_id},
    )


_CHANGES = """
SELECT c.id, w.id AS competitor_id, w.name, s.url, s.source, c.change_type, c.field, c.before, c.after, c.severity, c.summary, c.detected_at,
    c.acknowledged_at
FROM public.competitor_changes c
JOIN public.competitor_snapshots s ON s.id = c.after_snapshot_id
LEFT JOIN public.competitors w ON w.client_id = s.client_id AND w.competitor_key = s.competitor_key AND w.source = s.source
WHERE (CAST(:competitor_id AS integer) IS NULL OR w.id = :competitor_id)
    AND (CAST(:client_id AS integer) IS NULL OR s.client_id = :client_id)
    AND (CAST(:before AS integer) IS NULL OR c.id < :before) AND (NOT :only_new OR c.acknowledged_at IS NULL)
ORDER BY c.id DESC LIMIT :limit
"""


def list_changes(
    session: Session,
    *,
    competitor_id: int | None = None,
    client_id: int | None = None,
    only_new: bool = False,
    before: int | None = None,
    limit: int = 50,
) -> list[RowMapping]:
    """What changed, newest first, with whose it is: of one competitor, of a client's, or of all that who asks may see."""
    values = {"competitor_id": competitor_id, "client_id": client_id, "only_new": only_new, "before": before, "limit": limit}
    return list(session.execute(text(_CHANGES), values).mappings())
