import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

import pipelines
from core.errors import Cancelled, ChildDied, Permanent, Refused, Released, Snoozed, Transient
from core.nudge import Nudge
from core.sandbox.run import Sandbox
from core.storage import FolderStorage
from db import jobs, status
from db.engine import Database
from pipelines.base import Pipeline, enqueue, settle, step
from pipelines.context import Context
from testkit import registered
from tests.conftest import let_in
from workers.endings import back_off
from workers.lease import Keeper
from workers.runner import StepRunner

LEASE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class NoArgs:
    """Nothing."""


@dataclass
class Bench:
    """One pipeline of one step whose function the test chooses."""

    database: Database
    runner: StepRunner
    owner: str
    behave: Callable[[Context], object]

    def run(self, behave: Callable[[Context], object]) -> dict:
        self.behave = behave
        with self.database.tenant(self.owner) as session:
            job_id = enqueue(session, "tried", {}, owner_id=self.owner)
        self.runner.run(self.step_id(job_id))
        return self.job(job_id)

    def step_id(self, job_id: UUID) -> UUID:
        return self.job(job_id)["steps"][0]["id"]

    def job(self, job_id: UUID) -> dict:
        with self.database.jobs() as session:
            return status.snapshot(session, job_id)


@pytest.fixture
def bench(database: Database, storage: FolderStorage, sandbox: Sandbox, owner: str, tmp_path) -> Iterator[Bench]:
    runner = StepRunner(database, storage, sandbox, worker_id=uuid4(), scratch=tmp_path / "attempts", lease=LEASE)
    made = Bench(database, runner, owner, lambda _ctx: None)

    @step(queue="io", max_attempts=2)
    def attempt(ctx: Context) -> object:
        return made.behave(ctx)

    with registered(Pipeline("tried", NoArgs, (attempt,))):
        yield made


def fails_with(error: Exception) -> Callable[[Context], object]:
    def behave(_ctx: Context) -> object:
        raise error

    return behave


def test_a_returned_value_is_the_result(bench: Bench):
    shown = bench.run(lambda ctx: {"owner": ctx.held.owner_id})
    assert (shown["status"], shown["steps"][0]["result"]) == ("succeeded", {"owner": bench.owner})


@pytest.mark.parametrize("error", [Permanent("no such folder"), Refused("this is not a video")])
def test_a_permanent_error_fails_the_job_at_once_with_its_words(bench: Bench, error: Exception):
    shown = bench.run(fails_with(error))
    assert (shown["status"], shown["error"], shown["steps"][0]["attempt"]) == ("failed", str(error), 1)


@pytest.mark.parametrize(("word", "kept"), [("name \udcff", "name \\udcff"), ("nu\0l", "nul")])
def test_an_error_whose_words_no_database_takes_fails_the_job_all_the_same(bench: Bench, word: str, kept: str):
    shown = bench.run(fails_with(Permanent(word)))
    assert (shown["status"], shown["error"]) == ("failed", kept)
    assert not bench.runner.held


def test_a_step_whose_end_cannot_be_written_is_left_to_its_lease(bench: Bench):
    shown = bench.run(fails_with(ChildDied("it died", evidence={"stderr": "nu\0l"})))
    assert (shown["status"], dict(bench.runner.held)) == ("running", {})


def test_a_value_that_no_database_takes_is_the_steps_fault(bench: Bench):
    def behave(_ctx: Context) -> None:
        with bench.database.jobs() as session:
            session.execute(text("SELECT :word"), {"word": "nu\0l"})

    shown = bench.run(behave)
    assert (shown["status"], shown["steps"][0]["attempt"]) == ("retrying", 1)


def test_a_transient_error_is_retried_when_the_provider_says(bench: Bench):
    shown = bench.run(fails_with(Transient("busy", retry_after=timedelta(hours=2))))
    [row] = shown["steps"]
    assert shown["status"] == "retrying"
    assert timedelta(minutes=119) < row["available_at"] - row["claimed_at"] < timedelta(minutes=121)


