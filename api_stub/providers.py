"""/ops/providers and /ops/budgets: what is called on the outside, held back or let go by hand, and what it may cost."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from api_stub.auth import DatabaseHere
from api_stub.operators import Configurer, Mender, may
from db import jobs, providers
from db.engine import Database
from db.operators import record_action
from db.permissions import OperatorDeed

router = APIRouter(prefix="/ops", tags=["ops"], dependencies=[Depends(may(OperatorDeed.WATCH))])
Name = Annotated[str, Field(min_length=1, max_length=200)]


@router.get("/providers")
def list_providers(database: DatabaseHere) -> dict[str, Any]:
    """Every provider with its work, its limit, its breakers and its budgets."""
    with database.jobs() as session:
        return {"items": providers.list_providers(session)}


class NewBreaker(BaseModel):
    """For how long a provider is left alone, and why; with an owner, by that owner's work only."""

    model_config = ConfigDict(extra="forbid")

    seconds: Annotated[int, Field(ge=1, le=31 * 86400)]
    owner_id: Name | None = None
    reason: Annotated[str | None, Field(max_length=500)] = None


@router.put("/providers/{provider}/breaker")
def put_breaker(provider: Name, new: NewBreaker, operator: Mender, database: DatabaseHere) -> dict[str, Any]:
    """Let nothing that calls it start for so long; what runs goes on."""
    with database.jobs() as session:
        open_for = timedelta(seconds=new.seconds)
        jobs.open_breaker(session, provider, owner_id=new.owner_id, open_for=open_for, opened_by=operator, reason=new.reason)
        record_action(session, operator, "open_breaker", provider, new.model_dump())
        return {"items": jobs.list_breakers(session)}


@router.delete("/providers/{provider}/breaker", status_code=204)
def delete_breaker(
    provider: str, operator: Mender, database: DatabaseHere, owner_id: Annotated[str | None, Query()] = None
) -> None:
    """Let its work go on now, as after a success."""
    close_breaker(database, operator, provider, owner_id=owner_id)


def close_breaker(database: Database, operator: str, provider: str, *, owner_id: str | None) -> None:
    """Let a provider's work go on, and keep who said so. Raises NotFound."""
    with database.jobs() as session:
        jobs.close_breaker(session, provider, owner_id=owner_id)
        record_action(session, operator, "close_breaker", provider, {"owner_id": owner_id})


class NewBudget(BaseModel):
    """What all workers together may spend; null takes the budget away."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(
            max_length=200, pattern=r"^[^.]+(\.[^.]+)?$", description="A provider, or `provider.call` for calls counted apart."
        ),
    ]
    per: jobs.Per
    units: Annotated[int | None, Field(ge=0, le=10**15)]
    zone: Annotated[str, Field(max_length=100, description="By whose clock a day or a month ends.")] = "UTC"


@router.get("/budgets")
def list_budgets(database: DatabaseHere) -> dict[str, Any]:
    """Every budget, with what is spent of it and when it starts anew."""
    with database.jobs() as session:
        return {"items": jobs.list_budgets(session)}


@router.put("/budgets")
def put_budget(new: NewBudget, operator: Configurer, database: DatabaseHere) -> dict[str, Any]:
    """Hold from now on; steps that wait for more units look again."""
    with database.jobs() as session:
        jobs.set_budget(session, new.name, new.per, new.units, zone=new.zone)
        record_action(session, operator, "set_budget", new.name, new.model_dump(mode="json"))
        return {"items": jobs.list_budgets(session)}
