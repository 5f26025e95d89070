"""`up` as a user runs it, real servers and processes, and what is done to them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import pipelines
from db import status, users, videos
from db.engine import Database
from pipelines.base import enqueue
from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]
DROPIN = ROOT / "tests" / "dropin"


@dataclass
class Up:
    home: Path
    process: subprocess.Popen
    database: Database

    def count(self, to: int = 40, pause_seconds: float = 0.05) -> UUID:
        with self.database.tenant(users.LOCAL_OWNER) as session:
            args = {"to": to, "pause_seconds": pause_seconds}
            return enqueue(session, "slow_count", args, owner_id=users.LOCAL_OWNER)

    def job(self, job_id: UUID) -> dict:
        with self.database.jobs() as session:
            return status.snapshot(session, job_id)

    def jobs(self, pipeline: str) -> list[UUID]:
        with self.database.jobs() as session:
            return [job["id"] for job in status.list_jobs(session) if job["pipeline"] == pipeline]

    def is_running(self, job_id: UUID, step: str) -> bool:
        return any(one["name"] == step and one["status"] == "running" for one in self.job(job_id)["steps"])

    def log(self, job_id: UUID) -> list[str]:
        with self.database.jobs() as session:
            return [row["message"] for row in status.list_log(session, job_id)]

    def is_counting(self, job_id: UUID, to: int = 5) -> bool:
        """Whether it has kept that number: the line of the next one is written after the checkpoint of this one."""
        return len(self.log(job_id)) > to

    def worker_process(self, queue: str) -> int:
        with self.database.jobs() as session:
            statement = text("SELECT process FROM jobs.workers WHERE :queue = ANY(queues) ORDER BY seen_at DESC LIMIT 1")
            return session.scalar(statement, {"queue": queue})

    def process_of(self, name: str) -> int:
        """A server, or a process of the Procfile."""
        words = {"postgres": "bin/postgres\0-D", "valkey": "valkey-server", "web": "api_stub\0", "scheduler": "scheduler\0"}
        for number in processes_of(self.home):
            line = Path(f"/proc/{number}/cmdline").read_text()
            if words[name] in line and "child.py" not in line and "cli" not in line:
                return number
        raise AssertionError(f"{name} does not run")

    def keeps_what_it_said(self) -> None:
        """Wait until what was committed is on disk: claims do not wait for it, and a killed Postgres forgets them."""
        with self.database.jobs() as session:
            said = session.execute(text("SELECT pg_current_wal_insert_lsn()")).scalar_one()
            kept = text("SELECT pg_current_wal_flush_lsn() >= CAST(:said AS pg_lsn)")
            wait_until(lambda: session.execute(kept, {"said": said}).scalar_one())

    def ends_well(self, job_id: UUID) -> dict:
        def ended() -> bool:
            try:
                return self.job(job_id)["finished_at"] is not None
            except SQLAlchemyError:
                return False  # the database may be the one that was killed

        wait_until(ended, seconds=120)
        shown = self.job(job_id)
        assert shown["status"] == "succeeded", shown
        return shown


def processes_of(home: Path) -> list[int]:
    """Every process whose command line or environment names this home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(home).encode() in words:
                found.append(int(entry.name))
    return found


def start(home: Path, dropin: Path = DROPIN) -> Up:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_URL")},
        "PYTHONPATH": str(dropin),
        "LEASE_SECONDS": "3",
        "GRACE_SECONDS": "10",
        "LOG_FORMAT": "json",
        "SAMPLE": "false",
    }
    command = [sys.executable, "-m", "api_stub.cli", "up", "--port", "0", "--home", str(home)]
    out = home.with_suffix(".out")
    with out.open("ab") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True)
    before = out.read_text().count("Open http")
    wait_until(lambda: process.poll() is not None or out.read_text().count("Open http") > before, seconds=60)
    assert process.poll() is None, out.read_text()
    url = (home / "run" / "up").read_text().splitlines()[0]
    return Up(home, process, Database(url, connections=2))


def stop(up: Up) -> None:
    up.process.send_signal(signal.SIGINT)
    up.process.wait(60)
    up.database.dispose()


def deaths_of(home: Path, name: str) -> int:
    """How often the runner of this home said that the process of that name died."""
    return home.with_suffix(".out").read_text().count(f"{name} was killed")


@pytest.fixture(autouse=True)
def _drop_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "__path__", [*pipelines.__path__, str(DROPIN / "pipelines")])


@contextmanager
def started_up() -> Iterator[Up]:
    # Not pytest's folder: its long name sends the sockets elsewhere, and here they are looked for in the home.
    with tempfile.TemporaryDirectory(prefix="askstephen-") as folder:
        started = start(Path(folder) / "home")
        yield started
        stop(started)
        assert processes_of(started.home) == []


@pytest.fixture(scope="module")
def lasting() -> Iterator[Up]:
    """One for all tests that leave it running, whatever they kill of it: a start costs eight seconds of CPU."""
    with started_up() as up:
        yield up


@pytest.fixture
def up() -> Iterator[Up]:
    """One of the test's own, which it may stop."""
    with started_up() as up:
        yield up


