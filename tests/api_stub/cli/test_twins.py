import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from api_stub.cli import ROOT
from twins.files import put_file
from twins.running import Twins

COMMAND = [sys.executable, "-m", "api_stub.cli", "twins"]


def test_up_prints_what_to_set_and_a_file_put_there_is_seen_until_ctrl_c(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path / "twins")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a clip")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words, *home], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    not_running = run("put", "drive", str(clip))
    assert (not_running.returncode, "do not run (./askstephen twins up)" in not_running.stderr) == (1, True)
    with subprocess.Popen(
        [*COMMAND, "up", *home], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as up:
        try:
            assert up.stdout
            printed = "".join(iter(up.stdout.readline, "./askstephen up\n"))
            assert re.search(r"^export HTTPS_PROXY=http://127\.0\.0\.1:\d+$", printed, re.MULTILINE)
            assert run("put", "drive", str(clip)).stdout == f"{clip} is in drive.\n"
            put_file(Twins(tmp_path / "twins"), "dropbox", clip)
            assert [kept["file"]["name"] for kept in Twins(tmp_path / "twins").records("drive.files").values()] == ["clip.mp4"]
            assert [kept["size"] for kept in Twins(tmp_path / "twins").records("dropbox.entries").values()] == [6]
            assert run("fault", "drive", "rate_limit", "--times", "2").returncode == 0
        finally:
            os.killpg(up.pid, signal.SIGINT)
        assert up.wait(timeout=20) in {0, 130}
