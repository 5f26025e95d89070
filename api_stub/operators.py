"""Which operators may enter which route: one dependency for each deed of `db.permissions`."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from starlette.exceptions import HTTPException

from api_stub.auth import DatabaseHere, User
from core.errors import Refused
from db import operators
from db.engine import Database
from db.permissions import OPERATOR_DEEDS, OperatorDeed, OperatorRole, require_operator_deed


def may(deed: OperatorDeed) -> Callable[[str, Database], str]:
    """A dependency: the id of the user who asks, an operator who may do this. It raises HTTP 403 for others."""

    def enter(user: User, database: DatabaseHere) -> str:
        try:
            require_operator_deed(find_role(database, user), deed)
        except Refused as error:
            raise HTTPException(403, str(error)) from error
        return user

    return enter


def find_role(database: Database, user: str) -> OperatorRole | None:
    """What this user is on the platform."""
    with database.jobs() as session:
        return operators.find_role(session, user)


def find_deeds(user: User, database: DatabaseHere) -> frozenset[OperatorDeed]:
    """All that the user who asks may do as an operator; nothing for who is none."""
    role = find_role(database, user)
    return OPERATOR_DEEDS[role] if role else frozenset()


Watcher = Annotated[str, Depends(may(OperatorDeed.WATCH))]
Mender = Annotated[str, Depends(may(OperatorDeed.MEND))]
Configurer = Annotated[str, Depends(may(OperatorDeed.CONFIGURE))]
ActionReader = Annotated[str, Depends(may(OperatorDeed.READ_ACTIONS))]
Deeds = Annotated[frozenset[OperatorDeed], Depends(find_deeds)]
