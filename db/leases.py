"""Who may renew the tokens of a connection now: one at a time, for as long as one call may take.

A lease that was not ended well stays as a row: whoever had it may have been given tokens that nobody kept.
"""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_TAKE = text("""
INSERT INTO jobs.token_leases (kept_in, row_id, holder, held_until) VALUES (:kept_in, :row_id, :holder, now() + :length)
ON CONFLICT (kept_in, row_id) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE token_leases.held_until < now() RETURNING CASE WHEN xmax = 0 THEN 'new' ELSE 'left' END
""")
_GIVE_BACK = text("DELETE FROM jobs.token_leases WHERE kept_in = :kept_in AND row_id = :row_id AND holder = :holder")
_LEAVE = text(
    "UPDATE jobs.token_leases SET held_until = now() WHERE kept_in = :kept_in AND row_id = :row_id AND holder = :holder"
)


class Lease(StrEnum):
    """How one was found that is ours now."""

    NEW = "new"
    LEFT = "left"  # by one who did not end it well


def take_lease(session: Session, kept_in: str, row_id: int, holder: UUID, *, length: timedelta) -> Lease | None:
    """The lease, which `holder` has now, or None while another has it; one that is over is taken from whoever had it."""
    params = {"kept_in": kept_in, "row_id": row_id, "holder": holder, "length": length}
    found = session.scalar(_TAKE, params)
    return None if found is None else Lease(found)


def give_back_lease(session: Session, kept_in: str, row_id: int, holder: UUID) -> None:
    """Let the next one have it; of a lease that another took meanwhile, nothing happens."""
    session.execute(_GIVE_BACK, {"kept_in": kept_in, "row_id": row_id, "holder": holder})


def leave_lease(session: Session, kept_in: str, row_id: int, holder: UUID) -> None:
    """Let the next one have it, and find that what became of this one's call is not known."""
    session.execute(_LEAVE, {"kept_in": kept_in, "row_id": row_id, "holder": holder})
