import json
import threading
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from core.errors import AskStephenError, Conflict, NotFound
from core.ids import new_id
from db import jobs, status
from db.engine import Database
from db.jobs import Hook, NewStep, Success
from tests.db.test_jobs import LEASE

ONE = [NewStep("first", "io")]
HOOK = Hook("self_check", {"mebibytes": 7})


def insert(database: Database, owner: str, count: int, hook: Hook | None = HOOK) -> tuple[UUID, list[UUID]]:
    with database.tenant(owner) as session:
        ids = jobs.insert_jobs(session, pipeline="p", owner_id=owner, args=[{}] * count, steps=ONE, subject="s")
        batch_id = new_id()
        jobs.insert_batch(session, batch_id, owner_id=owner, pipeline="p", priority=1, job_ids=ids, hook=hook)
    return batch_id, ids


def claimed(database: Database, job_ids: list[UUID]) -> list[jobs.Claim]:
    with database.jobs() as session:
        steps = [status.list_steps(session, job_id)[0]["id"] for job_id in job_ids]
        return jobs.claim_many(session, steps, worker_id=uuid4(), lease=LEASE)


def succeed(database: Database, held: list[jobs.Claim]) -> None:
    with database.jobs() as session:
        jobs.succeed(session, [Success(claim, ONE, json.dumps(1)) for claim in held])


def cancel(database: Database, job_id: UUID) -> None:
    with database.jobs() as session:
        jobs.request_cancel(session, job_id)


def batch(database: Database, batch_id: UUID) -> dict:
    with database.jobs() as session:
        counts = jobs.count_jobs(session, batch_id)
        return {**jobs.get_batch(session, batch_id), "counts": counts, "status": jobs.status_of(counts)}


def hooks(database: Database) -> list[dict]:
    with database.jobs() as session:
        return [dict(row) for row in status.list_jobs(session, pipeline="self_check", limit=200)]


def at_once(*deeds: Callable[[], object]) -> None:
    barrier = threading.Barrier(len(deeds))
    errors = []

    def do(deed: Callable[[], object]) -> None:
        barrier.wait()
        try:
            deed()
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=do, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_the_hook_follows_the_last_job_and_no_job_before_it(database: Database, owner: str):
    batch_id, ids = insert(database, owner, 2)
    first, second = claimed(database, ids)
    succeed(database, [first])
    now = batch(database, batch_id)
    assert (now["status"], now["finished_at"], now["counts"]) == ("running", None, {"running": 1, "succeeded": 1})
    assert not hooks(database)
    succeed(database, [second])
    now, [hook] = batch(database, batch_id), hooks(database)
    assert (now["status"], now["counts"], now["hook_job_id"]) == ("succeeded", {"succeeded": 2}, hook["id"])
    assert now["finished_at"] is not None
    assert (hook["owner_id"], hook["args"]) == (owner, {"mebibytes": 7})


def test_the_last_two_ends_at_once_are_followed_once(database: Database, owner: str):
    for _ in range(5):
        batch_id, ids = insert(database, owner, 8)
        at_once(*(lambda claim=claim: succeed(database, [claim]) for claim in claimed(database, ids)))
        assert batch(database, batch_id)["finished_at"] is not None
    assert len(hooks(database)) == 5


def test_groups_that_end_jobs_of_several_batches_in_opposite_orders_do_not_block_each_other(database: Database, owner: str):
    made = [insert(database, owner, 6) for _ in range(4)]
    held = [claimed(database, ids) for _, ids in made]
    groups = [[claims[member] for claims in (held if member % 2 else held[::-1])] for member in range(6)]
    at_once(*(lambda group=group: succeed(database, group) for group in groups))
    assert all(batch(database, batch_id)["counts"] == {"succeeded": 6} for batch_id, _ in made)
    assert len(hooks(database)) == 4


def test_ends_and_a_cancel_of_the_whole_batch_at_once_are_followed_once(database: Database, owner: str):
    batch_id, ids = insert(database, owner, 8)
    held = claimed(database, ids[:4])

    def cancel_all() -> None:
        with database.jobs() as session:
            jobs.cancel_batch(session, batch_id)

    at_once(cancel_all, *(lambda claim=claim: succeed(database, [claim]) for claim in held))
    assert batch(database, batch_id)["counts"] == {"cancelled": 4, "succeeded": 4}
    assert len(hooks(database)) == 1


