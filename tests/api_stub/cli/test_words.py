import runpy
import sys
from pathlib import Path

import pytest

from api_stub.cli.words import main


def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *words: str) -> tuple[int, str]:
    """What `./askstephen WORDS` ends with and says."""
    monkeypatch.setattr(sys, "argv", ["askstephen", *words])
    status = main()
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x", "Connection refused"),
        ("REDIS_URL", "redis://127.0.0.1:1", "start it, or unset it"),
        ("REDIS_URL", "nonsense", "start it, or unset it"),
        ("STORAGE_URL", "nonsense", "must be file:///absolute/folder"),
        ("SECRET_KEYS", "nonsense", "openssl rand -base64 32"),
        ("LEASE_SECONDS", "long", "LEASE_SECONDS: Input should be a valid number"),
        ("HOST", "0.0.0.0", "set HOST=127.0.0.1"),
        ("WATCH_OWNER", "nobody", "WATCH_OWNER names user 'nobody'"),
        ("WATCH_FOLDER", "/proc/here", "/proc/here: No such file or directory"),
    ],
)
def test_up_tells_in_one_sentence_which_setting_is_wrong(
    monkeypatch, capsys, tmp_path: Path, database_url: str, redis_url: str, name: str, value: str, told: str
):
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv(name, value)
    status, said = say(monkeypatch, capsys, "up", "--port", "0", "--home", str(tmp_path / "home"))
    assert status == 1
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--port", "70000"), "PORT: Input should be less than or equal to 65535"),
        (("--port", "0", "--home", "/dev/null"), "/dev/null cannot be written"),
        (("--port", "0", "--home", "/dev/null/home"), "cannot be written (Not a directory): pass --home"),
    ],
)
def test_up_tells_in_one_sentence_which_option_is_wrong(monkeypatch, capsys, words: tuple[str, ...], told: str):
    status, said = say(monkeypatch, capsys, "up", *words)
    assert status == 1
    assert told in said
    assert said.count("\n") == 1


def test_up_takes_from_the_file_env_what_the_environment_does_not_say(monkeypatch, capsys, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    Path(".env").write_text("PORT=0\nREDIS_URL=redis://127.0.0.1:1\nASKSTEPHEN_HOME=here\n")
    assert "127.0.0.1:1" in say(monkeypatch, capsys, "up")[1]
    assert str(tmp_path / "here") in say(monkeypatch, capsys, "link")[1]


def test_a_link_to_what_was_stopped_is_refused_in_a_sentence(monkeypatch, capsys, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "up").write_text(f"postgresql://x@/x?host={tmp_path}\n8000\n")
    status, said = say(monkeypatch, capsys, "link", "--home", str(tmp_path))
    assert status == 1
    assert "./askstephen up starts one" in said
    assert said.count("\n") == 1


def test_an_interruption_while_the_words_are_loaded_leaves_no_trace(monkeypatch):
    class Interruption:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "api_stub.cli.words":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "api_stub.cli.words")
    monkeypatch.setattr(sys, "meta_path", [Interruption, *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("api_stub.cli", run_name="__main__")
    assert ended.value.code == 130
