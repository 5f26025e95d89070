"""What becomes of steps whose provider is away, or whose budget is spent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import Snoozed, Unavailable
from db import jobs, status
from db.why import why_not_running
from pipelines.context import Context
from tests.workers.test_runner import Bench, bench, fails_with

__all__ = ["bench"]


def why(bench: Bench, shown: dict) -> str | None:
    with bench.database.jobs() as session:
        found = why_not_running(session, shown["id"], now=datetime.now(UTC))
    return found.operators if found else None


def test_a_provider_that_is_away_counts_no_attempt_and_says_why(bench: Bench):
    shown = bench.run(fails_with(Unavailable("tube answered 503", provider="tube")))
    [row] = shown["steps"]
    assert (shown["status"], row["status"], row["attempt"]) == ("queued", "queued", 0)
    assert [(one["outcome"], one["error"]) for one in shown["attempts"]] == [("unavailable", "tube answered 503")]
    assert why(bench, shown) == "attempt runs again in 2 s: tube answered 503"


def test_the_time_that_a_provider_names_is_kept(bench: Bench):
    [row] = bench.run(fails_with(Unavailable("slow down", provider="tube", retry_after=timedelta(hours=2))))["steps"]
    assert timedelta(minutes=119) < row["available_at"] - datetime.now(UTC) <= timedelta(hours=2)


def test_a_bug_trips_nothing(bench: Bench):
    bench.run(fails_with(KeyError("a bug")))
    with bench.database.jobs() as session:
        assert jobs.list_breakers(session) == []


def test_a_step_that_alone_is_not_answered_runs_out_of_attempts(bench: Bench):
    """Its bench has two attempts; after each failure another step is answered, which is a row that is gone."""
    shown = bench.run(fails_with(Unavailable("tube answered 500", provider="tube")))
    for _ in range(2):
        with bench.database.jobs() as session:
            session.execute(text("DELETE FROM jobs.breakers"))
            session.execute(text("UPDATE jobs.job_steps SET available_at = now()"))
        bench.runner.run(shown["steps"][0]["id"])
    assert bench.job(shown["id"])["error"] == "tube answered 500 (after 2 attempts)"


def test_a_spent_budget_lets_the_step_wait_and_counts_no_attempt(bench: Bench):
    with bench.database.jobs() as session:
        jobs.set_budget(session, "tube", jobs.Per.DAY, 100)
    calls = []

    def behave(ctx: Context) -> object:
        ctx.spend("tube", units=60)
        calls.append(1)
        return None

    assert bench.run(behave)["status"] == "succeeded"
    shown = bench.run(behave)
    [row] = shown["steps"]
    assert (row["status"], row["attempt"], calls) == ("queued", 0, [1])
    assert "40 of 100 units are left of tube this day, and 60 are needed" in why(bench, shown)
    assert shown["attempts"][0]["outcome"] == "snoozed"


def test_units_of_a_call_that_was_not_made_are_given_back(bench: Bench):
    with bench.database.jobs() as session:
        jobs.set_budget(session, "tube", jobs.Per.DAY, 100)

    def behave(ctx: Context) -> object:
        ctx.refund(ctx.spend("tube", units=100))
        return ctx.spend("tube", units=100).units

    assert bench.run(behave)["steps"][0]["result"] == 100


def test_a_replaced_attempt_spends_nothing(bench: Bench):
    with bench.database.jobs() as session:
        jobs.set_budget(session, "tube", jobs.Per.DAY, 100)

    def behave(ctx: Context) -> object:
        with bench.database.jobs() as session:
            jobs.holds(session, ctx.held)
            jobs.release(session, ctx.held)  # as a rescue would
        return ctx.spend("tube", units=100)

    bench.run(behave)
    with bench.database.jobs() as session:
        assert next(one for one in jobs.list_budgets(session) if one.name == "tube").spent == 0


def calls_tube(called: list[UUID]) -> Callable[[Context], object]:
    def behave(ctx: Context) -> object:
        ctx.calls("tube")
        called.append(ctx.held.step_id)
        return None

    return behave


def test_a_step_that_says_what_it_calls_starts_again_under_its_rules_and_counts_no_attempt(bench: Bench):
    called: list[UUID] = []
    shown = bench.run(calls_tube(called))
    [row] = shown["steps"]
    assert (row["status"], row["attempt"], row["provider"], called) == ("queued", 0, "tube", [])
    with bench.database.jobs() as session:
        jobs.set_limit(session, jobs.Scope.PROVIDER, "tube", 0)
    bench.runner.run(row["id"])
    assert called == []
    with bench.database.jobs() as session:
        jobs.set_limit(session, jobs.Scope.PROVIDER, "tube", None)
    bench.runner.run(row["id"])
    assert (bench.job(shown["id"])["steps"][0]["attempt"], called) == (1, [row["id"]])


def test_of_the_steps_of_one_hint_one_tries_a_provider_that_was_away(bench: Bench):
    called: list[UUID] = []
    step_ids = [bench.run(calls_tube(called))["steps"][0]["id"] for _ in range(3)]
    with bench.database.jobs() as session:
        insert = "INSERT INTO jobs.breakers (provider, failures, open_until, opened_at) VALUES ('tube', 5, now(), now())"
        session.execute(text(insert))

    def behave(ctx: Context) -> object:
        called.append(ctx.held.step_id)
        raise Unavailable("tube answered 503", provider="tube")

    bench.behave = behave
    bench.runner.run(*step_ids)
    assert len(called) == 1


def test_a_step_that_asked_to_wait_says_why(bench: Bench):
    shown = bench.run(fails_with(Snoozed("the film is being processed", delay=timedelta(seconds=100))))
    assert why(bench, shown).endswith("s: the film is being processed")
    with bench.database.jobs() as session:
        assert status.get_job(session, shown["id"])["error"] is None


@pytest.fixture(autouse=True)
def _threads(bench: Bench) -> None:
    """A worker that serves the queue, so that this is not what is waited for."""
    with bench.database.jobs() as session:
        session.execute(
            text(
                "INSERT INTO jobs.workers (id, queues, threads, host, process) VALUES (gen_random_uuid(), '{io}', 1, 'here', 1)"
            )
        )
