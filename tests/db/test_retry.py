from db import jobs, status
from db.jobs import NewStep
from tests.db.test_jobs import FAN, fail, insert, statuses, succeed, take


def test_a_retry_runs_only_what_did_not_succeed(database, owner):
    job_id = insert(database, owner)
    succeed(database, take(database, job_id))
    held = take(database, job_id, "second")
    with database.jobs() as session:
        jobs.holds(session, held)
        jobs.fail(session, held, error="no")
    with database.jobs() as session:
        jobs.retry(session, job_id)
    assert statuses(database, job_id) == {"job": "running", "first": "succeeded", "second": "queued"}


def test_a_retry_from_a_step_runs_all_after_it_with_new_parts(database, owner):
    job_id = insert(database, owner, FAN)
    succeed(database, take(database, job_id, "split"), FAN, parts=[1, 2, 3])
    for part in range(3):
        succeed(database, take(database, job_id, "part", part), FAN)
    succeed(database, take(database, job_id, "join"), FAN)
    with database.jobs() as session:
        jobs.retry(session, job_id, step="split")
    succeed(database, take(database, job_id, "split"), FAN, parts=[7])
    assert statuses(database, job_id) == {"job": "running", "split": "succeeded", "part": "queued", "join": "waiting"}
    assert take(database, job_id, "part").input == 7


def test_a_retry_leaves_the_parts_that_succeeded(database, owner):
    job_id = insert(database, owner, FAN)
    succeed(database, take(database, job_id, "split"), FAN, parts=[1, 2])
    succeed(database, take(database, job_id, "part", 0), FAN)
    fail(database, take(database, job_id, "part", 1))
    with database.jobs() as session:
        jobs.retry(session, job_id)
    assert statuses(database, job_id) == {
        "job": "running",
        "split": "succeeded",
        "part": "succeeded",
        "part1": "queued",
        "join": "waiting",
    }


def test_a_retry_from_a_step_runs_again_what_else_kept_the_job_from_its_end(database, owner):
    steps = [NewStep("first", "io"), NewStep("second", "io")]
    job_id = insert(database, owner, steps)
    fail(database, take(database, job_id))
    assert statuses(database, job_id) == {"job": "failed", "first": "failed", "second": "cancelled"}
    with database.jobs() as session:
        jobs.retry(session, job_id, step="first")
    assert statuses(database, job_id) == {"job": "queued", "first": "queued", "second": "queued"}


def test_a_retry_forgets_no_attempt_and_no_checkpoint_but_those_of_another_input(database, owner):
    job_id = insert(database, owner)
    succeed(database, take(database, job_id))
    held = take(database, job_id, "second")
    with database.jobs() as session:
        jobs.save_checkpoint(session, held, {"at": 7})
    fail(database, held)
    with database.jobs() as session:
        jobs.retry(session, job_id)
    held = take(database, job_id, "second")
    assert held.checkpoint == {"at": 7}
    fail(database, held)
    with database.jobs() as session:
        jobs.retry(session, job_id, step="first")
    succeed(database, take(database, job_id))
    assert take(database, job_id, "second").checkpoint is None
    with database.jobs() as session:
        kept = sorted((row["step"], row["outcome"]) for row in status.list_attempts(session, job_id))
    assert kept == [("first", "succeeded"), ("second", "failed"), ("second", "failed")]
