import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from api_stub.cli.words import main
from core.local_stack.servers import Servers
from db.schema.scratch import scratch_database
from tests.conftest import admin_url
from tests.db.schema.generations import build


@pytest.fixture
def production(stack: Servers) -> Iterator[str]:
    with scratch_database(admin_url(stack)) as url:
        build(url, "production", rows=10)
        yield url


@pytest.fixture
def schema(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str, str]]:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["askstephen", "schema", *words])
        status = main()
        return status, *capsys.readouterr()

    return run


def test_two_databases_are_compared(schema, production: str, database_url: str):
    status, said, _ = schema("compare", production, database_url)
    assert status == 0
    assert "confidentiality_checks: A | B" in said
    found = json.loads(schema("compare", production, "models", "--format", "json")[1])
    assert "video_files" in found["only_in_second"]
    assert schema("compare", production, "models", "--format", "markdown")[1].startswith("# Schemas compared")


def test_a_database_is_adopted_after_its_plan_was_seen(schema, production: str, tmp_path: Path):
    status, said, _ = schema("adopt", production, "--dry-run", "--home", str(tmp_path))
    assert (status, "Change, in one transaction" in said, "Backed up" in said) == (0, True, False)
    status, said, _ = schema("adopt", production, "--home", str(tmp_path))
    assert (status, said.index("Change, in one transaction") < said.index("Backed up") < said.index("Changed, in")) == (0, True)
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_tokens_that_were_kept_in_clear_are_sealed_at_the_end_and_the_rest_by_the_next_run(
    schema, stack: Servers, tmp_path: Path
):
    clear = "SELECT count(*) FROM {} WHERE access_token NOT LIKE 'v1:%' OR refresh_token NOT LIKE 'v1:%'"
    with scratch_database(admin_url(stack)) as url:
        build(url, "live copy", rows=10)
        assert schema("adopt", url, "--home", str(tmp_path))[0] == 0
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            tables = ("cloud_connections", "user_social_accounts")
            assert [connection.execute(clear.format(table)).fetchone()[0] for table in tables] == [0, 0]
            connection.execute("UPDATE cloud_connections SET access_token = 'clear' WHERE id = 3")  # as a kill leaves it
            status, said, _ = schema("adopt", url, "--home", str(tmp_path))
            assert (status, "Nothing to do" in said, "1 tokens are now sealed" in said) == (0, True, True)
            assert connection.execute(clear.format("cloud_connections")).fetchone()[0] == 0


def test_what_is_no_address_is_said_so(schema):
    status, _, said = schema("adopt", "nonsense")
    assert status == 1
    assert "that is no PostgreSQL address" in said
