"""What operators did: kept, so that others see who changed what."""

from collections.abc import Mapping

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

_RECORD = text("""
INSERT INTO jobs.operator_actions (operator, action, target, detail) VALUES (:operator, :action, :target, :detail)
""").bindparams(bindparam("detail", type_=JSONB))


def record_action(
    session: Session, operator: str, action: str, target: str, detail: Mapping[str, object] | None = None
) -> None:
    """Keep that this operator did it, in the transaction that did it."""
    session.execute(_RECORD, {"operator": operator, "action": action, "target": target, "detail": dict(detail or {})})


def list_actions(session: Session, *, limit: int = 100) -> list[RowMapping]:
    """The newest first."""
    statement = text(
        "SELECT operator, action, target, detail, done_at FROM jobs.operator_actions ORDER BY id DESC LIMIT :limit"
    )
    return list(session.execute(statement, {"limit": limit}).mappings())
