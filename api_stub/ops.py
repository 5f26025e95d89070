"""/ops: what operators may do. The dashboard does nothing that is not here."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field

from api_stub.auth import DatabaseHere
from api_stub.operators import ActionReader, Configurer, Mender, may
from db import attention, jobs, operators, status, workers
from db.jobs import Scope
from db.operators import list_actions, record_action
from db.permissions import OperatorDeed, OperatorRole

router = APIRouter(prefix="/ops", tags=["ops"], dependencies=[Depends(may(OperatorDeed.WATCH))])


class NewPause(BaseModel):
    """What is to stand still, and why."""

    model_config = ConfigDict(extra="forbid")

    kind: Scope
    name: Annotated[str, Field(min_length=1, max_length=200)]
    drain: bool = False
    reason: Annotated[str | None, Field(max_length=500)] = None


@router.get("/queues")
def list_queues(database: DatabaseHere) -> dict[str, Any]:
    """Every queue as it stands."""
    with database.jobs() as session:
        return {"items": status.list_queues(session)}


class NewPromise(BaseModel):
    """How old the oldest step of a queue may get before operators are told."""

    model_config = ConfigDict(extra="forbid")

    promise_seconds: Annotated[int, Field(ge=1, le=7 * 86400)]


@router.put("/queues/{name}")
def put_promise(name: str, new: NewPromise, operator: Configurer, database: DatabaseHere) -> dict[str, Any]:
    """Change a queue's promise. Raises NotFound."""
    with database.jobs() as session:
        status.set_promise(session, name, new.promise_seconds)
        record_action(session, operator, "set_promise", f"queue {name}", new.model_dump())
        return {"items": status.list_queues(session)}


@router.get("/workers")
def list_workers(database: DatabaseHere) -> dict[str, Any]:
    """Every worker process that beat within a minute, with what it is at."""
    with database.jobs() as session:
        return {"items": workers.list_workers(session)}


@router.get("/attention")
def list_attention(database: DatabaseHere) -> dict[str, Any]:
    """What needs a person now, the worst first."""
    with database.jobs() as session:
        return {"items": attention.list_attention(session, status.list_queues(session))}


class NewOperator(BaseModel):
    """What a user is on the platform; null: no operator any more."""

    model_config = ConfigDict(extra="forbid")

    role: OperatorRole | None


@router.get("/operators")
def list_operators(_operator: Configurer, database: DatabaseHere) -> dict[str, Any]:
    """Who has a role; superadmins of the product are admins without one."""
    with database.jobs() as session:
        return {"items": [dict(row) for row in operators.list_operators(session)]}


@router.put("/operators/{user_id}")
def put_operator(user_id: str, new: NewOperator, operator: Configurer, database: DatabaseHere) -> dict[str, Any]:
    """Make a user an operator, or none. Raises NotFound."""
    with database.jobs() as session:
        operators.set_role(session, user_id, new.role, added_by=operator)
        record_action(session, operator, "set_operator", user_id, new.model_dump(mode="json"))
        return {"items": [dict(row) for row in operators.list_operators(session)]}


@router.get("/pauses")
def list_pauses(database: DatabaseHere) -> dict[str, Any]:
    """Everything that stands still."""
    with database.jobs() as session:
        return {"items": jobs.list_pauses(session)}


@router.put("/pauses")
def put_pause(new: NewPause, operator: Mender, database: DatabaseHere) -> dict[str, Any]:
    """Let nothing of it start; with `drain`, nothing that has not begun."""
    with database.jobs() as session:
        jobs.pause(session, new.kind, new.name, paused_by=operator, reason=new.reason, drain=new.drain)
        record_action(session, operator, "pause", f"{new.kind} {new.name}", {"drain": new.drain, "reason": new.reason})
        return {"items": jobs.list_pauses(session)}


@router.delete("/pauses/{kind}/{name}", status_code=204)
def delete_pause(kind: Scope, name: str, operator: Mender, database: DatabaseHere) -> None:
    """Let it run again."""
    with database.jobs() as session:
        jobs.resume(session, kind, name)
        record_action(session, operator, "resume", f"{kind} {name}")


class NewLimit(BaseModel):
    """How many steps of it may run at once; null takes the limit away."""

    model_config = ConfigDict(extra="forbid")

    kind: Scope
    name: Annotated[str, Field(min_length=1, max_length=200, description="`*`: each that has no limit of its own.")]
    most: Annotated[int | None, Field(ge=0, le=10_000)]


@router.get("/limits")
def list_limits(database: DatabaseHere) -> dict[str, Any]:
    """Every limit, and every owner's weight that is not 1."""
    with database.jobs() as session:
        return {"items": jobs.list_limits(session), "weights": jobs.list_weights(session)}


@router.put("/limits")
def put_limit(new: NewLimit, operator: Configurer, database: DatabaseHere) -> dict[str, Any]:
    """Hold from now on; what runs already is left alone."""
    with database.jobs() as session:
        jobs.set_limit(session, new.kind, new.name, new.most)
        record_action(session, operator, "set_limit", f"{new.kind} {new.name}", {"most": new.most})
        return {"items": jobs.list_limits(session)}


@router.put("/weights/{owner_id}")
def put_weight(
    owner_id: str,
    operator: Configurer,
    database: DatabaseHere,
    weight: Annotated[float, Body(embed=True, ge=jobs.LIGHTEST, le=jobs.HEAVIEST)],
) -> dict[str, Any]:
    """Share time with this owner as with so many."""
    with database.jobs() as session:
        jobs.set_weight(session, owner_id, weight)
        record_action(session, operator, "set_weight", owner_id, {"weight": weight})
        return {"weights": jobs.list_weights(session)}


@router.get("/jobs/{job_id}/evidence")
def list_evidence(job_id: UUID, _operator: Mender, database: DatabaseHere) -> dict[str, Any]:
    """How attempts of any owner's job ended: signal, peak memory, last progress, the end of standard error."""
    with database.jobs() as session:
        status.get_job(session, job_id)
        return {"items": [dict(row) for row in status.list_evidence(session, job_id)]}


@router.get("/jobs/{job_id}/effects")
def list_effects(job_id: UUID, database: DatabaseHere) -> dict[str, Any]:
    """What any owner's job did on the outside, or meant to do."""
    with database.jobs() as session:
        status.get_job(session, job_id)
        return {"items": [dict(row) for row in jobs.list_effects(session, job_id)]}


@router.get("/actions")
def get_actions(_operator: ActionReader, database: DatabaseHere) -> dict[str, Any]:
    """What operators did lately, the newest first."""
    with database.jobs() as session:
        return {"items": [dict(row) for row in list_actions(session)]}


@router.get("/retention")
def show_retention(database: DatabaseHere) -> dict[str, Any]:
    """Jobs that ended and are not archived yet, and the months of the archive with their bytes."""
    with database.jobs() as session:
        return {
            "ended": [dict(row) for row in jobs.list_ended(session)],
            "months": [dict(row) for row in jobs.list_months(session)],
        }
