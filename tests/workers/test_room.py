import errno
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from core.storage import FolderStorage
from db.engine import Database
from db.jobs import Free, Needs
from pipelines.base import Pipeline, enqueue, step
from pipelines.context import Context
from testkit import Worker, registered
from workers.lease import Keeper
from workers.room import HostRoom


@dataclass(frozen=True, slots=True)
class Size:
    size_bytes: int


@step(queue="io")
def measure(ctx: Context) -> object:
    return ctx.args["size_bytes"]


@step(queue="media", needs=lambda ctx: Needs(disk_bytes=3 * ctx.result("measure")))
def convert(ctx: Context) -> object:
    return "converted"


CONVERT = Pipeline("convert", Size, (measure, convert.after(measure)))


def test_needs_are_computed_of_what_the_step_before_found(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker.runner.room, "measure", lambda: Free(100, None))
    assert worker.perform(CONVERT, Size(33))["convert"] == "converted"
    with registered(CONVERT):
        with worker.database.tenant("local-owner") as session:
            job_id = enqueue(session, "convert", {"size_bytes": 34}, owner_id="local-owner")
        worker.drain()
    [_, row] = worker.job(job_id)["steps"]
    assert (row["name"], row["status"], row["attempt"], row["needs_disk_bytes"]) == ("convert", "queued", 0, 102)
    assert worker.job(job_id)["attempts"] == []
    assert not worker.runner.held


def test_a_beat_tells_what_the_host_has_free(worker: Worker, database: Database, tmp_path: Path):
    keeper = Keeper(
        worker.runner, database, worker_id=worker.runner._worker_id, queues=["io"], threads=1, lease=worker.runner._lease
    )
    keeper.beat()
    with database.jobs() as session:
        row = session.execute(text("SELECT host, free_disk_bytes, free_memory_bytes FROM jobs.workers")).one()
    assert row.host == worker.runner.room.host
    assert 0 < row.free_disk_bytes <= shutil.disk_usage(tmp_path).total
    assert row.free_memory_bytes > 0


def test_free_space_is_measured_where_attempts_will_have_their_folders(
    database: Database, storage: FolderStorage, tmp_path: Path
):
    assert HostRoom(database, tmp_path / "not" / "yet", storage).measure().disk_bytes > 0


@step(queue="io")
def fill(ctx: Context) -> object:
    (ctx.folder / "half").write_bytes(b"x")
    raise OSError(errno.ENOSPC, "No space left on device")


FILL = Pipeline("fill", Size, (fill,))


@pytest.mark.parametrize(
    ("free", "status", "attempt", "words"),
    [(0, "queued", 0, "the disk of attempts of host"), (1 << 40, "retrying", 1, "it needs more room than host")],
)
def test_a_disk_that_others_filled_is_no_fault_of_the_attempt_and_says_where(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, status: str, attempt: int, words: str
):
    monkeypatch.setattr(worker.runner.room, "measure", lambda: Free(free, None))
    with registered(FILL):
        with worker.database.tenant("local-owner") as session:
            job_id = enqueue(session, "fill", {"size_bytes": 1}, owner_id="local-owner")
        worker.drain()
    [row] = worker.job(job_id)["steps"]
    assert (row["status"], row["attempt"]) == (status, attempt)
    assert words in row["error"]
    assert not list(tmp_path.rglob("half"))
