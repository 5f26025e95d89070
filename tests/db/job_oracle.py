"""The rows of jobs beside what the model says of them: compared after every transaction."""

import operator
from dataclasses import dataclass
from uuid import UUID, uuid4

from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import Row as Found
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import jobs
from db.engine import Database
from db.jobs import Claim, NewStep
from tests.db.job_model import AGAIN, MOVES, STARTS, Job, Place, Row


@dataclass
class Held:
    """A claim that was made at some time, and the row that it was made of."""

    claim: Claim
    job: Job
    row: Row

    @property
    def is_live(self) -> bool:
        return self.row.status == "running" and self.row.claim_id == self.claim.claim_id


@dataclass
class Waiting:
    """Who holds a unique key, and what is to run after it."""

    job_id: UUID
    again: list[NewStep] | None = None


class Compared(RuleBasedStateMachine):
    """The jobs of one example. A rule is a transaction, done to the database and to the model."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[UUID, Job] = {}
        self.ids: dict[tuple[UUID, Place], UUID] = {}
        self.claims: list[Held] = []
        self.keys: dict[str, Waiting] = {}
        self.written: set[UUID] = set()  # claims whose product rows count
        self.run = uuid4().hex
        self.seen: dict[UUID, Found] = {}
        self.statuses: dict[UUID, str] = {}
        self.retried: UUID | None = None

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        with self.database.jobs() as session:
            self._free_keys(session)
            found = self._read(session, "SELECT * FROM jobs.jobs WHERE id = ANY(:ids)")
            steps = self._read(session, "SELECT *, available_at <= now() AS due FROM jobs.job_steps WHERE job_id = ANY(:ids)")
            ended = self._read(
                session,
                """SELECT a.step_id, a.claim_id, a.outcome FROM jobs.job_attempts a JOIN jobs.job_steps s ON s.id = a.step_id
                WHERE s.job_id = ANY(:ids)""",
            )
            keys = session.execute(text("SELECT key, job_id FROM jobs.unique_keys WHERE pipeline = :run"), {"run": self.run})
            assert {row.key.partition("\n")[2]: row.job_id for row in keys} == {
                key: waiting.job_id for key, waiting in self.keys.items()
            }
            assert jobs.find_violations(session) == []
        self.ids = {(row.job_id, (row.name, row.part)): row.id for row in steps}
        assert {row.id: (row.status, row.error, row.finished_at is not None) for row in found} == {
            job_id: (job.status, job.error, job.has_ended) for job_id, job in self.jobs.items()
        }
        assert {(row.job_id, (row.name, row.part)): _of_database(row) for row in steps} == {
            (job_id, place): _of_model(row) for job_id, job in self.jobs.items() for place, row in job.rows.items()
        }
        assert sorted((row.step_id, row.claim_id, row.outcome) for row in ended) == sorted(
            (self.ids[job_id, place], claim_id, outcome)
            for job_id, job in self.jobs.items()
            for place, row in job.rows.items()
            for claim_id, outcome in row.timeline.items()
        )
        self._check_moves(found, steps)

    def _free_keys(self, session: Session) -> None:
        """The keys of jobs that ended are free, or held by the job that was to run after: the database knows its id."""
        for key, held in list(self.keys.items()):
            if self.jobs[held.job_id].has_ended:
                del self.keys[key]
                if held.again is not None:
                    statement = text("SELECT job_id FROM jobs.unique_keys WHERE pipeline = :run AND key LIKE '%' || :key")
                    job_id = session.scalar(statement, {"run": self.run, "key": key})
                    self.keys[key] = Waiting(job_id)
                    self.jobs[job_id] = Job(held.again, key)

    def _check_moves(self, found: list[Found], steps: list[Found]) -> None:
        moved = set()
        for row in steps:
            was = self.statuses.get(row.id, row.status)
            if was != row.status:
                moved.add(row.job_id)
                assert row.status in MOVES.get(was, AGAIN if row.job_id == self.retried else set())
        for row in found:
            before = self.seen.get(row.id)
            if before is not None:
                shown = operator.attrgetter("status", "error", "cancel_requested_at", "finished_at")
                assert row.version >= before.version + (row.id in moved or shown(row) != shown(before))
        self.statuses = {row.id: row.status for row in steps}
        self.seen = {row.id: row for row in found}
        self.retried = None

    def _read(self, session: Session, statement: str) -> list[Found]:
        return list(session.execute(text(statement), {"ids": list(self.jobs)}))


def _of_database(row: Found) -> tuple:
    due = row.due if row.status in STARTS else None
    return row.status, row.attempt, row.deaths, row.claim_id, row.checkpoint, row.input, row.error, due


def _of_model(row: Row) -> tuple:
    due = row.due if row.status in STARTS else None
    return row.status, row.attempt, row.deaths, row.claim_id, row.checkpoint, row.input, row.error, due
