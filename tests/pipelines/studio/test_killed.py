"""A worker that is killed in the middle of an upload, as the kernel kills."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from db import jobs
from pipelines import publish
from tests.conftest import wait_until
from tests.pipelines.studio.films import ready_video
from tests.pipelines.studio.test_youtube import CHUNK, FILM, SHA256, _settings, account, go_on, succeeded, uploads_of

__all__ = ["_settings", "account"]  # fixtures
WORKER = """
import sys
from pathlib import Path
from core.sandbox.run import Sandbox
from core.settings import SandboxMode
from core.storage import FolderStorage
from db.engine import Database
from pipelines.base import settle
from testkit import Worker
url, storage, scratch = sys.argv[1:]
with Database(url, connections=4, settle=settle) as database:
    Worker(database, FolderStorage(Path(storage)), Sandbox(mode=SandboxMode.AUTO), Path(scratch)).drain()
"""


def ranges(twins, since: int) -> list[str]:
    return [
        seen["headers"].get("content-range", "") for seen in twins.seen("youtube")[since:] if seen["request"].startswith("PUT")
    ]


@pytest.mark.parametrize("pieces", [1, 3])
def test_it_goes_on_from_the_byte_that_youtube_has(
    twins, worker, database, database_url, storage, owner, account, tmp_path: Path, pieces: int
):
    video_id, before = ready_video(database, storage, owner, FILM, captions=None), len(twins.seen("youtube"))
    with database.tenant(owner) as session:
        job_id = publish.start(session, video_id, user_id=owner)
    twins.fault("youtube", "slow", times=pieces, seconds=0, match="PUT")
    twins.fault("youtube", "slow", seconds=60, match="PUT")
    argv = [sys.executable, "-c", WORKER, database_url, str(storage.root), str(tmp_path / "killed")]
    child = subprocess.Popen(argv, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(ranges(twins, before)) > pieces)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    twins.clear_faults()
    with database.jobs() as session:
        kept = session.scalar(text("SELECT checkpoint FROM jobs.job_steps WHERE name = 'upload'"))
        assert "googleapis" not in json.dumps(kept)
        session.execute(text("UPDATE jobs.job_steps SET lease_until = now() - interval '1 s' WHERE status = 'running'"))
        jobs.rescue(session)
    assert succeeded(go_on(worker, database, job_id))
    assert [one["sha256"] for one in uploads_of(twins, account)] == [SHA256]
    assert [said for said in ranges(twins, before) if said.startswith("bytes 0-")] == [f"bytes 0-{CHUNK - 1}/{len(FILM)}"]
