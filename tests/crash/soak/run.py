"""One soak from start to verdict."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from db import jobs
from tests.conftest import wait_until
from tests.crash.soak import oracle
from tests.crash.soak.faults import Faults
from tests.crash.soak.load import Load
from tests.crash.soak.stage import Stage, platform
from tests.crash.soak.words import spread, tell

_PATIENCE_SECONDS = 120  # without one job that ends; a back-off is 19 s at the most where five attempts are
_LONGEST_SECONDS = 3600
_UNEXPLAINED_SECONDS = 60  # no sequence of faults is known to hold a step up for so long while Redis is there


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how much, how rough. `lease_seconds`: the product's own but for the short form."""

    seconds: float
    jobs: int
    seed: int
    every_seconds: tuple[float, float] = (5.0, 20.0)
    lease_seconds: float = 10.0
    only: tuple[str, ...] = ()  # words of faults; none: all of them


def soak(plan: Plan) -> dict[str, Any]:
    """The figures; `violations` is empty when everything held."""
    with platform(lease_seconds=plan.lease_seconds) as stage:
        load = Load(stage, jobs_wanted=plan.jobs, seconds=plan.seconds, seed=plan.seed)
        faults = Faults(stage, every_seconds=plan.every_seconds, seed=plan.seed, only=plan.only)
        began = time.monotonic()
        load.start()
        faults.start()
        load.wait_until_all_are_accepted()
        faults.stop()
        if stage.runner.poll() is not None:
            raise RuntimeError(f"the runner gave up: {_tail(stage)}")
        accepted_after = time.monotonic() - began
        _wait_for_all(stage)
        quarantined = dict(oracle.quarantines(oracle.read(stage), faults.done))
        _release(stage, quarantined)
        _wait_for_all(stage)
        load.stop()
        ended_after = time.monotonic() - began
        _wait_for_scratch(stage)
        left = oracle.read(stage)
        broken = oracle.violations(left, load.accepted, set(quarantined), faults.done) | oracle.leftovers(stage, left)
        broken["invariants"] = _invariants(stage)
        broken["quarantined without two losses"] = [str(job_id) for job_id, explained in quarantined.items() if not explained]
        recovered = list(oracle.recoveries(left, faults.done))
        if any(broken.values()) or any(one.seconds - one.hintless_seconds > _UNEXPLAINED_SECONDS for one in recovered):
            _tell_evidence(stage)
        return {
            "seed": plan.seed,
            "accepted": len(load.accepted),
            "accepted_after_seconds": round(accepted_after, 1),
            "ended_after_seconds": round(ended_after, 1),
            "enqueue_refused": dict(load.refused),
            "faults": len(faults.done),
            "fault_counts": dict(sorted(faults.counts().items())),
            "kinds": dict(Counter(job["pipeline"] for job in left.jobs.values())),
            "steps": len(left.steps),
            "executions": sum(map(len, left.executions.values())),
            "effects": sum(map(len, left.effects.values())),
            "attempts": dict(Counter(one["outcome"] for attempts in left.attempts.values() for one in attempts)),
            "quarantined": len(quarantined),
            "recovery_seconds": spread([one.seconds for one in recovered]),
            "recovery_seconds_with_redis": spread([one.seconds - one.hintless_seconds for one in recovered]),
            "recovery_alone_seconds": spread([one.seconds for one in recovered if one.alone]),
            "recovery_until_rescued": spread([one.rescued_seconds for one in recovered]),
            "recovery_until_run_again": spread([one.seconds - one.rescued_seconds for one in recovered]),
            "wasted_seconds": spread(oracle.wasted_work(left, faults.done)),
            "cancel_seconds": spread(oracle.cancellations(left)),
            "violations": {promise: found for promise, found in broken.items() if found},
        }


def _wait_for_all(stage: Stage) -> None:
    """Until every job has ended or nothing moved for long: what has not ended is the oracle's to tell."""
    counted = text("SELECT count(*) FROM jobs.jobs WHERE finished_at IS NULL")
    fewest, since = None, time.monotonic()

    def over() -> bool:
        nonlocal fewest, since
        try:
            with stage.database.jobs() as session:
                unfinished = session.scalar(counted)
        except SQLAlchemyError:
            return False
        if fewest is None or unfinished < fewest:
            fewest, since = unfinished, time.monotonic()
        return unfinished == 0 or time.monotonic() - since > _PATIENCE_SECONDS

    wait_until(lambda: over() or stage.runner.poll() is not None, seconds=_LONGEST_SECONDS)


def _wait_for_scratch(stage: Stage) -> None:
    """A worker looks for what killed attempts left every two leases."""
    deadline = time.monotonic() + 4 * stage.lease_seconds + 2
    wait_until(lambda: not stage.scratch() or time.monotonic() > deadline, seconds=_LONGEST_SECONDS)


def _invariants(stage: Stage) -> list[str]:
    """What the platform's own audit found while it all happened, and what it would find now."""
    with stage.database.jobs() as session:
        counted = [f"{invariant}: found {times} times" for invariant, times in jobs.count_violations(session).items() if times]
        return counted + [f"{one.invariant} {one.job_id}: {one.detail}" for one in jobs.find_violations(session)]


def _release(stage: Stage, quarantined: dict) -> None:
    """As an operator would, once the evidence has been read."""
    for job_id in quarantined:
        with stage.database.jobs() as session:
            jobs.retry(session, job_id)


def _tail(stage: Stage) -> str:
    return stage.home.with_name("up.out").read_text()[-1000:]


def _tell_evidence(stage: Stage) -> None:
    for log in sorted((stage.home / "logs").glob("*.log")):
        tell(f"--- {log.name}, its warnings and errors")
        for line in log.read_text(errors="replace").splitlines()[-4000:]:
            if any(word in line for word in ('"warning"', '"error"', "FATAL", "Traceback")):
                tell(line[:600])
