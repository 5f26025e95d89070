"""Whatever order jobs are claimed, ended, lost, stopped and run again in, rows are what the model says, and moved as they may."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.errors import Conflict
from db import jobs, users
from db.engine import Database
from db.jobs import NewStep, OnConflict, Renewal, Rows, Success
from db.jobs.losses import DEATHS_BEFORE_QUARANTINE
from tests.db.job_model import STARTS, Job, Row
from tests.db.job_oracle import Compared, Held, Waiting
from tests.properties import effort

LEASE = timedelta(hours=1)
NEVER = timedelta(days=1)
OWNER = users.LOCAL_OWNER
Item = TypeVar("Item")
KEYS = ("one", "two")
WAYS = ["fail", "fail", "retry", "retry later", "release", "snooze", "cancel"]
PARTS = st.lists(st.integers(0, 9), max_size=3)
MOST_JOBS = 8


# A product row that tells which claims counted; the divisor 0 rolls the transaction back.
WRITE = text(
    "UPDATE public.users SET notes = concat(notes, CAST(:claim AS text), ' ') WHERE id = :id AND 1 / CAST(:divisor AS int) = 1"
)


@st.composite
def dags(draw: st.DrawFn, most: int = 5) -> list[NewStep]:
    """No source is optional: where it failed the second time, the parts of the first would be left."""
    steps: list[NewStep] = []
    for number in range(draw(st.integers(1, most))):
        names = [step.name for step in steps]
        after = draw(st.lists(st.sampled_from(names), unique=True, max_size=2)) if names else []
        sources = [None, *(step.name for step in steps if step.for_each is None and not step.optional)]
        source = draw(st.sampled_from(sources))
        steps.append(NewStep(f"s{number}", "io", tuple(after), source, optional=draw(st.integers(0, 2)) == 0))
    return steps


def pick(data: st.DataObject, among: Sequence[Item], *, most: int = 1, unique: bool = False) -> list[Item]:
    """By number, so that what is told of a failure can be read."""
    return [among[at] for at in data.draw(st.lists(st.integers(0, len(among) - 1), min_size=1, max_size=most, unique=unique))]


class Machine(Compared):
    """Everything that is asked for, done by workers, or happens to them."""

    # What is asked for

    @initialize(steps=dags())
    def insert(self, steps: list[NewStep]) -> None:
        with self.database.jobs() as session:
            session.execute(text("UPDATE public.users SET notes = NULL"))
        with self.database.tenant(OWNER) as session:
            new = jobs.insert_jobs(session, pipeline="p", owner_id=OWNER, args=[{}, {}], steps=steps, subject=self.run)
        self.jobs |= {job_id: Job(steps) for job_id in new}

    @rule(steps=dags(most=2), key=st.sampled_from(KEYS), on_conflict=st.sampled_from(OnConflict))
    @precondition(lambda self: len(self.jobs) < MOST_JOBS)
    def insert_unique(self, steps: list[NewStep], key: str, on_conflict: OnConflict) -> None:
        holder = self.keys.get(key)
        if holder and on_conflict is OnConflict.REJECT:
            with pytest.raises(Conflict):
                self._insert_unique(steps, key, on_conflict)
            return
        job_id = self._insert_unique(steps, key, on_conflict)
        if holder and on_conflict is not OnConflict.REPLACE:
            assert job_id == holder.job_id
            holder.again = steps if on_conflict is OnConflict.REPLAY else holder.again
            return
        if holder:
            self.keys.pop(key)
            self._stop(self.jobs[holder.job_id])
        self.jobs[job_id] = Job(steps, key)
        self.keys[key] = Waiting(job_id)

    def _insert_unique(self, steps: list[NewStep], key: str, on_conflict: OnConflict) -> UUID:
        new = {"pipeline": self.run, "owner_id": OWNER, "args": {}, "steps": steps, "subject": self.run, "priority": 2}
        with self.database.tenant(OWNER) as session:
            return jobs.insert_unique_job(session, **new, key=key, on_conflict=on_conflict)

    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        job_id, job = self._draw_job(data)
        if job.has_ended:
            with pytest.raises(Conflict), self.database.jobs() as session:
                jobs.request_cancel(session, job_id)
            return
        with self.database.jobs() as session:
            jobs.request_cancel(session, job_id)
        self._stop(job)

    def _stop(self, job: Job) -> None:
        job.asked_to_stop = True
        job.settle()

    @rule(data=st.data())
    def run_again(self, data: st.DataObject) -> None:
        job_id, job = self._draw_job(data)
        step = data.draw(st.sampled_from([None, *sorted({name for name, _ in job.rows})]))
        refused = not job.has_ended or (job.key is not None and job.key in self.keys)
        if refused or not job.start_anew(step):
            with pytest.raises(Conflict), self.database.jobs() as session:
                jobs.retry(session, job_id, step=step)
            return
        with self.database.jobs() as session:
            jobs.retry(session, job_id, step=step)
        if job.key is not None:
            self.keys[job.key] = Waiting(job_id)
        job.asked_to_stop, self.retried = False, job_id
        job.settle()

    # What workers do

    @rule(data=st.data())
    @precondition(lambda self: any(row.may_start for job in self.jobs.values() for row in job.rows.values()))
    def claim_what_may_start(self, data: st.DataObject) -> None:
        self._claim(data, lambda row: row.may_start)

    @rule(data=st.data(), only_early=st.booleans())
    def claim_anything(self, data: st.DataObject, only_early: bool) -> None:
        self._claim(data, lambda row: not only_early or (row.status in STARTS and not row.due))

    def _claim(self, data: st.DataObject, is_wanted: Callable[[Row], bool]) -> list[Held]:
        rows = [(job, row, self.ids[job_id, place]) for job_id, job in self.jobs.items() for place, row in job.rows.items()]
        wanted = [each for each in rows if is_wanted(each[1])] or rows
        hinted = pick(data, wanted, most=4)
        ids = [step_id for _, _, step_id in hinted]
        worker = {"worker_id": uuid4(), "lease": LEASE}
        with self.database.jobs() as session:
            one = jobs.claim(session, ids[0], **worker) if len(ids) == 1 else None
            got = [one] if one else jobs.claim_many(session, ids, **worker)
        expected = {step_id: (job, row) for job, row, step_id in hinted if row.may_start}
        assert Counter(held.step_id for held in got) == Counter(expected.keys())
        claim_of = {held.step_id: held for held in got}
        for step_id, (job, row) in expected.items():  # in the order of the draw, which repeats
            held = claim_of[step_id]
            row.status, row.claim_id, row.error = "running", held.claim_id, None
            row.attempt += 1
            assert (held.attempt, held.input, held.checkpoint) == (row.attempt, row.input, row.checkpoint)
            self.claims.append(Held(held, job, row))
        return self.claims[len(self.claims) - len(got) :]

    @rule(data=st.data(), how=st.sampled_from(["succeed"] * 4 + WAYS))
    @precondition(lambda self: any(row.may_start for job in self.jobs.values() for row in job.rows.values()))
    def run_what_may_start(self, data: st.DataObject, how: str) -> None:
        """So that jobs come far, and to their ends."""
        claimed = self._claim(data, lambda row: row.may_start)
        self.rows_are_as_the_model_says()
        if how == "succeed":
            self._succeed(data, claimed)
            return
        for held in claimed:
            self._end(held, how)
            self.rows_are_as_the_model_says()

    @rule(data=st.data(), goes_wrong=st.integers(0, 4))
    @precondition(lambda self: self._live())
    def succeed(self, data: st.DataObject, goes_wrong: int) -> None:
        self._succeed(data, self._draw_claims(data, most=3), goes_wrong=goes_wrong == 0)

    def _succeed(self, data: st.DataObject, group: list[Held], *, goes_wrong: bool = False) -> None:
        parts = [data.draw(PARTS) for _ in group]
        ends = [
            Success(held.claim, held.job.steps, json.dumps({"parts": into}), into, self._rows(held, 0 if goes_wrong else 1))
            for held, into in zip(group, parts, strict=True)
        ]
        live = [held for held in group if held.is_live]
        if live and goes_wrong:
            with pytest.raises(DBAPIError), self.database.jobs() as session:
                jobs.succeed(session, ends)
            return
        with self.database.jobs() as session:
            holding = jobs.succeed(session, ends)
        assert holding == {held.claim.claim_id for held in live}
        self.written.update(holding)
        for held, into in zip(group, parts, strict=True):
            if held in live:
                held.row.end("succeeded", kept_as="succeeded" if held.claim.attempt > 1 else None)
                held.job.decide_parts(held.claim.step, into)
        for held in live:
            held.job.settle()

    def _rows(self, held: Held, divisor: int) -> Rows:
        return Rows(WRITE, [{"claim": str(held.claim.claim_id), "id": OWNER, "divisor": divisor}])

    @rule(data=st.data(), how=st.sampled_from(WAYS))
    @precondition(lambda self: self._live())
    def end_one(self, data: st.DataObject, how: str) -> None:
        self._end(self._draw_claims(data, most=1)[0], how)

    def _end(self, held: Held, how: str) -> None:
        claim, row = held.claim, held.row
        if how == "cancel" and not held.job.is_stopping:
            how = "fail"  # no worker was told to stop
        error = f"{claim.step} went wrong"
        with self.database.jobs() as session:
            holds = jobs.holds(session, claim)
            assert holds == held.is_live
            if not holds:
                return
            match how:
                case "fail":
                    jobs.fail(session, claim, error=error)
                    row.end("failed", error=error, kept_as="failed")
                case "cancel":
                    jobs.cancel_step(session, claim)
                    row.end("cancelled", kept_as="cancelled")
                case "retry" | "retry later":
                    jobs.retry_later(session, claim, error=error, delay=timedelta(0) if how == "retry" else NEVER)
                    row.end("retrying", kept_as="retrying")
                    row.give_back("retrying", due=how == "retry", error=error)
                case "release":
                    jobs.release(session, claim)
                    row.end("queued", kept_as="released")
                    row.give_back("queued", due=True, counts=False)
                case "snooze":
                    jobs.release(session, claim, outcome="snoozed", delay=NEVER)
                    row.end("queued", kept_as="snoozed")
                    row.give_back("queued", due=False, counts=False)
        held.job.settle()

    @rule(data=st.data())
    @precondition(lambda self: self._live())
    def put_back(self, data: st.DataObject) -> None:
        group = self._draw_claims(data, most=3)
        with self.database.jobs() as session:
            jobs.put_back(session, [held.claim for held in group])
        for held in [held for held in group if held.is_live]:
            held.row.give_back("queued", due=True, counts=False)
            held.job.settle()

    @rule(data=st.data())
    @precondition(lambda self: self._live())
    def beat(self, data: st.DataObject) -> None:
        group = self._draw_claims(data, most=3)
        beats = [Renewal(held.claim.step_id, held.claim.claim_id, 0.5, "half") for held in group]
        with self.database.jobs() as session:
            told = jobs.renew(session, beats, lease=LEASE)
            saved = [jobs.save_checkpoint(session, held.claim, {"at": held.claim.attempt}) for held in group]
        assert told == {held.claim.claim_id: held.job.is_stopping for held in group if held.is_live}
        assert saved == [held.is_live for held in group]
        for held in [held for held in group if held.is_live]:
            held.row.checkpoint, held.row.deaths = {"at": held.claim.attempt}, 0

    # What happens to them

    @rule(data=st.data())
    @precondition(lambda self: self._live())
    def lose_workers(self, data: st.DataObject) -> None:
        lost = pick(data, self._live(), most=3, unique=True)
        with self.database.jobs() as session:
            session.execute(
                text("UPDATE jobs.job_steps SET lease_until = now() - interval '1 s' WHERE id = ANY(:ids)"),
                {"ids": [held.claim.step_id for held in lost]},
            )
            assert jobs.rescue(session) == len(lost)
        for held in lost:
            held.row.deaths += 1
            held.row.end("queued", kept_as="expired")
            held.row.give_back("queued", due=True)
            if held.row.deaths == DEATHS_BEFORE_QUARANTINE:
                buried = "failed" if held.row.step.optional else "quarantined"
                held.row.end(buried, error="its worker was lost twice while it ran")
        for held in lost:
            held.job.settle()

    @rule()
    @precondition(lambda self: any(not row.due for job in self.jobs.values() for row in job.rows.values()))
    def let_time_pass(self) -> None:
        with self.database.jobs() as session:
            statement = "UPDATE jobs.job_steps SET available_at = now() WHERE job_id = ANY(:ids) AND available_at > now()"
            session.execute(text(statement), {"ids": list(self.jobs)})
        for job in self.jobs.values():
            for row in job.rows.values():
                row.due = True

    def teardown(self) -> None:
        """Of jobs that are gone no claim counts."""
        with self.database.jobs() as session:
            jobs.delete_jobs(session, self.run, owner_id=OWNER)
            assert (
                jobs.succeed(session, [Success(held.claim, held.job.steps, rows=self._rows(held, 1)) for held in self.claims])
                == set()
            )
            notes = session.scalar(text("SELECT notes FROM public.users WHERE id = :id"), {"id": OWNER}) or ""
            assert Counter(notes.split()) == Counter(str(claim_id) for claim_id in self.written)

    def _draw_job(self, data: st.DataObject) -> tuple[UUID, Job]:
        return pick(data, list(self.jobs.items()))[0]

    def _live(self) -> list[Held]:
        return [held for held in self.claims if held.is_live]

    def _draw_claims(self, data: st.DataObject, *, most: int) -> list[Held]:
        """Live ones, or those whose step another claim holds, or any."""
        replaced = [held for held in self.claims if held.row.status == "running" and not held.is_live]
        among = data.draw(st.sampled_from("llllrra"))
        return pick(data, {"l": [], "r": replaced, "a": self.claims}[among] or self._live(), most=most, unique=True)


@pytest.mark.timeout(3600)  # where it fails, the smallest example is looked for
def test_the_status_machine_does_what_the_model_says(database: Database):
    bound = type("BoundMachine", (Machine,), {"database": database})
    run_state_machine_as_test(bound, settings=settings(effort(40), stateful_step_count=40))
