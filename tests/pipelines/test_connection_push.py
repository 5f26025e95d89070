"""From a change in an account to the look that finds it: by a message, by the sweep; and a download whose worker is killed."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from api_stub.app import create_app
from core.settings import Settings, settings
from core.storage import FolderStorage
from db import jobs, status, syncs, videos
from db.engine import Database
from scheduler.sweep import Sweep
from testkit import Worker
from tests.accounts import MAKERS, Account, choose
from tests.api_stub.conftest import Served, serve
from tests.conftest import wait_until
from tests.pipelines.looks import list_due, look, look_all
from twins.running import Twins

ROOT = Path(__file__).parents[2]
SECRET = "of the app"


@pytest.fixture
def served(
    database: Database, storage: FolderStorage, owner: str, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    config = Settings(local_mode=True, redis_url="", dropbox_app_secret=SecretStr(SECRET), _env_file=None)
    with serve(create_app(database, storage, config), database, owner) as running:
        monkeypatch.setenv("PUBLIC_URL", f"http://127.0.0.1:{running.port}")
        settings.cache_clear()
        yield running
    twins.forget("dropbox.webhooks")
    twins.forget("drive.channels")
    settings.cache_clear()


@pytest.fixture(params=list(MAKERS))
def account(request: pytest.FixtureRequest, twins: Twins, worker: Worker, owner: str) -> Account:
    made = MAKERS[request.param](twins, worker.database, owner, f"{uuid4().hex}@example.com")
    choose(worker.database, owner, made.connection_id, made.folder)
    return made


def names(database: Database, owner: str) -> list[str]:
    with database.tenant(owner) as session:
        return sorted(row["source_file_name"] for row in videos.list_requests(session))


def looks(database: Database) -> int:
    with database.jobs() as session:
        return len(status.list_jobs(session, pipeline="connection_sync"))


def test_a_new_file_is_told_of_and_many_messages_are_one_look(
    worker: Worker, owner: str, account: Account, twins: Twins, served: Served
) -> None:
    if account.provider == "dropbox":
        twins.add_webhook(f"http://127.0.0.1:{served.port}/webhooks/dropbox", SECRET)
    assert look(worker, owner, account) == "succeeded"
    if account.provider == "google_drive":
        wait_until(lambda: looks(worker.database) == 2)  # the channel's hello
    look_all(worker)
    before = looks(worker.database)
    for number in range(5):
        account.put(f"{number}.mp4", b"%d" % number)
    wait_until(lambda: looks(worker.database) > before)
    wait_until(lambda: told(worker.database))
    look_all(worker)
    wait_until(lambda: run_until_found(worker, owner, 5))
    assert looks(worker.database) < before + 5


def told(database: Database) -> bool:
    with database.jobs() as session:
        return bool(session.scalar(text("SELECT count(*) FROM jobs.unique_keys WHERE replay IS NOT NULL")))


def run_until_found(worker: Worker, owner: str, number: int) -> bool:
    look_all(worker)
    return len(names(worker.database, owner)) == number


def test_a_channel_is_followed_by_another_before_it_ends(
    worker: Worker, owner: str, twins: Twins, served: Served, database: Database
) -> None:
    account = MAKERS["google_drive"](twins, database, owner, f"{uuid4().hex}@example.com")
    choose(database, owner, account.connection_id, account.folder)
    look(worker, owner, account)
    look(worker, owner, account)
    [first] = open_channels(twins)
    with database.jobs() as session:
        session.execute(text("SET LOCAL role NONE"))
        session.execute(text("UPDATE jobs.watch_channels SET expires_at = now() + interval '20 hours'"))
    look(worker, owner, account)
    [second] = open_channels(twins)
    assert second["id"] != first["id"]
    assert len(second["id"]) >= 40
    assert len(second["token"]) >= 40
    with database.tenant(owner) as session:
        [kept] = syncs.list_channels(session, account.connection_id)
    assert (kept["id"], second["token"] in str(dict(kept))) == (second["id"], False)


def open_channels(twins: Twins) -> list[dict]:
    return list(twins.records("drive.channels").values())


def test_what_no_message_told_of_is_found_by_the_sweep(
    worker: Worker, owner: str, account: Account, database: Database
) -> None:
    sweeps = [Sweep(database, every=timedelta(minutes=4)) for _ in range(2)]
    for number in range(20):
        account.put(f"{number:02}.mp4", b"%d" % number)
    for sweep in sweeps:
        sweep.tick()
    assert looks(database) == 1
    look_all(worker)
    assert len(names(database, owner)) == 20
    account.put("later.mp4", b"later")
    sweeps[0].tick()
    assert looks(database) == 1  # not yet
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.syncs SET next_look_at = next_look_at - interval '4 min'"))
    sweeps[1].tick()
    look_all(worker)
    assert "later.mp4" in names(database, owner)


def test_an_account_that_is_no_longer_connected_is_not_looked_at(owner: str, account: Account, database: Database) -> None:
    with database.tenant(owner) as session:
        session.execute(text("UPDATE cloud_connections SET is_active = false"))
    Sweep(database, every=timedelta(minutes=4)).tick()
    assert looks(database) == 0


def test_a_download_whose_worker_is_killed_goes_on_where_it_was(
    worker: Worker, owner: str, account: Account, twins: Twins, database_url: str, tmp_path: Path
) -> None:
    clip, arrived = random.Random(12).randbytes(6_000_000), 2_000_000
    account.put("a.mp4", clip)
    look(worker, owner, account)
    download = "/revisions/" if account.twin == "drive" else "files/download"
    asked_before = len(ranges(twins, account, download))
    twins.fault(account.twin, "cut", match=download, after_bytes=arrived)
    twins.fault(account.twin, "slow", match=download, seconds=20)
    [step_id] = list_due(worker, "fetch")
    worker.runner.run(step_id)  # names its provider, and goes back
    command = [sys.executable, "-m", "tests.workers.one_step", database_url, str(step_id), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        wait_until(lambda: len(ranges(twins, account, download)) == asked_before + 2)
        process.send_signal(signal.SIGKILL)
    with worker.database.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET lease_until = now() - interval '1 s' WHERE status = 'running'"))
        assert jobs.rescue(session) == 1
    worker.runner.run(step_id)
    first, second, third = ranges(twins, account, download)[asked_before:]
    assert (first, second) == (None, f"bytes={arrived}-")
    assert third is not None
    assert (
        arrived - 65_536 < int(third.removeprefix("bytes=").removesuffix("-")) <= arrived
    )  # the last bytes were not on the disk
    with worker.database.tenant(owner) as session:
        request = videos.list_requests(session)[0]
        source = videos.list_files(session, request["video_id"])["source"]
    assert worker.storage.local(source["key"]).read_bytes() == clip
    left = [path for path in worker.storage.root.rglob("*") if path.is_file()]
    assert [path.relative_to(worker.storage.root).as_posix() for path in left] == [source["key"]]


def ranges(twins: Twins, account: Account, download: str) -> list[str | None]:
    return [seen["headers"].get("range") for seen in twins.seen(account.twin) if download in seen["request"]]


def test_a_look_that_ends_and_a_sweep_do_not_wait_for_each_other(
    worker: Worker, owner: str, account: Account, database: Database
) -> None:
    """The job first, then what is followed: whoever takes them the other way round ends in a deadlock now and then."""
    from concurrent.futures import ThreadPoolExecutor

    def make_due() -> None:
        with database.jobs() as session:
            session.execute(text("UPDATE jobs.syncs SET next_look_at = now() - interval '1 s'"))

    sweep = Sweep(database, every=timedelta(minutes=4))
    with ThreadPoolExecutor(2) as pool:
        for _ in range(4):
            make_due()
            ended, swept = pool.submit(look, worker, owner, account), pool.submit(sweep.tick)
            assert ended.result() == "succeeded"
            swept.result()
    with database.jobs() as session:
        assert session.scalar(text("SELECT max(attempt) FROM jobs.job_steps WHERE name = 'drain'")) == 1
