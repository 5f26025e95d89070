"""Compares what was accepted with what is left, and says what does not hold."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import redis
from sqlalchemy import RowMapping, text

from core.hints import read_hint
from tests.crash.soak.faults import Fault
from tests.crash.soak.stage import WORKERS, Stage
from tests.crash.soak.surroundings import LOG_FULL
from tests.crash.soak.words import tell

LIVE = ("waiting", "queued", "running", "retrying")
_PROMISED_SECONDS = 15
_BEFORE = timedelta(seconds=15)  # a scheduler that began shortly before still watches
_PROCESS = {queue: name for name, queues in WORKERS.items() for queue in queues}
_NOT_ON_DISK = timedelta(seconds=1)  # three rounds of the WAL writer, and room


@dataclass(frozen=True, slots=True)
class Execution:
    """One line of the append-only file."""

    claim_id: UUID
    step_id: UUID
    job_id: UUID
    step: str
    part: int
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Left:
    """Everything that the run left behind, by job or step."""

    jobs: Mapping[UUID, RowMapping]
    steps: Mapping[UUID, RowMapping]
    attempts: Mapping[UUID, list[RowMapping]]
    effects: Mapping[UUID, list[RowMapping]]
    executions: Mapping[UUID, list[Execution]]


def read(stage: Stage) -> Left:
    """Read it once everything has ended."""
    with stage.database.engine.connect() as connection:  # as the owner of the tables: effects are nobody's to read

        def rows(statement: str) -> list[RowMapping]:
            return list(connection.execute(text(statement)).mappings())

        return Left(
            {row["id"]: row for row in rows("SELECT * FROM jobs.jobs")},
            {row["id"]: row for row in rows("SELECT * FROM jobs.job_steps")},
            _by_step(rows("SELECT * FROM jobs.job_attempts ORDER BY finished_at")),
            _by_step(rows("SELECT * FROM soak.effects")),
            _read_executions(stage.home / "executions"),
        )


def _by_step(rows: Sequence[RowMapping]) -> dict[UUID, list[RowMapping]]:
    grouped: dict[UUID, list[RowMapping]] = defaultdict(list)
    for row in rows:
        grouped[row["step_id"]].append(row)
    return grouped


def _read_executions(path: Path) -> dict[UUID, list[Execution]]:
    grouped: dict[UUID, list[Execution]] = defaultdict(list)
    for line in path.read_text().splitlines():
        claim_id, step_id, job_id, step, part, at = line.split()
        one = Execution(UUID(claim_id), UUID(step_id), UUID(job_id), step, int(part), datetime.fromisoformat(at))
        grouped[one.step_id].append(one)
    return grouped


def quarantines(left: Left, faults: Sequence[Fault]) -> Iterator[tuple[UUID, bool]]:
    """Each job with a quarantined step, and whether the log of faults shows two losses of its worker while that step ran."""
    for step in left.steps.values():
        if step["status"] == "quarantined":
            process = _PROCESS[step["queue"]]
            losses = {loss.at for attempt in left.attempts[step["id"]] if (loss := loss_of(attempt, process, faults))}
            yield step["job_id"], len(losses) >= 2


def loss_of(attempt: Mapping[str, Any], process: str, faults: Sequence[Fault]) -> Fault | None:
    """The last deed during this expired attempt that took its worker away."""
    if attempt["outcome"] != "expired":
        return None
    meant = [
        fault
        for fault in faults
        if fault.loses_steps
        and fault.process in {process, None}
        and fault.at <= attempt["finished_at"]
        and attempt["started_at"] <= fault.until
    ]
    return meant[-1] if meant else None


def violations(
    left: Left, accepted: Mapping[UUID, str], released: set[UUID], faults: Sequence[Fault] = ()
) -> dict[str, list[str]]:
    """What does not hold in the rows, by promise; `released` are jobs that the operator let run again after a quarantine."""
    return {
        "lost": list(_lost(left, accepted)),
        "ended otherwise": list(_ended_otherwise(left)),
        "counted twice": list(_counted_twice(left)),
        "effect and status disagree": list(_disagree(left)),
        "join": list(_joins(left)),
        "ran after its effect": list(_ran_after(left, released)),
        "execution without a claim": list(_unknown_claims(left, released, faults)),
    }


def leftovers(stage: Stage, left: Left) -> dict[str, list[str]]:
    """What should not be there any more beside the rows."""
    return {
        "scratch left": [path.name for path in stage.scratch()],
        "hints that are not stale": list(_live_hints(stage, left)),
        "files that are not whole": list(_broken_files(stage, left)),
    }


def _lost(left: Left, accepted: Mapping[UUID, str]) -> Iterator[str]:
    yield from (f"{job_id} {kind}: no such row" for job_id, kind in accepted.items() if job_id not in left.jobs)
    yield from (f"{job['id']} {job['pipeline']}: {job['status']}" for job in left.jobs.values() if job["finished_at"] is None)
    for step in left.steps.values():
        if step["status"] in LIVE and left.jobs[step["job_id"]]["finished_at"] is not None:
            yield f"step {step['id']} is {step['status']} in an ended job"


def _ended_otherwise(left: Left) -> Iterator[str]:
    for job in left.jobs.values():
        meant = "cancelled" if job["pipeline"] == "soak_stop" else "succeeded"
        if job["finished_at"] is not None and job["status"] != meant:
            yield f"{job['id']} {job['pipeline']}: {job['status']} ({job['error']})"


def _counted_twice(left: Left) -> Iterator[str]:
    for step_id, effects in left.effects.items():
        if len(effects) > 1:
            yield f"step {step_id}: {len(effects)} effects by {', '.join(str(one['claim_id']) for one in effects)}"


def _disagree(left: Left) -> Iterator[str]:
    for step_id, step in left.steps.items():
        claims = {effect["claim_id"] for effect in left.effects.get(step_id, ())}
        meant = {step["claim_id"]} if step["status"] == "succeeded" else set()
        if claims != meant:
            yield f"step {step_id} {step['name']} {step['status']}: effects by {claims}, claim {step['claim_id']}"
        if not claims <= {one.claim_id for one in left.executions.get(step_id, ())}:
            yield f"step {step_id}: an effect without its execution"
    yield from (f"effects of step {step_id}, which is not there" for step_id in left.effects if step_id not in left.steps)


def _joins(left: Left) -> Iterator[str]:
    by_job: dict[UUID, dict[str, list[RowMapping]]] = defaultdict(lambda: defaultdict(list))
    for effects in left.effects.values():
        for effect in effects:
            by_job[effect["job_id"]][effect["step"]].append(effect)
    for job in left.jobs.values():
        if job["pipeline"] == "soak_fan" and job["status"] == "succeeded":
            parts, joins = by_job[job["id"]]["part"], by_job[job["id"]]["join"]
            if len(joins) != 1 or sorted(one["part"] for one in parts) != list(range(job["args"]["parts"])):
                yield f"{job['id']}: {len(parts)} parts, {len(joins)} joins"
            elif joins[0]["began_at"] < max(one["counted_at"] for one in parts):
                yield f"{job['id']}: the join began before its last part had counted"


def _ran_after(left: Left, released: set[UUID]) -> Iterator[str]:
    for step_id, effects in left.effects.items():
        late = [one for one in left.executions[step_id] if one.began_at > effects[0]["counted_at"]]
        if late and late[0].job_id not in released:
            yield f"step {step_id}: {len(late)} executions after its effect counted"


def _unknown_claims(left: Left, released: set[UUID], faults: Sequence[Fault]) -> Iterator[str]:
    """Every execution is in the timeline: the step's own row, or an attempt. But for claims that a crash of the server undid just
    after they were made, as decision 0009 has it; what ran under them counts nothing.
    """
    crashes = [fault.at for fault in faults if fault.deed == LOG_FULL or (fault.deed, fault.process) == ("SIGKILL", "postgres")]
    for step_id, executions in left.executions.items():
        known = {attempt["claim_id"] for attempt in left.attempts.get(step_id, ())}
        known |= {left.steps[step_id]["claim_id"]} if step_id in left.steps else set()
        for one in executions:
            undone = any(abs(at - one.began_at) < _NOT_ON_DISK for at in crashes)
            if one.claim_id not in known and one.job_id not in released and not undone:
                yield f"step {step_id}: execution at {one.began_at} by claim {one.claim_id}, of which nothing is kept"


def _broken_files(stage: Stage, left: Left) -> Iterator[str]:
    """What a committed row names is stored, every byte of it."""
    storage = stage.inside(stage.home / "storage")
    for step in left.steps.values():
        if step["name"] == "write" and step["status"] == "succeeded":
            path = storage / step["result"]["key"]
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != step["result"]["sha256"]:
                yield f"step {step['id']}: {path}"


def _live_hints(stage: Stage, left: Left) -> Iterator[str]:
    with redis.Redis.from_url(stage.redis_url) as client:
        for queue in ("io", "web", "media", "ai"):
            for hint in client.lrange(f"hints:{queue}", 0, -1):
                steps = (left.steps.get(step_id) for step_id in read_hint(hint.decode()).step_ids)
                yield from (
                    f"hints:{queue}: step {step['id']} is {step['status']}" for step in steps if step and step["status"] in LIVE
                )


@dataclass(frozen=True, slots=True)
class Recovery:
    """From a deed that took a running step's worker away to that step's next execution; alone: nothing else was done meanwhile."""

    seconds: float
    rescued_seconds: float  # of them until the scheduler gave the step back; the rest was waited for a thread and its process
    hintless_seconds: float  # of them while Redis was away, when nothing can be hinted
    alone: bool


def recoveries(left: Left, faults: Sequence[Fault]) -> Iterator[Recovery]:
    """One for each expired attempt that ran again. Those after 15 s are told with what else happened."""
    for step_id, attempts in left.attempts.items():
        for attempt in attempts:
            fault = loss_of(attempt, _PROCESS[left.steps[step_id]["queue"]], faults)
            later = [one.began_at for one in left.executions[step_id] if fault and one.began_at > attempt["finished_at"]]
            if fault and later:
                again = min(later)
                meanwhile = [one for one in faults if fault.at - _BEFORE <= one.until and one.at <= again and one is not fault]
                seconds = (again - fault.at).total_seconds()
                rescued_seconds = (attempt["finished_at"] - fault.at).total_seconds()
                hintless_seconds = _hintless_seconds(faults, fault.at, again)
                if seconds - hintless_seconds > _PROMISED_SECONDS:
                    others = ", ".join(f"{one.deed} {one.process or ''}".rstrip() for one in meanwhile)
                    name = left.steps[step_id]["name"]
                    tell(
                        f"slow: {name} {step_id} rescued {rescued_seconds:.1f} s after {fault.deed}, ran after {seconds:.1f} s"
                        f" ({hintless_seconds:.1f} s of them without Redis); {others}"
                    )
                yield Recovery(seconds, rescued_seconds, hintless_seconds, alone=not meanwhile)


def _hintless_seconds(faults: Sequence[Fault], begin: datetime, end: datetime) -> float:
    """For how much of that time Redis was away; it is never away twice at once."""
    away = (min(fault.until, end) - max(fault.at, begin) for fault in faults if fault.process == "valkey")
    return sum(max(timedelta(), overlap).total_seconds() for overlap in away)


def wasted_work(left: Left, faults: Sequence[Fault]) -> list[float]:
    """Seconds that each lost attempt had run when its worker was taken away: what has to be done again, checkpoints apart."""
    return [
        max(0.0, (fault.at - attempt["started_at"]).total_seconds())
        for step_id, attempts in left.attempts.items()
        for attempt in attempts
        if (fault := loss_of(attempt, _PROCESS[left.steps[step_id]["queue"]], faults))
    ]


def cancellations(left: Left) -> list[float]:
    """Seconds from each request to the end of the job."""
    return [
        (job["finished_at"] - job["cancel_requested_at"]).total_seconds()
        for job in left.jobs.values()
        if job["finished_at"] is not None and job["cancel_requested_at"] is not None
    ]
