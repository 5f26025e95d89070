"""Every route works on a database of each earlier generation that was adopted, for somebody who has rows in it."""

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Table, select

from api_stub.app import create_app
from api_stub.resources import RESOURCES
from core.local_stack.servers import Servers
from core.settings import Settings
from core.storage import FolderStorage
from db import api_keys, migrations
from db.base.accounts import users
from db.base.companies import company_memberships
from db.engine import Database
from db.schema.adopt import Adoption
from db.schema.scratch import scratch_database
from tests.conftest import admin_url, opened
from tests.contract.matrix import Asked, Rows, operations, write_rows
from tests.db.rows import TABLES
from tests.db.schema.generations import build

OWNER = "user_000007"
GENERATIONS = ("production with checks", "replit", "older names")  # of 18 tables, 28, and 30
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
WITHOUT_ZONE = re.compile(r'"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?"')


@dataclass(frozen=True)
class Adopted:
    client: TestClient
    connection: Connection
    rows: Rows
    earlier: dict[str, int]  # the key of a row of the owner's that was there before, by table
    asked: list[Asked]

    def ask(self, one: Asked):
        body = {} if one.body is None else {"json": one.body}
        return self.client.request(one.method, self.rows.url(one), follow_redirects=False, **body)


@pytest.fixture(params=GENERATIONS)
def adopted(request: pytest.FixtureRequest, stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    folder = tmp_path_factory.mktemp("adopted")
    with scratch_database(admin_url(stack)) as url:
        build(url, request.param, rows=20)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as earlier:
            earlier.execute("UPDATE confidentiality_checks SET segments = %s", (json.dumps(SEGMENTS),))
        Adoption(url, admin_url(stack), folder / "backups", say=lambda _words: None).run()
        migrations.upgrade(url)
        with opened(url) as database, database.engine.connect() as plain:
            yield from _served(
                database, plain.execution_options(isolation_level="AUTOCOMMIT"), FolderStorage(folder / "storage")
            )


def _served(database: Database, connection: Connection, storage: FolderStorage) -> Iterator[Adopted]:
    connection.execute(users.update().where(users.c.id == OWNER).values(role="superadmin"))
    earlier = {name: key for name, table in TABLES.items() if (key := _find_row(connection, table)) is not None}
    new = write_rows(connection, database, OWNER)
    rows = dataclasses.replace(new, ids={**new.ids, **earlier})
    with database.jobs() as session:
        key = api_keys.insert_api_key(session, user_id=OWNER, name="adopted")
    settings = Settings(local_mode=True, watch_owner=OWNER, redis_url="", coach_wait_seconds=0, _env_file=None)
    app = create_app(database, storage, settings)
    with TestClient(app, base_url="http://127.0.0.1:8000", headers={"Authorization": f"Bearer {key}"}) as client:
        yield Adopted(
            client, connection, rows, earlier, [one for one in operations(app) if not one.streams and one.path != "/ops/schema"]
        )


def _find_row(connection: Connection, table: Table) -> int | None:
    owner = next((name for name in ("user_id", "owner_id") if name in table.columns), None)
    if owner is None or "id" not in table.columns or table is company_memberships:
        return None
    found: int | None = connection.scalar(select(table.c.id).where(table.c[owner] == OWNER))
    return found


def test_every_route_works_on_it(adopted: Adopted):
    check_that_what_was_there_is_listed_and_read_with_the_zone_of_its_times(adopted)
    check_that_what_was_there_is_changed_to_what_it_is(adopted)
    check_that_no_route_meets_what_it_does_not_know(adopted)  # the last: it removes, too


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


def check_that_no_route_meets_what_it_does_not_know(adopted: Adopted) -> None:
    """Reads first, then everything else, and what removes last."""
    order = {"GET": 0, "POST": 1, "PATCH": 2, "PUT": 2, "DELETE": 3}
    wrong, found = [], 0
    for one in sorted(adopted.asked, key=lambda one: order[one.method]):
        answer = adopted.ask(one)
        found += answer.status_code < 300
        if answer.status_code in {500, 502, 504} or (one.path.startswith("/v1") and WITHOUT_ZONE.search(answer.text)):
            wrong.append((one.name, answer.status_code, answer.text[:300]))
    assert wrong == []
    assert found > 150
