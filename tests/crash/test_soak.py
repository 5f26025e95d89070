"""The short form of `./askstephen soak`, a few seconds of load and faults from one seed, and that its oracle is not blind."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

import pipelines
from tests.crash.soak import oracle
from tests.crash.soak.faults import Fault
from tests.crash.soak.oracle import Execution, Left
from tests.crash.soak.run import Plan, soak
from tests.crash.test_up import DROPIN

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.timeout(240)
def test_no_promise_breaks_in_a_short_storm(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipelines, "__path__", [*pipelines.__path__, str(DROPIN / "pipelines")])
    figures = soak(Plan(seconds=8, jobs=100, seed=7, every_seconds=(0.8, 2.0), lease_seconds=2.0))
    assert figures["violations"] == {}
    assert figures["effects"] > figures["accepted"] >= 100


def left_well(job_id: UUID) -> Left:
    """One job of one step that ran once and counted once."""
    step_id, claim_id = uuid4(), uuid4()
    job = {"id": job_id, "pipeline": "soak_instant", "status": "succeeded", "finished_at": NOW, "error": None}
    step = {"id": step_id, "job_id": job_id, "name": "instant", "status": "succeeded", "claim_id": claim_id, "queue": "web"}
    effect = {"job_id": job_id, "claim_id": claim_id, "step": "instant", "part": 0, "began_at": NOW, "counted_at": NOW + SECOND}
    ran = Execution(claim_id, step_id, job_id, "instant", 0, NOW)
    return Left({job_id: job}, {step_id: step}, {}, {step_id: [effect]}, {step_id: [ran]})


def broken(left: Left, *accepted: UUID) -> set[str]:
    found = oracle.violations(left, dict.fromkeys(accepted, "soak_instant"), set())
    return {promise for promise, instances in found.items() if instances}


def test_the_oracle_passes_what_ended_well():
    job_id = uuid4()
    assert broken(left_well(job_id), job_id) == set()


def test_the_oracle_sees_an_accepted_job_that_is_not_there():
    assert broken(left_well(uuid4()), uuid4()) == {"lost"}


def test_the_oracle_sees_a_second_effect():
    left = left_well(uuid4())
    [effects] = left.effects.values()
    effects.append(effects[0])
    assert broken(left) == {"counted twice"}


def test_the_oracle_sees_an_effect_of_a_replaced_claim():
    left = left_well(uuid4())
    [effects] = left.effects.values()
    effects[0]["claim_id"] = uuid4()
    assert broken(left) == {"effect and status disagree"}


def test_the_oracle_sees_an_execution_after_the_effect():
    left = left_well(uuid4())
    [[ran]] = left.executions.values()
    left.executions[ran.step_id].append(Execution(ran.claim_id, ran.step_id, ran.job_id, ran.step, 0, NOW + 2 * SECOND))
    assert broken(left) == {"ran after its effect"}


@pytest.mark.parametrize(("at", "undone"), [(NOW + SECOND / 2, True), (NOW + 2 * SECOND, False)])
def test_the_oracle_takes_an_unknown_claim_only_where_the_server_crashed_just_after_it(at: datetime, undone: bool):
    left = left_well(uuid4())
    [[ran]] = left.executions.values()
    left.executions[ran.step_id].append(Execution(uuid4(), ran.step_id, ran.job_id, ran.step, 0, NOW))
    found = oracle.violations(left, {}, set(), [Fault(at, "SIGKILL", "postgres", loses_steps=False)])
    assert bool(found["execution without a claim"]) != undone


@pytest.mark.parametrize(("at", "explained"), [(NOW + SECOND, True), (NOW - SECOND, False)])
def test_the_oracle_explains_a_quarantine_only_by_two_losses_while_the_step_ran(at: datetime, explained: bool):
    left = left_well(uuid4())
    [step] = left.steps.values()
    step["status"] = "quarantined"
    lost = {"outcome": "expired", "started_at": NOW, "finished_at": NOW + 2 * SECOND}
    again = {"outcome": "expired", "started_at": NOW + 3 * SECOND, "finished_at": NOW + 5 * SECOND}
    left.attempts[step["id"]] = [lost, again]
    faults = [Fault(at, "SIGKILL", "worker", loses_steps=True), Fault(NOW + 4 * SECOND, "SIGSTOP", "worker", loses_steps=True)]
    assert dict(oracle.quarantines(left, faults)) == {step["job_id"]: explained}


def test_the_oracle_tells_recovery_from_the_loss_on_and_what_was_wasted():
    left = left_well(uuid4())
    [step_id] = left.steps
    left.attempts[step_id] = [
        {"outcome": "expired", "started_at": NOW - 20 * SECOND, "finished_at": NOW - 5 * SECOND, "claim_id": uuid4()}
    ]
    faults = [Fault(NOW - 17 * SECOND, "SIGKILL", "worker", loses_steps=True)]
    [recovery] = oracle.recoveries(left, faults)
    assert recovery == oracle.Recovery(17, 12, 0, alone=True)
    assert oracle.wasted_work(left, faults) == [3]


@pytest.mark.parametrize(("at", "hintless"), [(NOW - 30 * SECOND, 3), (NOW - 10 * SECOND, 10), (NOW + SECOND, 0)])
def test_the_oracle_tells_how_much_of_a_recovery_was_waited_for_redis(at: datetime, hintless: float):
    left = left_well(uuid4())
    [step_id] = left.steps
    left.attempts[step_id] = [
        {"outcome": "expired", "started_at": NOW - 20 * SECOND, "finished_at": NOW - 5 * SECOND, "claim_id": uuid4()}
    ]
    faults = [
        Fault(NOW - 17 * SECOND, "SIGKILL", "worker", loses_steps=True),
        Fault(at, "away", "valkey", loses_steps=False, seconds=16),
    ]
    [recovery] = oracle.recoveries(left, faults)
    assert recovery.hintless_seconds == hintless