def test_a_job_that_runs_again_opens_its_batch_and_the_hook_stays_one(database: Database, owner: str):
    batch_id, ids = insert(database, owner, 2)
    cancel(database, ids[0])
    succeed(database, claimed(database, ids[1:]))
    assert batch(database, batch_id)["status"] == "cancelled"
    with database.jobs() as session:
        jobs.retry(session, ids[0])
    again = batch(database, batch_id)
    assert (again["status"], again["finished_at"]) == ("running", None)
    succeed(database, claimed(database, ids[:1]))
    again = batch(database, batch_id)
    assert again["status"] == "succeeded"
    assert again["finished_at"] is not None
    assert len(hooks(database)) == 1


def test_a_batch_does_not_wait_for_jobs_that_were_removed(database: Database, owner: str):
    batch_id, ids = insert(database, owner, 2)
    succeed(database, claimed(database, ids[:1]))
    with database.jobs() as session:
        jobs.delete_jobs(session, "s", owner_id=owner)
    assert batch(database, batch_id)["counts"] == {"removed": 2}
    assert len(hooks(database)) == 1


def test_a_job_of_two_batches_ends_both(database: Database, owner: str):
    first, ids = insert(database, owner, 1)
    second = new_id()
    with database.tenant(owner) as session:
        jobs.insert_batch(session, second, owner_id=owner, pipeline="p", priority=1, job_ids=ids, hook=None)
    succeed(database, claimed(database, ids))
    assert batch(database, first)["finished_at"] == batch(database, second)["finished_at"]


def test_a_hook_that_cannot_be_enqueued_is_told_and_undoes_no_end(database: Database, owner: str):
    batch_id, ids = insert(database, owner, 1, Hook("gone", {}))
    succeed(database, claimed(database, ids))
    ended = batch(database, batch_id)
    assert ended["status"] == "succeeded"
    assert "no pipeline 'gone'" in ended["hook_error"]


def test_a_batch_that_has_ended_cannot_be_cancelled(database: Database, owner: str):
    batch_id, ids = insert(database, owner, 1)
    succeed(database, claimed(database, ids))
    with database.jobs() as session, pytest.raises(Conflict, match="ended already"):
        jobs.cancel_batch(session, batch_id)


def test_another_user_neither_sees_a_batch_nor_puts_jobs_into_it(database: Database, owner: str):
    batch_id, ids = insert(database, owner, 1)
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES ('bela')"))
    with database.tenant("bela") as session, pytest.raises(NotFound):
        jobs.get_batch(session, batch_id)
    with database.tenant("bela") as session:
        assert jobs.count_jobs(session, batch_id) == {}
    with pytest.raises(Exception, match="row-level security"), database.tenant("bela") as session:
        jobs.insert_batch(session, new_id(), owner_id="bela", pipeline="p", priority=1, job_ids=ids, hook=None)


ACTS = st.lists(st.tuples(st.sampled_from(["succeed", "cancel", "retry", "cancel_batch"]), st.integers(0, 2)), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_whatever_happens_a_batch_has_ended_exactly_when_none_of_its_jobs_is_live(database: Database, owner: str, acts: list):
    before = len(hooks(database))
    batch_id, ids = insert(database, owner, 3)
    ever_ended = False
    for act, number in acts:
        try:
            match act:
                case "succeed":
                    succeed(database, claimed(database, ids[number : number + 1]))
                case "cancel":
                    cancel(database, ids[number])
                case "retry":
                    with database.jobs() as session:
                        jobs.retry(session, ids[number])
                case _:
                    with database.jobs() as session:
                        jobs.cancel_batch(session, batch_id)
        except AskStephenError:
            pass
        with database.jobs() as session:
            live = any(status.get_job(session, job_id)["finished_at"] is None for job_id in ids)
        ever_ended |= not live
        assert (batch(database, batch_id)["finished_at"] is None) == live
        assert len(hooks(database)) - before == ever_ended
