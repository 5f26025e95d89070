import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.children import Limits
from core.errors import Cancelled, ChildDied, Misconfigured
from core.sandbox.isolation import isolation
from core.sandbox.run import Sandbox
from tests.conftest import wait_until
from tests.core.sandbox.children import REFUSED, needs_filter, needs_namespaces, python, told

ROOT = Path(__file__).parents[3]

# Ignores TERM, as do its three daemons in sessions of their own.
STUBBORN = """
trap '' TERM
for n in 1 2 3; do (setsid sh -c 'while :; do sleep 60; done' &); done
echo ready
while :; do sleep 60; done
"""

HARNESS = """
import sys
from pathlib import Path
from core.sandbox.run import Sandbox
from core.settings import SandboxMode

Sandbox(mode=SandboxMode.AUTO).run(
    ["sh", "-c", sys.argv[2]], folder=Path(sys.argv[1]), on_line=lambda line: print(line, flush=True)
)
"""


def living(folder: Path) -> list[str]:
    """Every process, launcher or child, that was started for this folder: their HOME says so."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"HOME=" + os.fsencode(folder) + b"\0" in (process / "environ").read_bytes():
                found.append(process.name)
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def cancel_at(line: str) -> tuple[threading.Event, object, object]:
    """An on_line that waits for `line`, and the check that is then cancelled."""
    seen = threading.Event()

    def on_line(said: str) -> None:
        if said == line:
            seen.set()

    def check() -> None:
        if seen.is_set():
            raise Cancelled("asked to stop")

    return seen, on_line, check


class TestLimits:
    def test_cpu_time(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(ChildDied) as died:
            sandbox.run(python("while True: pass"), folder=folder, limits=Limits(cpu_seconds=1))
        assert died.value.evidence["reason"] == "signal"
        assert died.value.evidence["signal"] == signal.SIGXCPU

    def test_memory_of_a_python_child(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(ChildDied, match="more memory") as died:
            sandbox.run(python("bytearray(1 << 30)"), folder=folder, limits=Limits(memory_bytes=256 << 20))
        assert "MemoryError" in died.value.evidence["stderr"]

    def test_size_of_a_file(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(ChildDied, match="SIGXFSZ"):
            sandbox.run(
                ["dd", "if=/dev/zero", "of=big", "bs=64k", "count=64"], folder=folder, limits=Limits(file_bytes=1 << 20)
            )
        assert (folder / "big").stat().st_size == 1 << 20

    def test_open_files(self, sandbox: Sandbox, folder: Path):
        output = sandbox.run(python("[open('/dev/null') for _ in range(99)]"), folder=folder, limits=Limits(open_files=50))
        assert "Too many open files" in output.stderr

    def test_deadline(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(ChildDied, match="deadline") as died:
            sandbox.run(
                ["sh", "-c", "while :; do echo 1; sleep 0.05; done"], folder=folder, limits=Limits(deadline_seconds=0.5)
            )
        assert died.value.evidence["reason"] == "deadline"
        assert living(folder) == []

    def test_stall(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(ChildDied, match="said nothing") as died:
            sandbox.run(["sleep", "inf"], folder=folder, limits=Limits(stall_seconds=0.5))
        assert died.value.evidence["reason"] == "stall"

    def test_a_child_that_speaks_now_and_then_does_not_stall(self, sandbox: Sandbox, folder: Path):
        argv = ["sh", "-c", "for n in 1 2 3 4 5; do echo $n; sleep 0.3; done"]
        assert told(sandbox.run(argv, folder=folder, limits=Limits(stall_seconds=1))) == "1\n2\n3\n4\n5"

    def test_a_machine_that_stood_still_is_no_stall(self, sandbox: Sandbox, folder: Path):
        def stand_still() -> None:
            looks.append(None)
            if len(looks) == 2:  # the first is before the start
                time.sleep(1.5)
                (folder / "go").touch()

        looks: list[None] = []
        argv = ["sh", "-c", "until [ -e go ]; do sleep 0.02; done; echo spoken"]
        said = sandbox.run(argv, folder=folder, limits=Limits(stall_seconds=1), check=stand_still)
        assert told(said) == "spoken"

    def test_a_crash_is_told_with_its_evidence(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(ChildDied, match="SIGSEGV") as died:
            sandbox.run(["sh", "-c", "echo last words >&2; kill -SEGV $$"], folder=folder)
        assert died.value.evidence["returncode"] == -signal.SIGSEGV
        assert died.value.evidence["stderr"] == "last words\n"
        assert died.value.evidence["peak_memory_bytes"] > 0

    def test_a_plain_failure_is_the_callers_business(self, sandbox: Sandbox, folder: Path):
        output = sandbox.run(["sh", "-c", "echo out; echo err >&2; exit 69"], folder=folder)
        assert (output.returncode, output.stdout, output.stderr) == (69, "out\n", "err\n")

    def test_peak_memory_is_measured(self, sandbox: Sandbox, folder: Path):
        peak = sandbox.run(python("b'x' * (100 << 20)"), folder=folder).peak_memory_bytes
        assert 100 << 20 < peak < 150 << 20

    @needs_namespaces
    def test_a_fork_bomb_ends_with_its_deadline(self, sandbox: Sandbox, folder: Path):
        code = """
            import os, time
            for _ in range(200):
                if os.fork() == 0:
                    time.sleep(60)
            time.sleep(60)
        """
        with pytest.raises(ChildDied):
            sandbox.run(python(code), folder=folder, limits=Limits(deadline_seconds=1))
        assert living(folder) == []


class TestOutput:
    def test_lines_arrive_while_it_runs(self, sandbox: Sandbox, folder: Path):
        _, on_line, check = cancel_at("ready")
        with pytest.raises(Cancelled):
            sandbox.run(["sh", "-c", "echo ready; exec sleep inf"], folder=folder, on_line=on_line, check=check)

    def test_a_flood_keeps_its_first_16_mib_and_every_line(self, sandbox: Sandbox, folder: Path):
        counted = 0

        def on_line(line: str) -> None:
            nonlocal counted
            counted += len(line) + 1

        code = "import os\nfor n in range(320):\n    os.write(1, (b'%06d' % n + b'x' * 65529 + b'\\n'))"
        output = sandbox.run(python(code), folder=folder, on_line=on_line)
        assert len(output.stdout) == 16 << 20
        assert output.stdout.startswith("000000x")
        assert counted == 320 << 16

    def test_of_an_endless_line_only_the_beginning_is_handed_on(self, sandbox: Sandbox, folder: Path):
        lines: list[str] = []
        code = "import os\nfor _ in range(50):\n    os.write(1, b'y' * 65536)\nprint()\nprint('next', end='')"
        sandbox.run(python(code), folder=folder, on_line=lines.append)
        assert [len(line) for line in lines] == [1 << 20, 4]

    def test_of_a_flood_of_errors_the_end_is_kept(self, sandbox: Sandbox, folder: Path):
        output = sandbox.run(python("import os\nfor n in range(300):\n    os.write(2, b'%065535d\\n' % n)"), folder=folder)
        assert len(output.stderr) == 64 << 10
        assert output.stderr.endswith("299\n")

    def test_both_streams_at_once_do_not_lock(self, sandbox: Sandbox, folder: Path):
        code = "import os\nfor n in range(64):\n    os.write(1, b'o' * 65536)\n    os.write(2, b'e' * 65536)"
        assert len(sandbox.run(python(code), folder=folder).stdout) == 4 << 20

    def test_what_is_not_utf8_is_replaced(self, sandbox: Sandbox, folder: Path):
        lines: list[str] = []
        output = sandbox.run(["printf", r"a\377b\n\303"], folder=folder, on_line=lines.append)
        assert lines == ["a\ufffdb", "\ufffd"]
        assert output.stdout == "a\ufffdb\n\ufffd"

    def test_a_child_that_closes_its_output_is_waited_for(self, sandbox: Sandbox, folder: Path):
        output = sandbox.run(["sh", "-c", "exec >&- 2>&-; sleep 0.4; echo done > done; exit 3"], folder=folder)
        assert output.returncode == 3
        assert (folder / "done").read_text() == "done\n"

    def test_a_grandchild_that_keeps_the_output_open_is_not(self, sandbox: Sandbox, folder: Path):
        code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1e6)\nprint('bye', flush=True)"
        assert told(sandbox.run(python(code), folder=folder)) == "bye"
        assert living(folder) == []


class TestEnding:
    def test_cancelling_ends_a_child_that_ignores_term_and_its_daemons(self, sandbox: Sandbox, folder: Path):
        _, on_line, check = cancel_at("ready")
        with pytest.raises(Cancelled):
            sandbox.run(["sh", "-c", STUBBORN], folder=folder, on_line=on_line, check=check)
        assert living(folder) == []

    def test_a_child_that_heeds_term_may_clean_up(self, sandbox: Sandbox, folder: Path):
        _, on_line, check = cancel_at("ready")
        argv = ["sh", "-c", "trap 'echo tidy > tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done"]
        with pytest.raises(Cancelled):
            sandbox.run(argv, folder=folder, on_line=on_line, check=check)
        assert (folder / "tidied").read_text() == "tidy\n"

    def test_a_check_that_is_cancelled_before_the_start_starts_nothing(self, sandbox: Sandbox, folder: Path):
        def check() -> None:
            raise Cancelled("asked to stop")

        with pytest.raises(Cancelled):
            sandbox.run(["touch", "started"], folder=folder, check=check)
        assert list(folder.iterdir()) == []

    def test_an_error_in_on_line_ends_the_child_and_goes_on(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(ValueError, match="invalid literal"):
            sandbox.run(["sh", "-c", "echo no number; exec sleep 60"], folder=folder, on_line=int)
        assert living(folder) == []

    @pytest.mark.parametrize("prelude", ["", pytest.param(REFUSED, marks=needs_filter)])
    def test_killing_the_worker_kills_everything(self, folder: Path, prelude: str):
        worker = subprocess.Popen(
            [sys.executable, "-c", prelude + HARNESS, str(folder), STUBBORN], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert "ready\n" in iter(worker.stdout.readline, "")
        assert len(living(folder)) >= 4
        worker.kill()
        worker.communicate()
        wait_until(lambda: living(folder) == [])

    @needs_namespaces
    def test_losing_the_launcher_kills_everything_and_is_told(self, sandbox: Sandbox, folder: Path):
        def kill_launcher(line: str) -> None:
            [launcher] = [pid for pid in map(int, living(folder)) if parent(pid) == os.getpid()]
            os.kill(launcher, signal.SIGKILL)

        with pytest.raises(ChildDied, match="launcher") as died:
            sandbox.run(["sh", "-c", STUBBORN], folder=folder, on_line=kill_launcher)
        assert died.value.evidence["reason"] == "launcher"
        wait_until(lambda: living(folder) == [])


class TestStarting:
    def test_a_program_that_is_not_there(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(Misconfigured, match=r"no-such-program could not be started.*No such file"):
            sandbox.run(["no-such-program"], folder=folder)

    def test_a_program_that_cannot_be_run(self, sandbox: Sandbox, folder: Path):
        (folder / "text").write_text("words")
        with pytest.raises(Misconfigured, match="Permission denied"):
            sandbox.run(["./text"], folder=folder)

    def test_a_folder_that_is_not_there(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(Misconfigured, match="not a folder"):
            sandbox.run(["true"], folder=folder / "gone")

    def test_an_input_that_is_not_there(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(Misconfigured, match="is not there"):
            sandbox.run(["true"], folder=folder, inputs=[folder / "gone"])

    def test_as_root_an_input_that_the_child_cannot_read(self, sandbox: Sandbox, folder: Path, tmp_path: Path):
        if isolation().identity is None:
            pytest.skip("the child has the worker's own identity")
        (tmp_path / "private").write_text("x")
        (tmp_path / "private").chmod(0o600)
        with pytest.raises(Misconfigured, match="cannot be read"):
            sandbox.run(["true"], folder=folder, inputs=[tmp_path / "private"])

    def test_a_limit_too_small_to_start_with(self, sandbox: Sandbox, folder: Path):
        with pytest.raises(ChildDied):
            sandbox.run(["true"], folder=folder, limits=Limits(memory_bytes=1 << 12))

    @pytest.mark.parametrize("name", ["a b", "a\nb", "100%s", "-rf", "\\040", "ä\u202e", "quote'\"", os.fsdecode(b"\xff\xfe")])
    def test_names_are_only_names(self, sandbox: Sandbox, tmp_path: Path, name: str):
        folder, given = tmp_path / "attempts" / name, tmp_path / name
        folder.mkdir(parents=True)
        given.write_text("given")
        told(sandbox.run(["cp", "--", str(given), str(folder / "copy")], folder=folder, inputs=[given]))
        assert (folder / "copy").read_text() == "given"

    def test_its_folder_may_be_reached_by_a_link(self, sandbox: Sandbox, folder: Path, tmp_path: Path):
        (tmp_path / "link").symlink_to(tmp_path)
        told(sandbox.run(["sh", "-c", f"echo 1 > {tmp_path}/link/attempt/made"], folder=tmp_path / "link" / "attempt"))
        assert (folder / "made").read_text() == "1\n"

    def test_four_threads_share_it(self, sandbox: Sandbox, tmp_path: Path):
        def run(number: int) -> str:
            folder = tmp_path / str(number)
            folder.mkdir()
            return told(sandbox.run(["sh", "-c", f"sleep 0.05; echo {number}"], folder=folder))

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(run, range(16))) == [str(number) for number in range(16)]

    def test_a_start_costs_little(self, sandbox: Sandbox, folder: Path):
        def once() -> float:
            started = time.perf_counter()
            sandbox.run(["true"], folder=folder)
            return time.perf_counter() - started

        assert min(once() for _ in range(9)) < 0.3  # 0.03 on an idle machine

    def test_no_descriptor_is_leaked(self, sandbox: Sandbox, folder: Path):
        before = len(list(Path("/dev/fd").iterdir()))
        for _ in range(3):
            sandbox.run(["true"], folder=folder)
            with contextlib.suppress(Misconfigured):
                sandbox.run(["no-such-program"], folder=folder)
        assert len(list(Path("/dev/fd").iterdir())) == before
