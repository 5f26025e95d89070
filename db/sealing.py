"""Tokens that are kept sealed under an older key, or as an earlier product kept them, in clear: sealed with the newest key."""

from dataclasses import dataclass

from sqlalchemy import Table, select

from core.crypto import KeyRing
from core.errors import Misconfigured, Permanent
from db import connections
from db.base.connections import cloud_connections, user_social_accounts
from db.engine import Database

_TABLES = (cloud_connections, user_social_accounts)
_BATCH = 100  # rows whose owners are asked for at once; each row is a transaction of its own


@dataclass(frozen=True, slots=True)
class Sealed:
    """How many tokens were sealed, and why some could not be opened: one sentence each."""

    tokens: int
    unopened: tuple[str, ...]


def seal_tokens(database: Database, ring: KeyRing) -> Sealed:
    """Let every token be sealed with the newest key of the ring.

    May be ended anywhere and run again: what is sealed with that key is left alone. Renewals may go on meanwhile.
    """
    tokens, unopened = 0, []
    for of in _TABLES:
        after = 0
        while batch := _list_owners(database, of, after):
            for connection_id, user_id in batch:
                try:
                    with database.tenant(user_id) as session:
                        tokens += connections.seal_anew(session, ring, connection_id, of)
                except (Misconfigured, Permanent) as error:
                    unopened.append(str(error))
            after = batch[-1][0]
    return Sealed(tokens, tuple(unopened))


def _list_owners(database: Database, of: Table, after: int) -> list[tuple[int, str]]:
    statement = select(of.c.id, of.c.user_id).where(of.c.id > after).order_by(of.c.id).limit(_BATCH)
    with database.jobs() as session:
        return [(row.id, row.user_id) for row in session.execute(statement)]
