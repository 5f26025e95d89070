"""A walk over every route of the application on a database that was adopted, as somebody who had rows in it."""

import dataclasses
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Table, select

from api_stub.app import create_app
from api_stub.resources import RESOURCES
from core.settings import Settings
from core.storage import FolderStorage
from db import api_keys
from db.base import metadata
from db.base.accounts import users
from db.base.companies import company_memberships
from db.engine import Database
from db.schema.names import COLUMNS
from tests.contract.matrix import NAMED, WORDS, Asked, Rows, named, operations, write_rows
from tests.db.rows import TABLES

OWNER = "user_000007"
SEGMENTS = [
    {
        "id": "1",
        "startTime": "00:00:01",
        "endTime": "00:00:02",
        "category": "other",
        "severity": "low",
        "reason": "a name",
        "confidence": 0.5,
        "resolutionStatus": "pending",
    }
]
_KEPT_BY_US = {"updated_at": "", "edited_fields": []}
_ORDER = {"GET": 0, "POST": 1, "PATCH": 2, "PUT": 2, "DELETE": 3}
_AGE = {table.name: age for age, table in enumerate(metadata.sorted_tables)}  # parents before what refers to them
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
WITHOUT_ZONE = re.compile(r'"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?"')


@dataclass(frozen=True)
class Adopted:
    client: TestClient
    connection: Connection
    rows: Rows
    earlier: dict[str, int]  # the key of a row of the owner's that was there before, by table
    asked: list[Asked]

    def ask(self, one: Asked):
        """Its answer; whatever it did, who asks next may do everything again."""
        sent = {kind: self._with_ids(value) for kind, value in one.sent.items()}
        answer = self.client.request(one.method, self.rows.url(one), follow_redirects=False, **sent)
        if one.method != "GET":
            _may_do_everything(self.connection)
        return answer

    def _with_ids(self, body: Any) -> Any:
        """What is sent, naming rows that are there."""
        if not isinstance(body, dict):
            return body
        return {key: self._id_of(key) or value if isinstance(value, int) else value for key, value in body.items()}

    def _id_of(self, key: str) -> Any:
        column = _WORD.sub("_", key).lower()
        return self.rows.ids.get(NAMED.get(COLUMNS.get(column, column), ""))


def write_segments(url: str) -> None:
    """Findings as earlier front ends wrote them, in every check."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as earlier:
        earlier.execute("UPDATE confidentiality_checks SET segments = %s", (json.dumps(SEGMENTS),))


@contextmanager
def served(database: Database, storage: FolderStorage) -> Iterator[Adopted]:
    """The application on this database, asked by its owner, who has got a row of every table besides those that were there."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _may_do_everything(connection)
        earlier = {name: key for name, table in TABLES.items() if (key := _find_row(connection, table)) is not None}
        new = write_rows(connection, database, OWNER)
        rows = dataclasses.replace(new, ids={**new.ids, **earlier})
        with database.jobs() as session:
            key = api_keys.insert_api_key(session, user_id=OWNER, name="adopted")
        settings = Settings(local_mode=True, watch_owner=OWNER, redis_url="", coach_wait_seconds=0, _env_file=None)
        app = create_app(database, storage, settings)
        asked = [one for one in operations(app) if not one.streams and one.path != "/ops/schema"]
        with TestClient(app, base_url="http://127.0.0.1:8000", headers={"Authorization": f"Bearer {key}"}) as client:
            yield Adopted(client, connection, rows, earlier, asked)


def _may_do_everything(connection: Connection) -> None:
    connection.execute(users.update().where(users.c.id == OWNER).values(role="superadmin"))


def _find_row(connection: Connection, table: Table) -> int | None:
    owner = next((name for name in ("user_id", "owner_id") if name in table.columns), None)
    if owner is None or "id" not in table.columns or table is company_memberships:
        return None
    found: int | None = connection.scalar(select(table.c.id).where(table.c[owner] == OWNER))
    return found


def check_that_what_was_there_is_listed_and_read_with_the_zone_of_its_times(adopted: Adopted) -> None:
    offered = [one for one in RESOURCES if one.table.name in adopted.earlier]
    assert len(offered) >= 11
    for one in offered:
        key = adopted.earlier[one.table.name]
        listed = adopted.client.get(one.path)
        read = adopted.client.get(f"{one.path}/{key}")
        assert (listed.status_code, read.status_code) == (200, 200), (one.path, listed.text, read.text)
        assert read.json() in listed.json()["items"], one.path
        assert not WITHOUT_ZONE.search(read.text), (one.path, read.text)


def check_that_what_was_there_is_changed_to_what_it_is(adopted: Adopted) -> None:
    """Rows as earlier front ends wrote them are sent back whole."""
    for one in RESOURCES:
        if one.changed and one.table.name in adopted.earlier.keys() - {"leads_search_schedules"}:  # its numbers are no days
            at = f"{one.path}/{adopted.earlier[one.table.name]}"
            row = adopted.client.get(at).json()
            answer = adopted.client.patch(at, json={name: row[name] for name in one.changed if None not in _items(row[name])})
            assert answer.status_code == 200, (at, answer.text)
            assert {**answer.json(), **_KEPT_BY_US} == {**row, **_KEPT_BY_US}


def _items(value: object) -> list[object]:
    """A list with gaps is read as it is, and not written again."""
    return value if isinstance(value, list) else []


def check_that_no_route_meets_what_it_does_not_know(adopted: Adopted) -> dict[str, int]:
    """Returns the status that each answers."""
    wrong, statuses = [], {}
    for one in sorted(adopted.asked, key=_turn):
        answer = adopted.ask(one)
        statuses[one.name] = answer.status_code
        if answer.status_code in {500, 502, 504} or (one.path.startswith("/v1") and WITHOUT_ZONE.search(answer.text)):
            wrong.append((one.name, answer.status_code, answer.text[:300]))
    assert wrong == [], wrong
    return statuses


def _turn(one: Asked) -> tuple[int, int]:
    """Reads first, then everything else, and what removes last: children before their parents, which take them along."""
    removes = one.method == "DELETE" or one.path.endswith("/delete")
    last = one.parts[-1:] if removes else []
    return _ORDER["DELETE" if removes else one.method], -max(
        (_AGE.get(named(one, part), 0) for part in last if part not in WORDS), default=0
    )
