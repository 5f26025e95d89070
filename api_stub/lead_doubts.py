"""/v1/business-leads/{id}/could-be: leads that may be one business, and whether they are, as a person says."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from api_stub.auth import Asker, DatabaseHere, in_area
from api_stub.contract import LARGEST_ID
from db.leads import doubts
from db.permissions import Area

router = APIRouter(prefix="/v1/business-leads/{row_id}/could-be", tags=["business leads"])
_Asker = Annotated[Asker, Depends(in_area(Area.LEADS))]
_Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]


class Decision(StrEnum):
    """What two leads are."""

    DIFFERENT = "different"
    SAME = "same"


class Decided(BaseModel):
    """What a person says of two leads."""

    decision: Decision


class OtherLead(BaseModel):
    """By what a person tells it from the lead in the address."""

    id: int
    title: str
    address: str | None
    city: str | None
    phone: str | None
    website: str | None


@router.get("")
def list_doubts(row_id: _Id, asker: _Asker, database: DatabaseHere) -> list[OtherLead]:
    """The leads that this one could be, nearly as surely as itself."""
    with database.tenant(asker.id) as session:
        return [OtherLead.model_validate(dict(row)) for row in doubts.list_doubts(session, row_id)]


@router.post("/{other_id}", status_code=204)
def decide(row_id: _Id, other_id: _Id, decided: Decided, asker: _Asker, database: DatabaseHere) -> None:
    """`same`: the other goes, and what it told or people have set of it is this one's; `different`: never asked again."""
    with database.tenant(asker.id) as session:
        if decided.decision is Decision.SAME:
            doubts.merge(session, row_id, other_id)
        else:
            doubts.tell_apart(session, row_id, other_id)
