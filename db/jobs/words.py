"""What the job core speaks of: statuses, the steps that a pipeline declares, and claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

DEFAULT_PRIORITY = 2
# Of a row `w` of workers. One unseen for some beats takes nothing.
WORKER_LIVES = "(w.seen_at > now() - interval '5 seconds' AND w.death IS NULL)"
# The status of a step `s` that is found by its id. Named plainly, it lets the planner take the indexes of what runs or may run, which it
# believes to be nearly empty: it read them whole for every step of a group.
STATUS_OF_NAMED = "(s.status || '')"
LIVE_STATUSES = "('waiting', 'queued', 'running', 'retrying')"  # of steps that have not ended, for statements
Evidence = Mapping[str, object]  # small JSON
NO_EVIDENCE: Evidence = MappingProxyType({})


class Status(StrEnum):
    """Of a step; a job has all but `waiting`."""

    WAITING = "waiting"  # for the steps it comes after
    QUEUED = "queued"  # may run as soon as a worker has room
    RUNNING = "running"  # a worker holds its lease
    RETRYING = "retrying"  # failed, and runs again at available_at
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"  # lost its worker twice: a person must look


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step as a pipeline declares it. `after` names the steps that must have ended; `for_each` the one that decides its parts."""

    name: str
    queue: str
    after: tuple[str, ...] = ()
    for_each: str | None = None
    optional: bool = False
    max_attempts: int = 5
    provider: str | None = None  # what it calls on the outside


class Claim(NamedTuple):
    """One claimed execution of a step. A tuple: a frozen dataclass of so many fields costs ten times as much to make."""

    claim_id: UUID
    step_id: UUID
    job_id: UUID
    pipeline: str
    owner_id: str
    step: str
    part: int
    attempt: int
    max_attempts: int
    args: dict[str, Any]
    input: Any
    checkpoint: Any
    provider: str | None = None

    def words(self) -> dict[str, object]:
        """What it is, for a line of the log."""
        return {
            "job_id": str(self.job_id),
            "pipeline": self.pipeline,
            "step": self.step,
            "attempt": self.attempt,
            "claim_id": str(self.claim_id),
        }
