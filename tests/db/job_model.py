"""What jobs and steps should be after each deed, told in Python alone: the oracle that the status machine is compared with."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from db.jobs import NewStep

MOVES = {  # of steps; what stays as it is always may
    "waiting": {"queued", "cancelled", "failed"},
    "queued": {"running", "cancelled", "failed"},
    "running": {"succeeded", "failed", "retrying", "cancelled", "quarantined", "queued"},
    "retrying": {"running", "cancelled", "failed"},
}
AGAIN = {"waiting", "queued"}  # where an operator's retry moves what has ended
LIVE = set(MOVES)
STARTS = {"queued", "retrying"}
BAD = ("quarantined", "failed", "cancelled")  # in this order they make the status of a job that ended

Place = tuple[str, int]  # a step's name, and which part of it


@dataclass
class Row:
    """One step, or one part of it."""

    step: NewStep
    status: str
    input: object = None
    attempt: int = 0
    deaths: int = 0
    due: bool = True
    claim_id: UUID | None = None  # of the attempt that runs, or that ended it
    checkpoint: object = None
    error: str | None = None
    timeline: dict[UUID, str] = field(default_factory=dict)  # how attempts ended that the row does not tell any more

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def may_start(self) -> bool:
        return self.status in STARTS and self.due

    @property
    def lets_others_go_on(self) -> bool:
        return self.status == "succeeded" or (self.status == "failed" and self.step.optional)

    @property
    def stops_the_job(self) -> bool:
        return self.status in BAD and not self.lets_others_go_on

    def end(self, status: str, *, error: str | None = None, kept_as: str | None = None) -> None:
        if self.claim_id and kept_as:
            self.timeline[self.claim_id] = kept_as
        self.status, self.error = status, error

    def give_back(self, status: str, *, due: bool, error: str | None = None, counts: bool = True) -> None:
        self.status, self.claim_id, self.due, self.error = status, None, due, error
        self.attempt -= not counts

    def start_anew(self, *, from_the_start: bool) -> None:
        if self.status == "succeeded" and self.claim_id:
            self.timeline[self.claim_id] = "succeeded"
        self.status, self.attempt, self.deaths, self.claim_id, self.error = "waiting", 0, 0, None, None
        self.due = True
        self.checkpoint = None if from_the_start else self.checkpoint


@dataclass
class Job:
    """A job as its steps and what people asked of it make it."""

    steps: Sequence[NewStep]
    key: str | None = None
    asked_to_stop: bool = False
    rows: dict[Place, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for step in self.steps:
            if step.for_each is None:
                self.rows[step.name, 0] = Row(step, "waiting" if step.after else "queued")

    @property
    def has_ended(self) -> bool:
        return not any(row.is_live for row in self.rows.values())

    @property
    def is_stopping(self) -> bool:
        return self.asked_to_stop or any(row.stops_the_job for row in self.rows.values())

    @property
    def status(self) -> str:
        rows = self.rows.values()
        found = {row.status for row in rows if row.is_live or row.stops_the_job}
        if not self.has_ended:
            if "running" in found:
                return "running"
            if "retrying" in found:
                return "retrying"
            return "running" if any(row.attempt for row in rows) else "queued"
        return next((status for status in BAD if status in found), "succeeded")

    @property
    def error(self) -> str | None:
        blamed = (row.error for row in self.rows.values() if row.status in {"failed", "quarantined"} and not row.step.optional)
        return min((error for error in blamed if error), default=None)

    def settle(self) -> None:
        """What follows from a move: the rest stops, or what waited for no more than what has ended is queued."""
        for row in self.rows.values() if self.is_stopping else ():
            if row.status in {"waiting", *STARTS}:
                row.status = "cancelled"
        for row in self.rows.values():
            if row.status == "waiting" and all(self._is_over(name) for name in self._waits_for(row.step)):
                row.status, row.due = "queued", True

    def decide_parts(self, source: str, inputs: Sequence[object]) -> None:
        for step in self.steps:
            if step.for_each == source:
                for place in [place for place in self.rows if place[0] == step.name and place[1] >= len(inputs)]:
                    del self.rows[place]
                for part, value in enumerate(inputs):
                    row = self.rows.setdefault((step.name, part), Row(step, "waiting"))
                    row.input, row.status = value, "waiting"

    def start_anew(self, step: str | None) -> bool:
        """Reset `step`, or without one what did not succeed; what would stop the job again; and all after. False: there is nothing."""
        first = [
            place
            for place, row in self.rows.items()
            if place[0] == step or row.stops_the_job or (step is None and row.status == "failed")
        ]
        after = self._all_after({name for name, _ in first})
        for place, row in self.rows.items():
            if place in first or place[0] in after:
                row.start_anew(from_the_start=place[0] in after or row.status == "succeeded")
        return bool(first)

    def _waits_for(self, step: NewStep) -> Iterator[str]:
        yield from step.after
        if step.for_each:
            yield step.for_each

    def _is_over(self, name: str) -> bool:
        step = next(step for step in self.steps if step.name == name)
        could_begin = all(self._is_over(before) for before in self._waits_for(step))
        return could_begin and all(row.lets_others_go_on for place, row in self.rows.items() if place[0] == name)

    def _all_after(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        todo = set(names)
        while todo:
            todo = {step.name for step in self.steps if todo.intersection(self._waits_for(step))} - found
            found |= todo
        return found
