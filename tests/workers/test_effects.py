"""Effects on the outside are made once: a real server counts them, and real workers die on the way."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

import pipelines
from core.errors import Refused, Transient
from db import jobs
from db.engine import Database
from pipelines.base import enqueue
from pipelines.context import Context
from testkit import Worker
from tests.workers.test_runner import Bench, bench, fails_with

__all__ = ["bench"]
ROOT = Path(__file__).parents[2]
DROPIN = ROOT / "tests" / "dropin"


class Counting(ThreadingHTTPServer):
    """Counts what is posted to each path. May kill who posts, after it has counted."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.posts: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()
        self.refuses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    server: Counting

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refuses:
            self.answer(403)
            return
        self.server.posts[self.path] += 1
        if victim := self.headers.get("Kill"):
            os.kill(int(victim), signal.SIGKILL)
            return
        self.answer(200)

    def do_GET(self) -> None:
        self.server.looks[self.path] += 1
        self.answer(200 if self.server.posts[self.path] else 404)

    def answer(self, status: int) -> None:
        body = json.dumps({"id": f"made{self.path}"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _dropin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "__path__", [*pipelines.__path__, str(DROPIN / "pipelines")])


def start(database: Database, owner: str, server: Counting, **args: str) -> UUID:
    with database.tenant(owner) as session:
        return enqueue(session, "post_once", {"url": server.url, **args}, owner_id=owner)


def run_and_die(worker: Worker, database_url: str, folder: Path) -> None:
    """Run the one step that is due in a process that is killed, and find that out as the scheduler does."""
    [step_id] = worker.list_due()
    command = [sys.executable, "-m", "tests.workers.one_step", database_url, str(step_id), str(folder)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{DROPIN}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    with worker.database.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET lease_until = now() - interval '1 s' WHERE status = 'running'"))
        assert jobs.rescue(session) == 1


def ledger(database: Database, job_id: UUID) -> list[tuple]:
    with database.jobs() as session:
        return [(row["status"], row["response"]) for row in jobs.list_effects(session, job_id)]


@pytest.mark.parametrize("dies", ["before", "during"])
def test_an_effect_is_made_once_though_its_worker_is_killed(
    worker: Worker, database: Database, database_url: str, owner: str, server: Counting, tmp_path: Path, dies: str
):
    job_id = start(database, owner, server, dies=dies)
    run_and_die(worker, database_url, tmp_path)
    assert ledger(database, job_id) == [("intended", None)]
    worker.drain()
    assert worker.job(job_id)["steps"][0]["result"] == {"id": "made/video:1"}
    assert ledger(database, job_id) == [("made", {"id": "made/video:1"})]
    assert (server.posts, server.looks) == ({"/video:1": 1}, {"/video:1": 1})


def test_without_a_crash_nobody_looks(worker: Worker, database: Database, owner: str, server: Counting):
    job_id = start(database, owner, server)
    worker.drain()
    assert ledger(database, job_id) == [("made", {"id": "made/video:1"})]
    assert (server.posts, server.looks) == ({"/video:1": 1}, {})


def test_a_job_that_means_the_same_effect_gets_its_answer(worker: Worker, database: Database, owner: str, server: Counting):
    start(database, owner, server)
    worker.drain()
    again = start(database, owner, server)
    worker.drain()
    assert worker.job(again)["steps"][0]["result"] == {"id": "made/video:1"}
    assert server.posts == {"/video:1": 1}


def test_another_owners_effect_of_the_same_key_is_another(worker: Worker, database: Database, owner: str, server: Counting):
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES ('bela')"))
    mine, theirs = start(database, owner, server), start(database, "bela", server)
    worker.drain()
    assert server.posts == {"/video:1": 2}
    with database.tenant("bela") as session:
        assert jobs.list_effects(session, mine) == []
        assert len(jobs.list_effects(session, theirs)) == 1


def test_one_that_was_refused_did_not_happen_and_may_be_made_later(
    worker: Worker, database: Database, owner: str, server: Counting
):
    server.refuses = True
    job_id = start(database, owner, server)
    worker.drain()
    assert worker.job(job_id)["error"] == "the server answered 403"
    assert ledger(database, job_id) == [("failed", None)]
    server.refuses = False
    with database.jobs() as session:
        jobs.retry(session, job_id)
    worker.drain()
    assert ledger(database, job_id) == [("made", {"id": "made/video:1"})]
    assert server.looks == {}


def effect(ctx: Context, made: list, *, fails: Exception | None = None, found: object | None = None) -> object:
    def make() -> object:
        made.append(1)
        if fails:
            raise fails
        return {"number": len(made)}

    return ctx.effect("test", key="k", make=make, find=lambda: found)


def test_an_answer_that_was_lost_is_looked_for_before_it_is_made_again(bench: Bench):
    made: list[int] = []
    shown = bench.run(lambda ctx: effect(ctx, made, fails=Transient("the line went dead")))
    assert shown["status"] == "retrying"
    found = {"number": 7}
    shown = bench.run(lambda ctx: effect(ctx, made, found=found))
    assert (shown["steps"][0]["result"], made) == (found, [1])


def test_one_that_is_not_found_is_made_again(bench: Bench):
    made: list[int] = []
    bench.run(lambda ctx: effect(ctx, made, fails=Transient("the line went dead")))
    shown = bench.run(lambda ctx: effect(ctx, made))
    assert (shown["steps"][0]["result"], made) == ({"number": 2}, [1, 1])


def run_beside(bench: Bench, behave: Callable[[Context], object]) -> dict:
    """Run another step while one is running, as another thread of the worker does."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(bench.run, behave).result()


def test_a_step_waits_while_another_makes_the_same(bench: Bench):
    made: list[int] = []

    def behave(ctx: Context) -> object:
        def make() -> object:
            shown = run_beside(bench, lambda other: effect(other, made))
            return {"other": shown["steps"][0]["status"], "attempt": shown["steps"][0]["attempt"]}

        return ctx.effect("test", key="k", make=make, find=lambda: None)

    shown = bench.run(behave)
    assert (shown["steps"][0]["result"], made) == ({"other": "queued", "attempt": 0}, [])


def replace(bench: Bench, ctx: Context) -> None:
    """What a rescue does to an attempt whose worker was silent for too long."""
    with bench.database.jobs() as session:
        assert jobs.holds(session, ctx.held)
        jobs.release(session, ctx.held)


def test_an_attempt_that_was_replaced_makes_nothing(bench: Bench):
    made: list[int] = []

    def behave(ctx: Context) -> object:
        replace(bench, ctx)
        return effect(ctx, made)

    bench.run(behave)
    assert made == []


def test_what_a_replaced_attempt_made_counts_where_nobody_took_over_and_not_where_somebody_did(bench: Bench):
    """The first was made before anybody looked, so that nobody makes it again; of the second, what was found later counts."""
    for taken_over, answer in ((False, {"by": "first"}), (True, {"by": "second"})):
        key, made = f"k{taken_over}", []

        def behave(ctx: Context, key: str = key, made: list = made, taken_over: bool = taken_over) -> object:
            def make() -> object:
                made.append(1)
                replace(bench, ctx)
                if taken_over:
                    found = {"by": "second"}
                    run_beside(bench, lambda other: other.effect("test", key=key, make=dict, find=lambda: found))
                return {"by": "first"}

            return ctx.effect("test", key=key, make=make, find=lambda: None)

        bench.run(behave)
        shown = bench.run(
            lambda ctx, key=key: ctx.effect("test", key=key, make=lambda: pytest.fail("twice"), find=lambda: None)
        )
        assert shown["steps"][0]["result"] == answer


def test_what_cannot_be_looked_for_now_is_not_made_now(bench: Bench):
    made: list[int] = []
    bench.run(lambda ctx: effect(ctx, made, fails=Transient("the line went dead")))

    def look_in_vain(ctx: Context) -> object:
        return ctx.effect("test", key="k", make=lambda: made.append(1), find=lambda: fails_with(Refused("no"))(ctx))

    assert bench.run(look_in_vain)["status"] == "failed"
    assert made == [1]