def test_the_last_attempts_transient_error_fails_the_job(bench: Bench):
    shown = bench.run(fails_with(Transient("busy", retry_after=timedelta(0))))
    bench.runner.run(shown["steps"][0]["id"])
    assert bench.job(shown["id"])["error"] == "busy (after 2 attempts)"


def test_a_bug_is_retried_and_shows_no_internals(bench: Bench):
    shown = bench.run(fails_with(KeyError("internal-name")))
    assert shown["status"] == "retrying"
    assert "internal-name" not in str(shown)


@pytest.mark.parametrize("error", [Released("stopping"), Snoozed("later", delay=timedelta(0))])
def test_what_is_nobodys_fault_counts_no_attempt(bench: Bench, error: Exception):
    assert bench.run(fails_with(error))["steps"][0]["attempt"] == 0


def test_a_cancelled_attempt_ends_the_job_and_leaves_no_file(bench: Bench, tmp_path):
    def behave(ctx: Context) -> object:
        (ctx.folder / "partial").write_bytes(b"x")
        raise Cancelled("asked to")

    assert bench.run(behave)["status"] == "cancelled"
    assert list((tmp_path / "attempts").iterdir()) == []


def test_a_step_that_takes_longer_than_its_deadline_is_ended_and_that_counts(bench: Bench):
    def behave(ctx: Context) -> object:
        ctx.deadline_at = 0
        assert ctx.stopping()
        ctx.progress(0.5)
        return "never"

    shown = bench.run(behave)
    assert (shown["status"], shown["steps"][0]["attempt"]) == ("retrying", 1)
    assert "longer than its deadline" in shown["steps"][0]["error"]


def test_an_overdue_step_that_does_not_listen_loses_its_lease_and_its_process_is_told_to_end(bench: Bench):
    leases, told = [], []
    keeper = Keeper(
        bench.runner,
        bench.database,
        worker_id=uuid4(),
        queues=["io"],
        threads=1,
        lease=LEASE,
        on_deaf=lambda: told.append(len(leases)),
    )

    def behave(ctx: Context) -> object:
        for ctx.deadline_at in (time.monotonic() - 30, 0):
            with bench.database.jobs() as session:
                session.execute(text("UPDATE jobs.job_steps SET lease_until = now()"))
            keeper.beat()
            with bench.database.jobs() as session:
                leases.append(session.scalar(text("SELECT lease_until > now() FROM jobs.job_steps")))
        return None

    bench.run(behave)
    assert leases == [True, False]
    assert told == [1], "at the second beat"


@pytest.mark.parametrize(
    ("code", "waits"), [("40P01", False), ("53100", True)], ids=["it broke a deadlock", "its disk is full"]
)
def test_a_step_whose_commit_the_database_cannot_take_now_runs_again_and_counts_no_attempt(
    bench: Bench, code: str, waits: bool
):
    def behave(ctx: Context) -> object:
        with ctx.complete() as session:
            session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"))
        return None

    shown = bench.run(behave)
    assert (shown["status"], shown["steps"][0]["attempt"]) == ("queued", 0)
    with bench.database.jobs() as session:
        assert session.scalar(text("SELECT available_at > now() + interval '1 second' FROM jobs.job_steps")) is waits


def test_how_a_child_died_is_kept_without_secrets(bench: Bench):
    evidence = {"signal": 9, "peak_memory_bytes": 1234, "stderr": "Authorization: Bearer abcdefghijkl"}

    def behave(ctx: Context) -> object:
        keeper = Keeper(bench.runner, bench.database, worker_id=uuid4(), queues=["io"], threads=1, lease=LEASE)
        ctx.progress(0.25, "decoding")
        keeper.beat()
        raise ChildDied("ffmpeg was ended by SIGKILL", evidence=evidence)

    shown = bench.run(behave)
    assert shown["attempts"][0]["evidence"] == {"signal": 9, "peak_memory_bytes": 1234, "progress": 0.25, "doing": "decoding"}
    with bench.database.jobs() as session:
        [told] = status.list_evidence(session, shown["id"])
    assert told["evidence"]["stderr"] == "Authorization: Bearer [redacted]"


