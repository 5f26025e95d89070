from uuid import uuid4

from sqlalchemy import text

from db.engine import Database
from pipelines.base import enqueue
from testkit import Worker
from workers.scratch import prune_scratch


def test_the_folder_of_an_attempt_that_is_over_is_removed(database: Database, worker: Worker):
    left = worker.scratch / uuid4().hex
    left.mkdir(parents=True)
    (left / "half.mp4").touch()
    assert prune_scratch(database, worker.scratch) == 1
    assert not left.exists()


def test_the_folder_of_a_running_attempt_stays(database: Database, worker: Worker, owner: str):
    with database.tenant(owner) as session:
        enqueue(session, "self_check", {}, owner_id=owner)
    claim_id = uuid4()
    with database.jobs() as session:
        statement = text("UPDATE jobs.job_steps SET status = 'running', claim_id = :claim_id WHERE name = 'write_sample'")
        session.execute(statement, {"claim_id": claim_id})
    (worker.scratch / claim_id.hex).mkdir(parents=True)
    assert prune_scratch(database, worker.scratch) == 0


def test_what_is_not_an_attempts_folder_is_left_alone(database: Database, worker: Worker):
    (worker.scratch / "notes").mkdir(parents=True)
    assert prune_scratch(database, worker.scratch) == 0
    assert (worker.scratch / "notes").exists()


def test_a_scratch_folder_that_is_not_there_is_fine(database: Database, worker: Worker):
    assert prune_scratch(database, worker.scratch / "absent") == 0
