"""Nobody reaches another's rows: each route of the application, asked by each of those who may not. A new route is asked by being there."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from api_stub.app import create_app
from core.local_stack.servers import Servers
from core.sandbox.run import Sandbox
from core.settings import Settings
from core.storage import FolderStorage
from db import api_keys
from db.base.accounts import UserRole, users
from db.base.companies import MemberRole, companies, company_memberships
from db.engine import Database
from db.permissions import AREAS, COMPANY_DEEDS
from pipelines.base import enqueue, find_pipelines
from testkit import Worker
from tests.conftest import cloned, opened
from tests.contract.matrix import NAMED, SECRET, WORDS, Asked, Rows, deed, everything, find_row, named, operations, write_rows

REFUSED = {403, 404}  # for who asks; what is refused for what was sent has not come as far as that
MISTAKEN = {400, 401, 405, 412, 413, 415, 422}
STRANGERS = ("bela", "mia")  # Bela runs another company, Mia is a member of Anna's: neither sees what Anna keeps to herself
ENTERING = (UserRole.PICKONE, UserRole.CREATIVE)  # who enter, together, what is not administrators' alone


@dataclasses.dataclass(frozen=True)
class Matrix:
    client: TestClient
    database: Database
    connection: Connection
    storage: FolderStorage
    rows: Rows
    keys: dict[str, str]
    asked: list[Asked]

    def ask(self, one: Asked, user: str, *, key: str | None = None):
        headers = {"Authorization": f"Bearer {key or self.keys[user]}", "Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
        sent = {**one.sent, "headers": headers | one.sent.get("headers", {})}
        return self.client.request(one.method, self.rows.url(one), follow_redirects=False, **sent)


@contextmanager
def built(stack: Servers, folder: Path, *, shares: bool) -> Iterator[Matrix]:
    """Anna's rows are her own or, where she shares, those of the company of hers that Mia is a member of."""
    storage = FolderStorage(folder / "storage")
    settings = Settings(local_mode=True, watch_owner="anna", redis_url="", coach_wait_seconds=0, _env_file=None)
    with cloned(stack) as url, opened(url) as database, database.engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        people = ("anna", *STRANGERS)
        connection.execute(users.insert(), [{"id": user, "email": f"{user}@example.com"} for user in people])
        connection.execute(companies.insert().values(name="B", owner_id="bela"))
        company = connection.scalar(companies.insert().values(name="A", owner_id="anna").returning(companies.c.id))
        connection.execute(company_memberships.insert().values(company_id=company, user_id="mia", role=MemberRole.MEMBER))
        rows = write_rows(connection, database, "anna", company if shares else None)
        with database.jobs() as session:
            keys = {user: api_keys.insert_api_key(session, user_id=user, name="matrix") for user in (*people, "anna")}
        app = create_app(database, storage, settings)
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            yield Matrix(client, database, connection, storage, rows, keys, list(operations(app)))