def test_a_killed_workers_step_goes_on_from_its_checkpoint(lasting: Up):
    job_id = lasting.count()
    wait_until(lambda: lasting.is_counting(job_id))
    os.kill(lasting.worker_process("io"), signal.SIGKILL)
    shown = lasting.ends_well(job_id)
    assert shown["steps"][0]["result"]["started_at"] >= 5
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["expired", "succeeded"]
    assert lasting.log(job_id).count("number 0") == 1


def test_a_flushed_redis_loses_no_job(lasting: Up):
    jobs = [lasting.count(to=10) for _ in range(12)]
    wait_until(lambda: any(lasting.is_counting(job_id, 1) for job_id in jobs))
    with redis.Redis.from_url(f"unix://{lasting.home}/run/valkey/s") as client:
        for _ in range(5):
            client.flushall()
    for job_id in jobs:
        lasting.ends_well(job_id)


@pytest.mark.parametrize("server", ["postgres", "valkey"])
def test_a_killed_server_comes_back_and_the_job_ends_well(lasting: Up, server: str):
    job_id = lasting.count()
    wait_until(lambda: lasting.is_counting(job_id))
    os.kill(lasting.process_of(server), signal.SIGKILL)
    shown = lasting.ends_well(job_id)
    assert shown["steps"][0]["result"]["ended_at"] == 40


@pytest.mark.media
@pytest.mark.timeout(240)
def test_an_ingest_ends_well_though_every_process_is_killed_once(up: Up):
    shutil.copyfile(ROOT / "samples" / "clear.mp4", up.home / "watched" / "clear.mp4")
    wait_until(lambda: up.jobs("ingest"), seconds=30)
    [job_id] = up.jobs("ingest")
    os.kill(up.process_of("web"), signal.SIGKILL)
    for queue, step in (("media", "transcode"), ("ai", "transcribe")):
        wait_until(lambda step=step: up.is_running(job_id, step), seconds=60)
        os.kill(up.worker_process(queue), signal.SIGKILL)
    os.kill(up.process_of("scheduler"), signal.SIGKILL)
    with redis.Redis.from_url(f"unix://{up.home}/run/valkey/s") as client:
        client.flushall()
    os.kill(up.process_of("valkey"), signal.SIGKILL)
    os.kill(up.worker_process("io"), signal.SIGKILL)
    up.keeps_what_it_said()
    os.kill(up.process_of("postgres"), signal.SIGKILL)
    shown = up.ends_well(job_id)
    assert {step["name"] for step in shown["steps"] if step["attempt"] > 1} == {"transcode", "transcribe"}
    with up.database.tenant(users.LOCAL_OWNER) as session:
        [video] = videos.list_videos(session)
    assert (video["status"], video["confidentiality_status"]) == ("ready_to_edit", "clear")
    wait_until(lambda: list((up.home / "attempts").iterdir()) == [])


def test_a_killed_runner_leaves_no_process_and_the_next_start_finishes_the_job(up: Up):
    job_id = up.count(to=60)
    wait_until(lambda: up.is_counting(job_id))
    up.process.kill()
    up.process.wait()
    up.database.dispose()
    wait_until(lambda: processes_of(up.home) == [], seconds=20)
    again = start(up.home)
    up.process, up.database = again.process, again.database
    assert up.ends_well(job_id)["steps"][0]["result"]["started_at"] >= 5


def test_what_kills_its_worker_is_quarantined_and_what_ran_beside_it_ends_well(lasting: Up):
    before = deaths_of(lasting.home, "worker")
    with lasting.database.tenant(users.LOCAL_OWNER) as session:
        poison, *beside = (
            enqueue(session, "poison", {"kills": kills, "seconds": 1.0}, owner_id=users.LOCAL_OWNER)
            for kills in (True, False, False, False, False)
        )
    wait_until(lambda: lasting.job(poison)["finished_at"] is not None, seconds=60)
    assert lasting.job(poison)["status"] == "quarantined"
    attempts = lasting.job(poison)["attempts"]
    assert [(attempt["outcome"], attempt["evidence"]["signal"]) for attempt in attempts] == 2 * [("expired", "SIGKILL")]
    assert all(attempt["evidence"]["peak_memory_bytes"] > 1 << 20 for attempt in attempts)
    assert {lasting.ends_well(job_id)["steps"][0]["deaths"] for job_id in beside} == {1}, "they ran beside it, and then alone"
    assert deaths_of(lasting.home, "worker") == before + 1, "the second time it died in a process of its own"


def test_ctrl_c_releases_the_step_and_counts_no_attempt(up: Up):
    job_id = up.count(to=200)
    wait_until(lambda: up.is_counting(job_id))
    began = time.monotonic()
    stop(up)
    assert time.monotonic() - began < 15
    again = start(up.home)
    up.process, up.database = again.process, again.database
    wait_until(lambda: up.is_counting(job_id, 30))
    shown = up.job(job_id)
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["released"]
    assert shown["steps"][0]["attempt"] == 1


def test_a_second_start_on_the_same_home_is_refused_in_words(lasting: Up):
    command = [sys.executable, "-m", "api_stub.cli", "up", "--port", "0", "--home", str(lasting.home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "another `askstephen`" in done.stderr
    assert "Traceback" not in done.stderr
