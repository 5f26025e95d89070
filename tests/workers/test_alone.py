"""The process that runs steps alone ends when it can do nothing, instead of holding its worker's thread."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from core.hints import write_hint
from core.reaping import Reaped
from workers.alone import Alone


@contextmanager
def started(tmp_path: Path, *, parent: int) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """One where no server is, and the line to it."""
    nowhere = f"postgresql://askstephen@/askstephen?host={tmp_path}"
    environment = {**os.environ, "DATABASE_URL": nowhere, "REDIS_URL": f"unix://{tmp_path}/s", "LOG_FORMAT": "json"}
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = subprocess.Popen(
                [sys.executable, "-m", "workers.alone", str(parent), str(theirs.fileno())],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        ours.settimeout(60)
        yield child, ours
        child.kill()
        child.communicate()


def test_while_the_database_is_away_it_says_so_and_takes_the_next_hint(tmp_path: Path):
    with started(tmp_path, parent=os.getpid()) as (child, line):
        assert line.recv(1) == b"."
        for _ in range(2):
            line.sendall(f"{write_hint([uuid4()])}\n".encode())
            assert line.recv(1) == b"."
        line.close()
        said, _ = child.communicate(timeout=60)
    assert (child.returncode, said.count("steps.not_claimed")) == (0, 2), said


def test_it_begins_nothing_when_its_worker_is_gone_already(tmp_path: Path):
    with started(tmp_path, parent=os.getpid() + 1) as (child, line):
        assert line.recv(1) == b""
        assert child.communicate(timeout=60) == ("", None)
    assert child.returncode == 0


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Alone]:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://askstephen@/askstephen?host={tmp_path}")
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/s")
    alone = Alone()
    yield alone
    alone.stop()
    for child in alone._idle:
        child.end()


def test_of_suspects_that_come_at_once_the_second_takes_the_process_of_the_first(alone: Alone):
    threads = [threading.Thread(target=alone.run, args=([uuid4()],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(alone._children) < len(threads)
    assert set(alone._idle) == alone._children
    assert not alone.running()


def test_how_a_process_that_was_lost_ended_is_told(alone: Alone):
    told: list[Reaped] = []
    alone._on_loss = told.append
    alone.run([uuid4()])
    [child] = alone._idle
    child.process.kill()
    alone.run([uuid4()])
    assert [(one.process, one.code) for one in told] == [(child.process.pid, -signal.SIGKILL)]
    assert told[0].peak_memory_bytes > 1 << 20


def test_one_process_after_the_other_is_not_started_where_one_is_idle(alone: Alone):
    alone.run([uuid4()])
    [first] = alone._idle
    alone.run([uuid4()])
    assert alone._idle == [first]


def test_where_an_idle_process_has_ended_another_takes_the_hint(alone: Alone):
    alone.run([uuid4()])
    [first] = alone._idle
    first.process.send_signal(signal.SIGTERM)
    first.process.wait(60)
    alone.run([uuid4()])
    [second] = alone._idle
    assert second.process.pid != first.process.pid
    assert not alone.running()


def test_where_no_process_could_be_made_the_next_suspect_makes_one(
    alone: Alone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", str(tmp_path / "nowhere"))
        with pytest.raises(FileNotFoundError):
            alone.run([uuid4()])
    thread = threading.Thread(target=alone.run, args=([uuid4()],), daemon=True)
    thread.start()
    thread.join(60)
    assert not alone.running()


def test_one_that_does_not_get_ready_is_sent_away(alone: Alone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "hangs"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    told: list[Reaped] = []
    alone._on_loss = told.append
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr("workers.alone._START_SECONDS", 0.2)
    alone.run([uuid4()])
    assert [one.code for one in told] == [-signal.SIGKILL]
    assert not alone.running()
