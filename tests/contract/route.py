"""What a row of the contract says of one route, and the world in which its test asks it."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import Connection, RowMapping, Table, select

from core.signatures import read_secret, sign
from core.storage import Storage
from db.base.accounts import UserRole, users
from db.engine import Database
from tests.db.rows import insert_row

Arguments = Mapping[str, Any]
Who = frozenset[UserRole]

SIGNED_IN = frozenset(UserRole)
ADMINS = frozenset({UserRole.SUPERADMIN, UserRole.ADMIN})
SUPERADMINS = frozenset({UserRole.SUPERADMIN})
PUBLISHERS = ADMINS | {UserRole.CREATIVE}
WORKBOOK = frozenset({UserRole.PICKONE, UserRole.SUPERADMIN})  # the local owner is a superadmin, and has a workbook
CALLBACK_SECRET = "whsec_" + base64.b64encode(b"c" * 32).decode()
NOBODY: Who = frozenset()  # open: nobody is asked who they are


def keys(words: str) -> frozenset[str]:
    """Names, as words of a text."""
    return frozenset(words.split())


@dataclass(frozen=True)
class World:
    """One application over one database. `connection` writes past every policy; `client` has no key of its own."""

    client: httpx.Client
    connection: Connection
    database: Database
    storage: Storage
    keys: Mapping[UserRole, str]  # API keys of one user for each role, whose id is `user(role)`

    def user(self, role: UserRole) -> str:
        """The id of the user who has this role."""
        return f"the-{role}"

    def bearer(self, role: UserRole) -> dict[str, str]:
        """Headers that sign this role's user in."""
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def insert(self, table: Table, owner: str, **given: object) -> Any:
        """The key of a new row of this owner's."""
        return insert_row(self.connection, table, owner, **given)

    def new_user(self, role: UserRole, **given: object) -> str:
        """The id of another user."""
        return str(self.insert(users, "", role=role, **given))

    def list_users(self) -> list[str]:
        """The ids of all users."""
        return list(self.connection.scalars(select(users.c.id)))

    def row(self, table: Table, key: object) -> RowMapping:
        """A row as the database has it now."""
        column = next(iter(table.primary_key))
        return self.connection.execute(select(table).where(column == key)).mappings().one()


@dataclass(frozen=True, kw_only=True)
class Route:
    """One route of the contract. `path` is the application's own, with /api and its names in braces.

    `arrange` makes what the route needs for this owner and returns what goes into the path; other words of it may be used in `body`
    (a document, or what makes one of these arguments), and a word `query` goes behind the path.
    """

    method: str
    path: str
    who: Who = SIGNED_IN
    arrange: Callable[[World, str], Arguments] = lambda _world, _owner: {}
    body: Any = None
    form: Callable[[], Mapping[str, Any]] | None = None  # files, instead of a body
    is_signed: bool = False  # its body is signed by an external workflow
    success: int = 200
    keys: frozenset[str] | None = None  # exactly these in the answer, or in each of its items; None: it is no document
    a_list: bool = False
    also: Callable[[World, Arguments, httpx.Response], object] | None = None  # asserts what else holds then
    others: int | None = None  # the answer where the row is another's
    bad: tuple[tuple[Any, int], ...] = ()  # bodies that are refused, each with its status
    refusals: tuple[tuple[Callable[[World, str], Arguments], int], ...] = field(default=())  # arrangements that are refused

    @property
    def name(self) -> str:
        """For the test's name."""
        return f"{self.method} {self.path}"

    def sent(self, arguments: Arguments) -> dict[str, Any]:
        """What a good request carries."""
        if self.form is not None:
            return {"files": dict(self.form())}
        body = self.body(arguments) if callable(self.body) else self.body
        return {} if body is None else self.carried(body)

    def carried(self, body: Any) -> dict[str, Any]:
        """How this route's bodies go, those that are refused too; bytes as they are."""
        if not self.is_signed:
            return {"content": body} if isinstance(body, bytes) else {"json": body}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = sign(read_secret(CALLBACK_SECRET, ""), uuid4().hex, content, now=time.time())
        return {"content": content, "headers": {"Content-Type": "application/json", **headers}}

    def url(self, arguments: Arguments) -> str:
        """The path with its arguments in it."""
        return self.path.format_map(arguments) + str(arguments.get("query", ""))
