"""Who may renew the tokens of a connection now: one at a time, for as long as one call may take."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_TAKE = text("""
INSERT INTO jobs.token_leases (kept_in, row_id, holder, held_until) VALUES (:kept_in, :row_id, :holder, now() + :length)
ON CONFLICT (kept_in, row_id) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE token_leases.held_until < now() RETURNING 1
""")
_GIVE_BACK = text("DELETE FROM jobs.token_leases WHERE kept_in = :kept_in AND row_id = :row_id AND holder = :holder")


def take_lease(session: Session, kept_in: str, row_id: int, holder: UUID, *, length: timedelta) -> bool:
    """Whether `holder` has it now; one that is over is taken from whoever had it."""
    params = {"kept_in": kept_in, "row_id": row_id, "holder": holder, "length": length}
    return session.execute(_TAKE, params).first() is not None


def give_back_lease(session: Session, kept_in: str, row_id: int, holder: UUID) -> None:
    """Let the next one have it; of a lease that another took meanwhile, nothing happens."""
    session.execute(_GIVE_BACK, {"kept_in": kept_in, "row_id": row_id, "holder": holder})