def test_a_doubled_hint_runs_the_step_once(bench: Bench):
    runs = []
    shown = bench.run(runs.append)
    bench.runner.run(shown["steps"][0]["id"])
    assert len(runs) == 1


def test_a_hint_for_nothing_does_nothing(bench: Bench):
    bench.runner.run(uuid4())


def test_product_rows_of_a_replaced_attempt_do_not_count(bench: Bench):
    def behave(ctx: Context) -> object:
        with bench.database.jobs() as session:
            jobs.holds(session, ctx.held)
            jobs.release(session, ctx.held)  # as a rescue would
        with ctx.complete() as session:
            session.connection().exec_driver_sql("UPDATE public.users SET notes = 'written by a ghost'")
        return None

    bench.run(behave)
    with bench.database.jobs() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM public.users WHERE notes IS NOT NULL").scalar() == 0


def test_the_keeper_carries_progress_out_and_the_wish_to_stop_in(bench: Bench):
    keeper = Keeper(bench.runner, bench.database, worker_id=uuid4(), queues=["io"], threads=1, lease=LEASE)
    seen = {}

    def behave(ctx: Context) -> object:
        ctx.progress(0.5, "half way")
        with bench.database.jobs() as session:
            jobs.request_cancel(session, ctx.held.job_id)
        keeper.beat()
        seen.update(bench.job(ctx.held.job_id)["steps"][0])
        ctx.progress(0.6)
        return "never"

    assert bench.run(behave)["status"] == "cancelled"
    assert (seen["progress"], seen["progress_message"]) == (0.5, "half way")


def test_a_retry_is_decided_though_redis_is_away(bench: Bench, database_url: str):
    """Of a peer, a retry that could not be written to Redis was swallowed, and the message acknowledged."""
    with Database(database_url, connections=4, nudge=Nudge("unix:///nowhere/at/all"), settle=settle) as alone:
        bench.database = bench.runner._database = alone
        shown = bench.run(fails_with(Transient("busy", retry_after=timedelta(0))))
        assert shown["status"] == "retrying"
        bench.behave = lambda _ctx: "well"
        bench.runner.run(shown["steps"][0]["id"])
        assert bench.job(shown["id"])["status"] == "succeeded"


def test_a_deadline_ends_the_child_that_the_step_waits_for(bench: Bench, tmp_path):
    """Of a peer, a limit of two seconds was an exception that waited until a child of eight had ended."""

    def behave(ctx: Context) -> object:
        ctx.deadline_at = time.monotonic() + 0.2
        return ctx.run(["sleep", "60"])

    let_in(tmp_path)
    began = time.monotonic()
    shown = bench.run(behave)
    assert time.monotonic() - began < 20
    assert "longer than its deadline" in shown["steps"][0]["error"]


def test_a_step_that_takes_many_leases_runs_once(bench: Bench):
    """Of a peer, a busy worker did not beat: a job that took longer than its time-out ran on four workers."""
    bench.runner._lease = timedelta(seconds=0.6)
    keeper = Keeper(bench.runner, bench.database, worker_id=uuid4(), queues=["io"], threads=1, lease=bench.runner._lease)
    rescued = []

    def behave(_ctx: Context) -> object:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            with bench.database.jobs() as session:
                rescued.append(jobs.rescue(session))
        return None

    keeper.start()
    shown = bench.run(behave)
    keeper.stop()
    assert (shown["status"], shown["steps"][0]["attempt"]) == ("succeeded", 1)
    assert not any(rescued)


