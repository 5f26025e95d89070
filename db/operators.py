"""Who operates the platform, in which role; and what they did, kept so that others see who changed what."""

from collections.abc import Mapping

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from core.errors import NotFound
from db import users
from db.permissions import OperatorRole, operator_role, user_role

_ROLE = text("""
SELECT u.role AS product, o.role AS platform FROM public.users u LEFT JOIN jobs.operators o ON o.user_id = u.id WHERE u.id = :id
""")
_RECORD = text("""
INSERT INTO jobs.operator_actions (operator, action, target, detail) VALUES (:operator, :action, :target, :detail)
RETURNING id
""").bindparams(bindparam("detail", type_=JSONB))


def find_role(session: Session, user_id: str) -> OperatorRole | None:
    """What this user is on the platform; None for who is no operator."""
    row = session.execute(_ROLE, {"id": user_id}).one_or_none()
    return None if row is None else operator_role(user_role(row.product), OperatorRole(row.platform) if row.platform else None)


def set_role(session: Session, user_id: str, role: OperatorRole | None, *, added_by: str) -> None:
    """Make this user an operator in this role, or none any more. Raises NotFound."""
    if role is None:
        session.execute(text("DELETE FROM jobs.operators WHERE user_id = :id"), {"id": user_id})
        return
    if not users.is_known(session, user_id):
        raise NotFound(f"there is no user {user_id}")
    session.execute(
        text("""
        INSERT INTO jobs.operators (user_id, role, added_by) VALUES (:id, :role, :added_by)
        ON CONFLICT (user_id) DO UPDATE SET role = excluded.role, added_by = excluded.added_by, added_at = now()
        """),
        {"id": user_id, "role": role, "added_by": added_by},
    )


def list_operators(session: Session) -> list[RowMapping]:
    """Those who have a row; superadmins of the product are admins without one."""
    statement = text("SELECT user_id, role, added_by, added_at FROM jobs.operators ORDER BY user_id")
    return list(session.execute(statement).mappings())


def record_action(session: Session, operator: str, action: str, target: str, detail: Mapping[str, object] | None = None) -> int:
    """Keep that this operator did it, in the transaction that did it. Returns the number under which it is kept."""
    params = {"operator": operator, "action": action, "target": target, "detail": dict(detail or {})}
    return int(session.scalar(_RECORD, params))


def list_actions(session: Session, *, limit: int = 100) -> list[RowMapping]:
    """The newest first."""
    statement = text(
        "SELECT operator, action, target, detail, done_at FROM jobs.operator_actions ORDER BY id DESC LIMIT :limit"
    )
    return list(session.execute(statement, {"limit": limit}).mappings())
