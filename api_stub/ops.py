"""/ops: what operators may do. The dashboard does nothing that is not here."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, User
from db import jobs, status, users
from db.engine import Database
from db.jobs import PauseKind

router = APIRouter(prefix="/ops", tags=["ops"])


def get_operator(user: User, database: DatabaseHere) -> str:
    """The id of the user who asks, who is an operator. Raises HTTP 403."""
    if not is_operator(database, user):
        raise HTTPException(403, "This is for operators: a superadmin can do it.")
    return user


def is_operator(database: Database, user: str) -> bool:
    """Whether this user may see and stop everybody's work."""
    with database.jobs() as session:
        return users.get_role(session, user) == "superadmin"


Operator = Annotated[str, Depends(get_operator)]


class NewPause(BaseModel):
    """What is to stand still, and why."""

    model_config = ConfigDict(extra="forbid")

    kind: PauseKind
    name: Annotated[str, Field(min_length=1, max_length=200)]
    drain: bool = False
    reason: Annotated[str | None, Field(max_length=500)] = None


@router.get("/queues")
def list_queues(operator: Operator, database: DatabaseHere) -> dict[str, Any]:  # noqa: ARG001  (asks who it is)
    """Every queue as it stands."""
    with database.jobs() as session:
        return {"items": status.list_queues(session)}


@router.get("/pauses")
def list_pauses(operator: Operator, database: DatabaseHere) -> dict[str, Any]:  # noqa: ARG001  (asks who it is)
    """Everything that stands still."""
    with database.jobs() as session:
        return {"items": jobs.list_pauses(session)}


@router.put("/pauses")
def put_pause(new: NewPause, operator: Operator, database: DatabaseHere) -> dict[str, Any]:
    """Let nothing of it start; with `drain`, nothing that has not begun."""
    with database.jobs() as session:
        jobs.pause(session, new.kind, new.name, paused_by=operator, reason=new.reason, drain=new.drain)
        return {"items": jobs.list_pauses(session)}


@router.delete("/pauses/{kind}/{name}", status_code=204)
def delete_pause(kind: PauseKind, name: str, operator: Operator, database: DatabaseHere) -> None:  # noqa: ARG001  (asks who it is)
    """Let it run again."""
    with database.jobs() as session:
        jobs.resume(session, kind, name)
