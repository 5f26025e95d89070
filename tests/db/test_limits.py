import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import Invalid
from db import jobs
from db.engine import Database
from db.jobs import NewStep, Scope
from tests.db.test_jobs import insert, take


def limit(database: Database, kind: Scope, name: str, most: int | None) -> None:
    with database.jobs() as session:
        jobs.set_limit(session, kind, name, most)


def running(database: Database) -> int:
    with database.jobs() as session:
        return int(session.scalar(text("SELECT count(*) FROM jobs.job_steps WHERE status = 'running'")))


def at_once(tasks: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("queue", "io"), ("pipeline", "p"), ("owner", "local-owner"), ("owner", "*"), ("provider", "tube"), ("provider", "*")],
)
def test_claims_at_once_do_not_exceed_a_limit(database: Database, owner: str, kind: str, name: str):
    limit(database, Scope(kind), name, 3)
    job_ids = [insert(database, owner) for _ in range(10)]

    def claim(job_id: UUID) -> Callable[[], object]:
        return lambda: take(database, job_id)

    at_once([claim(job_id) for job_id in job_ids])
    assert running(database) == 3


def test_a_limit_that_is_taken_away_no_longer_holds(database: Database, owner: str):
    limit(database, Scope.QUEUE, "io", 0)
    job_id = insert(database, owner)
    assert take(database, job_id) is None
    limit(database, Scope.QUEUE, "io", None)
    assert take(database, job_id) is not None


def test_a_limit_of_something_else_does_not_hold(database: Database, owner: str):
    limit(database, Scope.QUEUE, "ai", 0)
    limit(database, Scope.OWNER, "bela", 0)
    limit(database, Scope.PROVIDER, "drive", 0)
    assert take(database, insert(database, owner)) is not None


def test_a_limit_below_zero_is_refused(database: Database):
    with pytest.raises(Invalid):
        limit(database, Scope.QUEUE, "io", -1)


def test_a_limit_of_every_provider_leaves_alone_what_calls_none(database: Database, owner: str):
    limit(database, Scope.PROVIDER, "*", 0)
    assert take(database, insert(database, owner)) is None
    assert take(database, insert(database, owner, [NewStep("first", "io")])) is not None
