"""How a child that fails, dies or lies is taken."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import pipelines.providers.whisper
from core.children import Output
from core.errors import ChildDied, DiskFull, Transient
from pipelines.providers.whisper import transcribe
from pipelines.transcript import Transcript
from tests.media import LocalRun


class Under(LocalRun):
    """Runs the child under a line of shell, which may limit it or stand in for it; `$RESULT` is where the result belongs."""

    def __init__(self, folder: Path, shell: str) -> None:
        super().__init__(folder)
        self.shell = shell

    def __call__(self, argv: Sequence[str], **options: object) -> Output:
        return super().__call__(["sh", "-c", f'RESULT="$4"; {self.shell}', *argv], **options)


def outcome(folder: Path, shell: str, *, progress: Callable[[float], None] = lambda _: None) -> Transcript:
    sound = folder / "sound.wav"
    sound.touch()
    return transcribe(Under(folder, shell), sound, folder=folder, model="tiny.en", threads=1, progress=progress)


def test_a_child_that_is_killed_has_died(tmp_path: Path) -> None:
    with pytest.raises(ChildDied):
        outcome(tmp_path, "kill -KILL $$")


def test_a_child_that_meets_its_limit_while_it_works_has_died(speech: Path, tmp_path: Path) -> None:
    sound = tmp_path / "long.wav"
    content = speech.read_bytes()
    sound.write_bytes(content)
    with pytest.raises(ChildDied):
        transcribe(
            Under(tmp_path, 'ulimit -t 1; exec "$0" "$@"'),
            sound,
            folder=tmp_path,
            model="tiny.en",
            threads=2,
            progress=lambda _: None,
        )


def test_a_child_that_runs_out_of_memory_has_died(tmp_path: Path) -> None:
    with pytest.raises(ChildDied, match="out of memory"):
        outcome(tmp_path, "exit 12")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        outcome(tmp_path, "exit 13")


def test_any_other_status_is_tried_again_and_shows_the_last_words(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"exit 3\): first \| last"):
        outcome(tmp_path, "echo first >&2; echo last >&2; exit 3")


@pytest.mark.parametrize(
    "lie",
    [
        "true",
        'ln -s /etc/passwd "$RESULT"',
        'mkfifo "$RESULT"',
        'mkdir "$RESULT"',
        'echo "[]" > "$RESULT"',
        'printf "\\377" > "$RESULT"',
        'echo \'{"words": [["a", NaN, 1, 1]], "speech": [], "seconds": 1, "language": "en"}\' > "$RESULT"',
        'echo \'{"words": [["a", 0, 1]], "speech": [], "seconds": 1, "language": "en"}\' > "$RESULT"',
        'head -c 100000 /dev/zero | tr "\\0" "[" > "$RESULT"',
        'truncate -s 100M "$RESULT"',
    ],
)
def test_a_result_that_is_none_is_tried_again(lie: str, tmp_path: Path) -> None:
    with pytest.raises(Transient, match="result"):
        outcome(tmp_path, lie)


def test_the_result_of_an_earlier_call_is_not_taken_for_this_one(tmp_path: Path) -> None:
    (tmp_path / "transcript.json").write_text('{"words": [], "speech": [], "seconds": 1, "language": "en"}')
    with pytest.raises(Transient):
        outcome(tmp_path, "true")


def test_lines_that_tell_no_progress_are_passed_over(tmp_path: Path) -> None:
    lines = ["hello", "{", '{"progress": "x"}', '{"progress": NaN}', '{"progress": 7}', "[1]", '{"progress": 0.5}']
    done: list[float] = []
    shell = "".join(f"echo '{line}'; " for line in lines) + "exit 3"
    with pytest.raises(Transient):
        outcome(tmp_path, shell, progress=done.append)
    assert done == [1.0, 0.5]


def test_the_listener_needs_nothing_of_the_project_and_nothing_of_the_environment(speech: Path, tmp_path: Path) -> None:
    from pipelines.providers.whisper.models import find_model

    own = Path(pipelines.providers.whisper.__file__).parent / "listener"
    shutil.copytree(own, tmp_path / "listener", ignore=shutil.ignore_patterns("__pycache__"))
    argv = [sys.executable, "-I", str(tmp_path / "listener"), str(speech), "result.json"]
    argv += ["--model", str(find_model("tiny.en").folder), "--threads", "1"]
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    subprocess.run(argv, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert "leaving." in (tmp_path / "result.json").read_text()
