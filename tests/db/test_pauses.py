from datetime import UTC, datetime

import pytest

from core.errors import Invalid, NotFound
from db import jobs
from db.engine import Database
from db.jobs import Scope
from db.why import why_not_running
from tests.db.test_jobs import TWO, insert, succeed, take


def pause(database: Database, kind: Scope, name: str, *, drain: bool = False) -> None:
    with database.jobs() as session:
        jobs.pause(session, kind, name, paused_by="anna", drain=drain)


@pytest.mark.parametrize(("kind", "name"), [("queue", "io"), ("pipeline", "p"), ("owner", "local-owner"), ("provider", "tube")])
def test_nothing_of_it_starts_until_it_is_resumed(database: Database, owner: str, kind: str, name: str):
    job_id = insert(database, owner)
    pause(database, Scope(kind), name)
    assert take(database, job_id) is None
    with database.jobs() as session:
        jobs.resume(session, Scope(kind), name)
    assert take(database, job_id) is not None


@pytest.mark.parametrize(
    ("kind", "name"),
    [("queue", "ai"), ("pipeline", "other"), ("owner", "p"), ("pipeline", "local-owner"), ("provider", "drive")],
)
def test_what_is_not_of_it_starts(database: Database, owner: str, kind: str, name: str):
    pause(database, Scope(kind), name)
    assert take(database, insert(database, owner)) is not None


def test_draining_lets_what_has_begun_come_to_its_end(database: Database, owner: str):
    begun, waiting = insert(database, owner), insert(database, owner)
    held = take(database, begun)
    pause(database, Scope.PIPELINE, "p", drain=True)
    assert take(database, waiting) is None
    succeed(database, held, TWO)
    assert take(database, begun, "second") is not None


def test_a_queue_that_is_not_there_cannot_be_paused(database: Database):
    with pytest.raises(Invalid, match="no queue 'oi'"):
        pause(database, Scope.QUEUE, "oi")


def test_what_is_not_paused_cannot_be_resumed(database: Database):
    with database.jobs() as session, pytest.raises(NotFound, match="queue io is not paused"):
        jobs.resume(session, Scope.QUEUE, "io")


def test_the_last_word_on_a_pause_counts(database: Database):
    pause(database, Scope.QUEUE, "io")
    pause(database, Scope.QUEUE, "io", drain=True)
    with database.jobs() as session:
        [found] = jobs.list_pauses(session)
    assert (found.kind, found.name, found.drain, found.paused_by) == (Scope.QUEUE, "io", True, "anna")


def test_why_a_job_waits_names_the_pause(database: Database, owner: str):
    job_id = insert(database, owner)
    with database.jobs() as session:
        jobs.pause(session, Scope.OWNER, owner, paused_by="anna", reason="unpaid")
        why = why_not_running(session, job_id, now=datetime.now(UTC))
    assert why
    assert why.operators.startswith("this owner's work is paused since 20")
    assert why.operators.endswith("UTC: unpaid")
