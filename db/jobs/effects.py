"""The ledger of effects: what steps do on the outside is written here before it is done, so that a crash cannot hide it.

intended → made (it answered) | failed (it was refused, and did not happen) | unknown (nobody knows: look there first).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from core.errors import Snoozed
from db.jobs.leases import list_running_claims
from db.jobs.words import Claim

_LOOK_AGAIN = timedelta(seconds=5)


class EffectStatus(StrEnum):
    """Of an effect, as far as this ledger knows."""

    INTENDED = "intended"
    MADE = "made"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect, named by its owner, its kind and a key that is the same for every attempt at it."""

    owner_id: str
    kind: str
    key: str
    status: EffectStatus
    response: Any


_INTEND = text("""
INSERT INTO jobs.effects (owner_id, kind, key, status, job_id, step, claim_id, request)
VALUES (:owner_id, :kind, :key, 'intended', :job_id, :step, :claim_id, :request)
ON CONFLICT DO NOTHING RETURNING 1
""").bindparams(bindparam("request", type_=JSONB(none_as_null=True)))
_NAMED = "WHERE owner_id = :owner_id AND kind = :kind AND key = :key"
_LOOK = text(f"SELECT status, claim_id, response FROM jobs.effects {_NAMED} FOR UPDATE")  # noqa: S608  (a constant)
_TAKE_OVER = text(f"""
UPDATE jobs.effects SET status = :status, job_id = :job_id, step = :step, claim_id = :claim_id, error = NULL,
    intended_at = now(), settled_at = NULL {_NAMED}
""")  # noqa: S608  (a constant)
_SETTLE = text(f"""
UPDATE jobs.effects SET status = :status, response = :response, error = :error, settled_at = now()
{_NAMED} AND claim_id = :claim_id AND status <> 'made' RETURNING 1
""").bindparams(bindparam("response", type_=JSONB(none_as_null=True)))  # noqa: S608  (a constant)


def intend(session: Session, held: Claim, kind: str, key: str, *, request: Mapping[str, object] | None) -> Effect:
    """Write down what is about to be done, or tell what is known of it; `holds` was true in this transaction.

    `intended`: do it now. `made`: do nothing, its answer is there. `unknown`: an attempt was lost between call and answer, so
    look there, then `intend_again`. Raises Snoozed while another step that runs is at it.
    """
    named = {"owner_id": held.owner_id, "kind": kind, "key": key}
    claimed = {**named, "job_id": held.job_id, "step": held.step, "claim_id": held.claim_id}
    if session.execute(_INTEND, {**claimed, "request": dict(request) if request is not None else None}).first() is not None:
        return Effect(**named, status=EffectStatus.INTENDED, response=None)
    row = session.execute(_LOOK, named).one()
    if row.status == EffectStatus.MADE:
        return Effect(**named, status=EffectStatus.MADE, response=row.response)
    if row.claim_id != held.claim_id and list_running_claims(session, [row.claim_id]):
        raise Snoozed(f"another step is making {kind} {key}", delay=_LOOK_AGAIN)
    status = EffectStatus.INTENDED if row.status == EffectStatus.FAILED else EffectStatus.UNKNOWN
    session.execute(_TAKE_OVER, {**claimed, "status": status})
    return Effect(**named, status=status, response=None)


def intend_again(session: Session, held: Claim, effect: Effect) -> None:
    """It was looked for and did not happen: it is about to be done. `holds` was true in this transaction."""
    claimed = {"job_id": held.job_id, "step": held.step, "claim_id": held.claim_id, "status": EffectStatus.INTENDED}
    session.execute(_TAKE_OVER, {**_name(effect), **claimed})


def settle_effect(
    session: Session,
    claim_id: UUID,
    effect: Effect,
    status: EffectStatus,
    *,
    response: object = None,
    error: str | None = None,
) -> bool:
    """Keep how it went. False when another attempt has taken it over: what that one finds there counts."""
    written = {"claim_id": claim_id, "status": status, "response": response, "error": error}
    return session.execute(_SETTLE, {**_name(effect), **written}).first() is not None


def _name(effect: Effect) -> dict[str, object]:
    return {"owner_id": effect.owner_id, "kind": effect.kind, "key": effect.key}


def list_effects(session: Session, job_id: UUID) -> list[RowMapping]:
    """What this job did on the outside, oldest first."""
    statement = text("""
        SELECT kind, key, status, step, request, response, error, intended_at, settled_at FROM jobs.effects
        WHERE job_id = :job_id ORDER BY intended_at, kind, key
    """)
    return list(session.execute(statement, {"job_id": job_id}).mappings())
