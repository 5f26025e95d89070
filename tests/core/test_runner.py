import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import Misconfigured
from core.local_stack.runner import read_procfile
from core.local_stack.servers import Servers
from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]
HARNESS = """
import sys
from pathlib import Path
from core.local_stack.runner import Runner, read_procfile
from core.local_stack.servers import Servers

home = Path(sys.argv[1])
processes = read_procfile(sys.argv[2], folder=home, logs=home / "logs", environment={"PATH": "/usr/bin:/bin"})
print("started", flush=True)
sys.exit(Runner(Servers(home), processes, grace_seconds=5, say=lambda words: print(words, flush=True)).run())
"""


def start(home: Path, procfile: str) -> subprocess.Popen:
    command = [sys.executable, "-c", HARNESS, str(home), procfile]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    return process


def test_a_procfile_names_processes_and_python_is_this_one(tmp_path: Path):
    [web, other] = read_procfile(
        "# words\nweb: python -m x --y 'a b'\nother: run\n", folder=tmp_path, logs=tmp_path, environment={}
    )
    assert web.argv == (sys.executable, "-m", "x", "--y", "a b")
    assert other.name == "other"


def test_a_process_that_dies_five_times_stops_everything_with_the_reason(tmp_path: Path):
    process = start(tmp_path, "bad: sh -c 'echo no such table; exit 3'\ngood: sleep 1000")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "bad died 5 times within a minute" in out
    assert "no such table" in out


def test_a_process_that_is_killed_comes_back_and_takes_no_other_with_it(tmp_path: Path):
    """Of a peer, the death of one of two processes stopped the pool: its siblings were told to end, and nothing came back."""
    (tmp_path / "count.sh").write_text("echo $$ >> $1\nexec sleep 1000\n")
    process = start(tmp_path, f"one: sh count.sh {tmp_path}/one\nother: sh count.sh {tmp_path}/other")

    def lines(name: str) -> list[int]:
        return [int(line) for line in (tmp_path / name).read_text().split()] if (tmp_path / name).exists() else []

    wait_until(lambda: lines("one") and lines("other"))
    os.kill(lines("one")[0], signal.SIGKILL)
    wait_until(lambda: len(lines("one")) == 2)
    os.kill(lines("other")[0], 0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert len(lines("other")) == 1


def test_each_process_gets_one_signal_and_its_children_none(tmp_path: Path):
    seen = tmp_path / "seen"
    (tmp_path / "child.sh").write_text(f"trap 'echo child >> {seen}' TERM\nwhile :; do sleep 0.05; done\n")
    (tmp_path / "parent.sh").write_text(
        f"sh child.sh & \ntrap 'echo parent >> {seen}; exit 0' TERM\necho up > {tmp_path}/up\nwhile :; do sleep 0.05; done\n"
    )
    process = start(tmp_path, "both: sh parent.sh")
    wait_until((tmp_path / "up").exists)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert seen.read_text() == "parent\n"


def test_a_process_that_does_not_stop_is_killed_after_the_grace(tmp_path: Path):
    (tmp_path / "deaf.sh").write_text(
        f"trap '' TERM\necho $$ > {tmp_path}/pid.part; mv pid.part pid\nwhile :; do sleep 0.05; done\n"
    )
    process = start(tmp_path, "deaf: sh deaf.sh")
    wait_until((tmp_path / "pid").exists)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_home_with_a_very_long_path_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere")
    home = tmp_path / ("long-" * 20)
    with Servers(home, durable=False) as servers:
        assert "host=" in servers.environment["DATABASE_URL"]
        assert servers.environment["REDIS_URL"] == "unix:///nowhere"
        assert [program.name for program in servers.programs] == ["postgres"]


def test_a_second_start_on_one_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/x")
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere")
    with Servers(tmp_path), pytest.raises(Misconfigured, match="another `askstephen`"):
        Servers(tmp_path).__enter__()
