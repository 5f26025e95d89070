import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from core.errors import Invalid
from db import jobs
from db.engine import Database
from db.jobs import NewStep, Scope, Success
from tests.db.test_jobs import LEASE, expire, insert, take
from tests.properties import effort


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


def test_what_a_lost_worker_held_under_a_limit_is_free_again(database: Database, owner: str):
    """Of a peer, a permit that a crash leaked was kept alive by every try to get it."""
    limit(database, Scope.QUEUE, "io", 1)
    lost, waiting = insert(database, owner), insert(database, owner)
    assert take(database, lost)
    assert take(database, waiting) is None
    with database.jobs() as session:
        expire(session, lost)
        jobs.rescue(session)
    assert take(database, waiting)
    assert take(database, lost) is None


def test_a_limit_below_zero_is_refused(database: Database):
    with pytest.raises(Invalid):
        limit(database, Scope.QUEUE, "io", -1)


def test_a_limit_of_every_provider_leaves_alone_what_calls_none(database: Database, owner: str):
    limit(database, Scope.PROVIDER, "*", 0)
    assert take(database, insert(database, owner)) is None
    assert take(database, insert(database, owner, [NewStep("first", "io")])) is not None


Kind = tuple[str, str, str]  # queue, pipeline and owner
Limits = dict[tuple[Scope, str], int]
KINDS = st.tuples(st.sampled_from(["io", "web"]), st.sampled_from(["p", "q"]), st.sampled_from(["anna", "bela"]))
NAMED = st.sampled_from(
    [(Scope.QUEUE, "io"), (Scope.QUEUE, "*"), (Scope.PIPELINE, "p"), (Scope.OWNER, "anna"), (Scope.OWNER, "*")]
)


@settings(effort(12))
@given(
    limits=st.dictionaries(NAMED, st.integers(0, 4), min_size=1, max_size=3),
    kinds=st.lists(KINDS, min_size=4, max_size=16),
    size=st.integers(1, 5),
    ending=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_however_many_claim_no_limit_is_passed_and_what_has_room_runs(
    database: Database, limits: Limits, kinds: list[Kind], size: int, ending: bool, chance: random.Random
):
    steps = prepare(database, limits, kinds)
    passed: list[list[Kind]] = []

    def claimer(step_ids: Iterator[UUID]) -> Callable[[], None]:
        def run() -> None:
            while hint := list(islice(step_ids, size)):
                claims = claim(database, hint)
                if not fits(limits, running_kinds(database)):
                    passed.append(running_kinds(database))
                if ending:
                    with database.jobs() as session:
                        jobs.succeed(session, [Success(held, [NewStep("s", "io")]) for held in claims[::2]])

        return run

    at_once([claimer(iter(chance.sample(list(steps), len(steps)))) for _ in range(4)])
    if ending:  # what an end made room for after it had been refused is hinted again
        claim(database, list(steps))
    assert not passed
    runs = running_kinds(database)
    assert fits(limits, runs)
    for step_id in queued(database):
        assert not fits(limits, [*runs, steps[step_id]])


def prepare(database: Database, limits: Limits, kinds: list[Kind]) -> dict[UUID, Kind]:
    with database.jobs() as session:
        for statement in ("DELETE FROM jobs.jobs", "DELETE FROM jobs.limits"):
            session.execute(text(statement))
        for (scope, name), most in limits.items():
            jobs.set_limit(session, scope, name, most)
        session.execute(text("INSERT INTO users (id) VALUES ('anna'), ('bela') ON CONFLICT DO NOTHING"))
        for queue, pipeline, owner in kinds:
            new = {"pipeline": pipeline, "owner_id": owner, "args": {}, "subject": None}
            jobs.insert_job(session, **new, steps=[NewStep("s", queue)])
        return {row[0]: row[1:] for row in session.execute(text("SELECT id, queue, pipeline, owner_id FROM jobs.job_steps"))}


def claim(database: Database, hint: list[UUID]) -> list[jobs.Claim]:
    """As a worker does: together, and what came not with the others by itself."""
    worker = {"worker_id": uuid4(), "lease": LEASE}
    with database.jobs() as session:
        claims = jobs.claim_many(session, hint, **worker)
    left = set(hint) - {held.step_id for held in claims}
    while left:
        with suppress(OperationalError), database.jobs() as session:  # another held the lock for a second: it is hinted again
            one = jobs.claim(session, min(left), **worker)
            claims += [one] if one else []
            left.remove(min(left))
    return claims


def running_kinds(database: Database) -> list[Kind]:
    statement = text("SELECT queue, pipeline, owner_id FROM jobs.job_steps WHERE status = 'running'")
    with database.jobs() as session:
        return [tuple(row) for row in session.execute(statement)]


def queued(database: Database) -> list[UUID]:
    with database.jobs() as session:
        return list(session.execute(text("SELECT id FROM jobs.job_steps WHERE status = 'queued'")).scalars())


def fits(limits: Limits, runs: list[Kind]) -> bool:
    for at, scope in enumerate((Scope.QUEUE, Scope.PIPELINE, Scope.OWNER)):
        for name in {kind[at] for kind in runs}:
            most = limits.get((scope, name), limits.get((scope, "*"), len(runs)))
            if sum(kind[at] == name for kind in runs) > most:
                return False
    return True
