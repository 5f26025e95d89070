"""/v1/api-keys: one's own keys, for programs. Two of a name may be good at once, so that one can be changed for another."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api_stub.auth import DatabaseHere, User
from db import api_keys

router = APIRouter(prefix="/v1/api-keys", tags=["sign-in"])


class NewKey(BaseModel):
    """What it is for, what it opens, and until when."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    scope: api_keys.Scope = api_keys.Scope.WRITE
    expires_at: AwareDatetime | None = None


class MadeKey(BaseModel):
    """The key, this once."""

    key: str


class KeyShown(BaseModel):
    """A key by its first characters."""

    id: UUID
    name: str
    hint: str
    scope: api_keys.Scope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@router.get("")
def list_keys(user: User, database: DatabaseHere) -> dict[str, list[KeyShown]]:
    """One's own, oldest first, revoked ones too."""
    with database.jobs() as session:
        rows: list[Any] = list(api_keys.list_api_keys(session, user_id=user))
    return {"items": [KeyShown.model_validate(dict(row)) for row in rows]}


@router.post("", status_code=201)
def create_key(new: NewKey, user: User, database: DatabaseHere) -> MadeKey:
    """Make a key that acts as oneself."""
    with database.jobs() as session:
        made = api_keys.insert_api_key(session, user_id=user, name=new.name, scope=new.scope, expires_at=new.expires_at)
    return MadeKey(key=made)


@router.delete("/{key_id}", status_code=204)
def revoke_key(key_id: UUID, user: User, database: DatabaseHere) -> None:
    """Let it open nothing from now on."""
    with database.jobs() as session:
        api_keys.revoke_api_key(session, key_id, user_id=user)
