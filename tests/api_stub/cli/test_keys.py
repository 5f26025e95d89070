import sys
from pathlib import Path

import pytest

from api_stub.cli.__main__ import main
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
        assert (status, api_keys.find_api_key_user(session, made.strip())) == (0, owner)
        key_id = str(api_keys.list_api_keys(session)[0]["id"])
    _, listed = key(monkeypatch, capsys, home, "list")
    assert key_id in listed
    assert "the shop's till" in listed
    assert made.strip() not in listed
    assert key(monkeypatch, capsys, home, "revoke", key_id)[0] == 0
    with database.jobs() as session:
        assert api_keys.find_api_key_user(session, made.strip()) is None
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
