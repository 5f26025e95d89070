from uuid import UUID

import pytest
from sqlalchemy import text

from db import jobs
from db.engine import Database
from db.eta import in_words, list_places
from tests.db.test_jobs import insert, steps_of, take


@pytest.fixture
def other(database: Database) -> str:
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id, first_name) VALUES ('other', 'Other') ON CONFLICT DO NOTHING"))
    return "other"


def measured(database: Database, seconds: float) -> None:
    with database.jobs() as session:
        jobs.keep_times(session, {("p", "first"): (1, seconds)})


def seconds_to_start(database: Database, job_id: UUID, threads: int = 1) -> float | None:
    with database.jobs() as session:
        [place] = list_places(session, [steps_of(database, job_id)["first", 0]["id"]]).values()
    return place.seconds_to_start(threads)


def test_what_runs_and_what_comes_before_is_counted_by_its_usual_time(database: Database, owner: str):
    running, _, _, last = (insert(database, owner) for _ in range(4))
    take(database, running)
    measured(database, 60)
    assert seconds_to_start(database, last) == pytest.approx(180, abs=5)
    assert seconds_to_start(database, last, threads=2) == pytest.approx(90, abs=3)


def test_a_step_that_was_never_measured_makes_no_guess(database: Database, owner: str):
    _, last = insert(database, owner), insert(database, owner)
    assert seconds_to_start(database, last) is None


def test_another_owner_with_a_thousand_steps_delays_by_its_share_only(database: Database, owner: str, other: str):
    for _ in range(30):
        insert(database, other)
    _, last = insert(database, owner), insert(database, owner)
    measured(database, 60)
    assert seconds_to_start(database, last) == pytest.approx(120, abs=5)
    with database.jobs() as session:
        jobs.set_weight(session, other, 3)
    assert seconds_to_start(database, last) == pytest.approx(240, abs=5)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "less than a minute"), (60, "about 1 minute"), (240, "about 4 minutes"), (7200, "about 2 hours")],
)
def test_guesses_are_told_in_round_words(seconds: float, words: str):
    assert in_words(seconds) == words