@pytest.fixture(scope="module")
def matrix(stack: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with built(stack, tmp_path_factory.mktemp("matrix"), shares=False) as made:
        yield made


@pytest.fixture
def shared(stack: Servers, tmp_path: Path) -> Iterator[Matrix]:
    with built(stack, tmp_path, shares=True) as made:
        yield made


def test_there_is_much_to_ask(matrix: Matrix):
    assert sum(one.names_a_row for one in matrix.asked) > 80
    assert len(matrix.asked) > 150


def test_every_part_of_every_path_names_a_row_that_is_there(matrix: Matrix):
    """A part that is new fails here, and so does one whose row is not there: refusals of those would prove nothing."""
    names = {(part, named(one, part)) for one in matrix.asked for part in one.parts if part not in WORDS}
    gone = [(part, name) for part, name in names if find_row(matrix.connection, name, matrix.rows.ids[name]) is None]
    assert gone == []
    assert {part for one in matrix.asked for part in one.parts} >= {*WORDS, *NAMED}


@pytest.mark.parametrize("role", ENTERING)
@pytest.mark.parametrize("user", STRANGERS)
def test_a_row_that_is_named_is_neither_told_nor_touched(matrix: Matrix, user: str, role: UserRole):
    matrix.connection.execute(users.update().where(users.c.id == user).values(role=role))
    before = everything(matrix.connection, matrix.rows)
    wrong = []
    for one in matrix.asked:
        if one.names_a_row:
            answer = matrix.ask(one, user)
            if answer.status_code not in REFUSED or SECRET in answer.text:
                wrong.append((one.name, answer.status_code, answer.text[:200]))
    assert "\n".join(map(str, wrong)) == ""
    assert everything(matrix.connection, matrix.rows) == before


@pytest.mark.parametrize("role", ENTERING)
@pytest.mark.parametrize("user", STRANGERS)
def test_no_list_and_no_page_tells_of_it(matrix: Matrix, user: str, role: UserRole):
    matrix.connection.execute(users.update().where(users.c.id == user).values(role=role))
    wrong = []
    for one in matrix.asked:
        if not one.names_a_row and one.method == "GET" and not one.streams:
            answer = matrix.ask(one, user)
            if SECRET in answer.text or answer.status_code >= 500:
                wrong.append((one.name, answer.status_code, answer.text[:200]))
    assert "\n".join(map(str, wrong)) == ""


def test_what_is_told_to_strangers_would_be_told_to_her(matrix: Matrix):
    """The same questions from Anna: a matrix that asks for rows which are not there proves nothing."""
    asked = [one for one in matrix.asked if one.method == "GET" and not one.streams]
    seen = [one.name for one in asked if SECRET in matrix.ask(one, "anna").text]
    assert len([name for name in seen if "{" in name]) >= 20
    assert len([name for name in seen if "{" not in name]) >= 15


def test_a_revoked_key_opens_nothing(matrix: Matrix):
    with matrix.database.jobs() as session:
        revoked = api_keys.insert_api_key(session, user_id="anna", name="revoked")
        newest = max(api_keys.list_api_keys(session), key=lambda key: key["created_at"])
        api_keys.revoke_api_key(session, newest["id"])
    asked = [one for one in matrix.asked if one.names_a_row or one.path.startswith(("/v1", "/api", "/ops"))]
    opened = [one.name for one in asked if matrix.ask(one, "anna", key=revoked).status_code < 400]
    assert opened == ["GET /api/clerk-config"]  # which is for everybody


@pytest.mark.parametrize("role", ENTERING)
def test_a_plain_member_does_what_members_may_and_no_more(shared: Matrix, role: UserRole):
    shared.connection.execute(users.update().where(users.c.id == "mia").values(role=role))
    asked = [one for one in shared.asked if one.names_a_row]
    allowed = [one for one in asked if deed(one) in COMPANY_DEEDS[MemberRole.MEMBER] and one.areas <= AREAS[role]]
    assert len(allowed) >= 40
    before = everything(shared.connection, shared.rows)
    wrong = []
    for one in asked:
        if one not in allowed:
            answer = shared.ask(one, "mia")
            if answer.status_code not in REFUSED or SECRET in answer.text:
                wrong.append((one.name, answer.status_code, answer.text[:200]))
    assert "\n".join(map(str, wrong)) == ""
    assert everything(shared.connection, shared.rows) == before
    for one in sorted(allowed, key=lambda one: one.method != "GET"):
        answer = shared.ask(one, "mia")
        if answer.status_code in REFUSED | MISTAKEN or answer.status_code >= 500:
            wrong.append((one.name, answer.status_code, answer.text[:200]))
    assert "\n".join(map(str, wrong)) == ""


def rows_of_the_product(matrix: Matrix) -> dict[str, list[str]]:
    """Without her job and its batch, which the worker ends too."""
    states = everything(matrix.connection, matrix.rows)
    return {name: rows for name, rows in states.items() if name not in {"jobs", "jobs.batches"}}


def test_a_worker_acting_for_another_owner_finds_nothing(matrix: Matrix, sandbox: Sandbox, tmp_path):
    before = rows_of_the_product(matrix)
    worker = Worker(matrix.database, matrix.storage, sandbox, tmp_path / "attempts")
    tried = 0
    for name, pipeline in find_pipelines().items():
        fields = {field.name: field for field in dataclasses.fields(pipeline.args)}
        needed = {field.name for field in fields.values() if field.default is field.default_factory is dataclasses.MISSING}
        args = {field: matrix.rows.ids[table] for field, table in NAMED.items() if field in needed}
        if not args or needed - set(args):
            continue
        tried += 1
        with matrix.database.tenant("bela") as session:
            job_id = enqueue(session, name, args, owner_id="bela")
        worker.drain()
        assert worker.job(job_id)["status"] != "succeeded", name
    assert tried >= 3
    assert rows_of_the_product(matrix) == before
