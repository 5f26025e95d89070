import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from api_stub.cli.words import main
from core.ids import new_id
from db import api_keys
from db.engine import Database


@pytest.fixture
def home(tmp_path: Path, database_url: str, database: Database) -> Path:
    """As a running installation leaves it."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "up").write_text(f"{database_url}\n8000\n")
    return tmp_path


def key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, home: Path, *words: str) -> tuple[int, str]:
    """What `./askstephen key …` ends with and says."""
    monkeypatch.setattr(sys, "argv", ["askstephen", "key", *words, "--home", str(home)])
    status = main()
    said = capsys.readouterr()
    return status, said.out + said.err


def test_a_key_is_made_listed_and_revoked(monkeypatch, capsys, home: Path, database: Database, owner: str):
    status, made = key(monkeypatch, capsys, home, "new", "--name", "the shop's till")
    with database.jobs() as session:
        assert (status, api_keys.find_usable(session, made.strip())) == (0, api_keys.Usable(owner, api_keys.Scope.OPS))
        key_id = str(api_keys.list_api_keys(session)[0]["id"])
    _, listed = key(monkeypatch, capsys, home, "list")
    assert key_id in listed
    assert "the shop's till" in listed
    assert made.strip() not in listed
    assert key(monkeypatch, capsys, home, "revoke", key_id)[0] == 0
    with database.jobs() as session:
        assert api_keys.find_usable(session, made.strip()) is None
    assert "revoked 20" in key(monkeypatch, capsys, home, "list")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [(("new", "--name", "n", "--user", "nobody"), "no user 'nobody'"), (("revoke", str(new_id())), "no API key")],
)
def test_what_is_not_there_is_told_in_a_sentence(monkeypatch, capsys, home: Path, words: tuple[str, ...], said: str):
    status, told = key(monkeypatch, capsys, home, *words)
    assert status == 1
    assert said in told


def test_a_home_where_nothing_runs_is_told(monkeypatch, capsys, tmp_path: Path):
    status, told = key(monkeypatch, capsys, tmp_path, "list")
    assert status == 1
    assert "run ./askstephen up" in told


def test_a_key_has_the_scope_and_the_end_that_it_was_given(monkeypatch, capsys, home: Path, database: Database):
    assert key(monkeypatch, capsys, home, "new", "--name", "till", "--scope", "read", "--expires", "7")[0] == 0
    with database.jobs() as session:
        [made] = api_keys.list_api_keys(session)
    assert made["scope"] == "read"
    assert abs(made["expires_at"] - made["created_at"] - timedelta(days=7)) < timedelta(minutes=1)


def test_tokens_are_sealed_anew_and_told_how_many(monkeypatch, capsys, home: Path, database: Database, owner: str):
    with database.tenant(owner) as session:
        told = {"user": owner}
        session.execute(
            text("INSERT INTO cloud_connections (user_id, provider, access_token) VALUES (:user, 'dropbox', 'clear')"), told
        )
    assert key(monkeypatch, capsys, home, "rotate") == (0, "1 tokens are now sealed with the newest key.\n")
    assert key(monkeypatch, capsys, home, "rotate") == (0, "0 tokens are now sealed with the newest key.\n")
