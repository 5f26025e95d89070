"""The process that runs a step alone ends when it can do nothing, instead of holding its worker's thread."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from core.hints import write_hint


def status_of(tmp_path: Path, *, parent: int) -> tuple[int, str]:
    """Run one where no server is, and wait for its end."""
    nowhere = f"postgresql://askstephen@/askstephen?host={tmp_path}"
    child = subprocess.run(
        [sys.executable, "-m", "workers.alone", write_hint([uuid4()]), str(parent)],
        env={**os.environ, "DATABASE_URL": nowhere, "REDIS_URL": f"unix://{tmp_path}/s", "LOG_FORMAT": "json"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return child.returncode, child.stdout


def test_it_ends_when_the_database_is_away(tmp_path: Path):
    status, said = status_of(tmp_path, parent=os.getpid())
    assert (status, "steps.not_claimed" in said) == (0, True), said


def test_it_begins_nothing_when_its_worker_is_gone_already(tmp_path: Path):
    assert status_of(tmp_path, parent=os.getpid() + 1) == (0, "")