def test_a_worker_that_is_to_stop_begins_nothing(bench: Bench):
    bench.runner.stop()
    shown = bench.run(lambda _ctx: "began")
    assert (shown["status"], shown["steps"][0]["attempt"]) == ("queued", 0)


def test_what_is_being_claimed_when_a_worker_stops_is_waited_for_and_given_back(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    claimed, go_on = threading.Event(), threading.Event()
    claim_many = jobs.claim_many

    def claim_slowly(session, step_ids, **how):
        claims = claim_many(session, step_ids, **how)
        claimed.set()
        assert go_on.wait(10)
        return claims

    monkeypatch.setattr(jobs, "claim_many", claim_slowly)
    ran: list[Context] = []
    shown: list[dict] = []
    thread = threading.Thread(target=lambda: shown.append(bench.run(ran.append)))
    thread.start()
    assert claimed.wait(10)
    bench.runner.stop()
    assert bench.runner.is_busy()
    go_on.set()
    thread.join(10)
    assert not bench.runner.is_busy()
    assert (ran, shown[0]["status"], shown[0]["steps"][0]["attempt"]) == ([], "queued", 0)


@pytest.mark.parametrize(("deadline_in", "status", "attempt"), [(60, "queued", 0), (-1, "succeeded", 1)])
def test_a_step_that_does_not_listen_is_given_back_uncounted_when_its_process_ends_if_it_had_time_left(
    bench: Bench, deadline_in: float, status: str, attempt: int
):
    began, go_on = threading.Event(), threading.Event()

    def behave(ctx: Context) -> str:
        ctx.deadline_at = time.monotonic() + deadline_in
        began.set()
        assert go_on.wait(10)
        return "too late"

    shown: list[dict] = []
    thread = threading.Thread(target=lambda: shown.append(bench.run(behave)))
    thread.start()
    assert began.wait(10)
    bench.runner.stop()
    bench.runner.give_up()
    go_on.set()
    thread.join(10)
    [step] = shown[0]["steps"]
    assert (step["status"], step["attempt"]) == (status, attempt)


def test_of_two_that_do_not_listen_one_is_given_back_though_the_other_is_locked(bench: Bench):
    began, go_on = threading.Semaphore(0), threading.Event()

    def behave(_ctx: Context) -> None:
        began.release()
        assert go_on.wait(10)

    threads = [threading.Thread(target=bench.run, args=(behave,)) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert began.acquire(timeout=10)
    locked, free = (ctx.held.job_id for ctx in bench.runner.held.values())
    bench.runner.stop()
    with bench.database.jobs() as hanging:
        hanging.execute(text("SELECT 1 FROM jobs.jobs WHERE id = :id FOR UPDATE"), {"id": locked})
        bench.runner.give_up()
        assert [bench.job(job_id)["status"] for job_id in (locked, free)] == ["running", "queued"]
    go_on.set()
    for thread in threads:
        thread.join(10)


def test_a_step_that_this_worker_does_not_know_is_kept_for_one_that_does(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """Of a peer, a job whose function could not be imported was deleted."""
    with bench.database.tenant(bench.owner) as session:
        job_id = enqueue(session, "tried", {}, owner_id=bench.owner)
    with monkeypatch.context() as older:
        older.setattr(pipelines, "__path__", pipelines.__path__[:-1])
        bench.runner.run(bench.step_id(job_id))
    [row] = bench.job(job_id)["steps"]
    assert (row["status"], row["attempt"]) == ("queued", 0)
    assert "tried" in row["error"]
    with bench.database.jobs() as session:
        session.execute(text("UPDATE jobs.job_steps SET available_at = now()"))
    bench.runner.run(row["id"])
    assert bench.job(job_id)["status"] == "succeeded"


def test_the_delay_between_attempts_doubles_up_to_five_minutes():
    assert 1.6 <= back_off(1).total_seconds() <= 2.4
    assert 12.8 <= back_off(4).total_seconds() <= 19.2
    assert back_off(60).total_seconds() <= 360
