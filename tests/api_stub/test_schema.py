import subprocess
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from api_stub import schema
from core.local_stack.programs import find_postgres
from tests.api_stub.conftest import bearer, is_problem

DUMP = "CREATE TABLE public.users (id varchar PRIMARY KEY);\nCREATE TABLE public.pets (id int);\n"


def dump_of(url: str) -> str:
    argv = [find_postgres() / "pg_dump", "--dbname", url.replace("+psycopg", "")]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_a_database_that_was_migrated_is_what_the_models_are(client: TestClient):
    found = client.get("/ops/schema").json()
    assert (found["first"], found["second"]) == ("this database", "models")
    assert "videos" in found["in_both"]
    assert (found["only_in_first"], found["only_in_second"], found["differences"]) == ([], [], {})


@pytest.mark.parametrize("against", ["models", "here"])
def test_a_dump_is_compared(client: TestClient, against: str):
    found = client.post(f"/ops/schema?against={against}", content=DUMP).json()
    assert (found["in_both"], found["only_in_first"]) == (["users"], ["pets"])
    missing = {
        "what": "column",
        "name": "role",
        "first": None,
        "second": "character varying default 'user'::character varying not null",
    }
    assert missing in found["differences"]["users"]


def test_a_dump_of_this_database_is_no_different(client: TestClient, database_url: str):
    assert client.post("/ops/schema?against=here", content=dump_of(database_url)).json()["differences"] == {}


@pytest.mark.parametrize("dump", ["", "\\! id\n", "CREATE TABLE a (b text DEFAULT '\0');\n"])
def test_a_dump_that_is_none_is_refused(client: TestClient, dump: str):
    assert is_problem(client.post("/ops/schema", content=dump), 422)


@pytest.mark.parametrize("against", ["nowhere", "models2"])
def test_a_dump_is_compared_with_nothing_else(client: TestClient, against: str):
    assert is_problem(client.post(f"/ops/schema?against={against}", content=DUMP), 422)


def test_a_dump_that_is_too_large_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(schema, "LARGEST_DUMP_BYTES", len(DUMP) - 1)
    assert is_problem(client.post("/ops/schema", content=DUMP), 413)
    assert is_problem(client.post("/ops/schema", content=iter([DUMP.encode()])), 413)


def test_the_page_shows_both_sides(client: TestClient):
    assert "0 only in A, 0 only in B" in client.get("/schema").text
    sent = client.post("/schema", files={"file": ("old <b>.sql", DUMP.encode())}).text
    assert "old &lt;b&gt;.sql" in sent
    assert 'href="#table-users"' in sent


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, headers: client.get("/ops/schema", headers=headers),
        lambda client, headers: client.post("/ops/schema", content=DUMP, headers=headers),
        lambda client, headers: client.get("/schema", headers=headers),
        lambda client, headers: client.post("/schema", files={"file": ("a.sql", DUMP.encode())}, headers=headers),
    ],
)
def test_only_operators_may(stranger: TestClient, bela: str, ask: Callable):
    assert ask(stranger, bearer(bela)).status_code == 403
    assert ask(stranger, {}).status_code in {401, 303}
