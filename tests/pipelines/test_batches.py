import contextlib
import dataclasses
import time
from dataclasses import dataclass

from sqlalchemy import text

from core.errors import Conflict
from db import jobs
from db.engine import Database
from pipelines import self_check
from pipelines.base import Pipeline, Unique, enqueue, step
from pipelines.batches import enqueue_batch
from pipelines.context import Context
from testkit import Worker, assert_enqueued, registered
from tests.db.test_batches import at_once


@dataclass(frozen=True, slots=True)
class Tally:
    batch_id: str


@step(queue="io")
def tell(ctx: Context) -> object:
    return ctx.args["batch_id"]


def test_a_batch_runs_and_what_follows_is_told_of_which(database: Database, worker: Worker, owner: str):
    args = [{"mebibytes": 1}, {"mebibytes": 2}]
    with registered(Pipeline("tally", Tally, (tell,))):
        with database.tenant(owner) as session:
            batch_id = enqueue_batch(session, "self_check", args, owner_id=owner, then=("tally", {}))
        worker.drain()
    with database.tenant(owner) as session:
        assert jobs.count_jobs(session, batch_id) == {"succeeded": 2}
        [hook] = assert_enqueued(session, "tally", args=Tally(str(batch_id)), count=1)
        assert jobs.get_batch(session, batch_id)["hook_job_id"] == hook["id"]
    assert worker.job(hook["id"])["steps"][0]["result"] == str(batch_id)


def test_a_job_that_stands_for_another_is_one_of_the_batch(database: Database, owner: str):
    unique = dataclasses.replace(self_check.PIPELINE, name="once", unique=Unique(by=("mebibytes",)))
    with registered(unique), database.tenant(owner) as session:
        there = enqueue(session, "once", {"mebibytes": 1}, owner_id=owner)
        args = [{"mebibytes": 2}, {"mebibytes": 1}, {"mebibytes": 2}]
        batch_id = enqueue_batch(session, "once", args, owner_id=owner)
    with database.jobs() as session:
        assert_enqueued(session, "once", count=2)
        assert jobs.count_jobs(session, batch_id) == {"queued": 2}
        jobs.request_cancel(session, there)
    with database.jobs() as session:
        assert jobs.count_jobs(session, batch_id) == {"cancelled": 1, "queued": 1}


def test_batches_over_the_same_keys_and_the_ends_of_their_jobs_do_not_block_each_other(database: Database, owner: str):
    unique = dataclasses.replace(self_check.PIPELINE, name="once", unique=Unique(by=("mebibytes",)))
    keys = [{"mebibytes": number} for number in range(1, 9)]
    asked: list[int] = []

    def ask() -> None:
        for number in range(10):
            for each in keys[::-1]:  # so that the order of ids, in which ends lock, is not the order of keys
                with database.tenant(owner) as session:
                    enqueue(session, "once", each, owner_id=owner)
            with database.tenant(owner) as session:
                enqueue_batch(session, "once", keys, owner_id=owner)
            asked.append(number)

    def end() -> None:
        while asked.count(9) < 2 and time.monotonic() < deadline:
            with database.jobs() as session, contextlib.suppress(Conflict):
                if batch_id := session.scalar(text("SELECT max(id::text)::uuid FROM jobs.batches WHERE finished_at IS NULL")):
                    jobs.cancel_batch(session, batch_id)

    deadline = time.monotonic() + 60
    with registered(unique):
        at_once(ask, ask, end, end)
    with database.jobs() as session:
        assert jobs.find_violations(session) == []
