"""What was found out about a client's market: of each kind the newest."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from db.leads.clients import get_client


class Kind(StrEnum):
    """What was looked at."""

    REVIEWS = "reviews"
    COMPETITORS = "competitors"
    PARTNERSHIPS = "partnerships"


_KEEP = text("""
INSERT INTO public.leads_intelligence AS held (user_id, company_id, client_id, kind, analysis, model_used, said_at)
VALUES (:user_id, :company_id, :client_id, :kind, :analysis, :model_used, :said_at)
ON CONFLICT (client_id, kind) DO UPDATE SET analysis = excluded.analysis, model_used = excluded.model_used, said_at = excluded.said_at
WHERE held.said_at < excluded.said_at
""").bindparams(bindparam("analysis", type_=JSONB))


def keep_intelligence(
    session: Session,
    client_id: int,
    kind: Kind,
    analysis: Mapping[str, Any],
    *,
    model_used: str,
    said_at: datetime,
    user_id: str,
) -> None:
    """Let this be what is known, unless something newer is. Raises NotFound."""
    values = {
        "user_id": user_id,
        "company_id": get_client(session, client_id)["company_id"],
        "client_id": client_id,
        "kind": kind,
        "analysis": dict(analysis),
        "model_used": model_used,
        "said_at": said_at,
    }
    session.execute(_KEEP, values)


def list_intelligence(session: Session, client_id: int) -> list[RowMapping]:
    """All kinds that are known of a client. Raises NotFound."""
    get_client(session, client_id)
    statement = text(
        "SELECT kind, analysis, model_used, said_at FROM public.leads_intelligence WHERE client_id = :id ORDER BY kind"
    )
    return list(session.execute(statement, {"id": client_id}).mappings())


def find_owner(session: Session, client_id: int) -> str | None:
    """Whose client it is. As the job core."""
    found: str | None = session.scalar(text("SELECT user_id FROM public.leads_clients WHERE id = :id"), {"id": client_id})
    return found
