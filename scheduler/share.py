"""Who is served next: owners share the threads of a queue by the time they have held them, within the limits."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from db.jobs import Limit, Scope

HALF_LIFE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A step that may start now."""

    id: UUID
    queue: str
    pipeline: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class Running:
    """A step that holds a thread."""

    queue: str
    pipeline: str
    owner_id: str


@dataclass(slots=True)
class Usage:
    """Thread-seconds that each owner held on each queue, halved every ten minutes. Sampled, so nothing has to be written."""

    held: dict[tuple[str, str], float] = field(default_factory=dict)
    sampled_at: float | None = None

    def sample(self, running: Iterable[Running], now: float) -> None:
        """Count what runs as running since the last sample."""
        passed = now - self.sampled_at if self.sampled_at is not None else 0.0
        self.sampled_at = now
        fade = 0.5 ** (passed / HALF_LIFE_SECONDS)
        self.held = {key: seconds * fade for key, seconds in self.held.items() if seconds * fade > 0.01}  # noqa: PLR2004
        for step in running:
            key = (step.queue, step.owner_id)
            self.held[key] = self.held.get(key, 0.0) + passed


class Slots:
    """How many more may run under each limit."""

    def __init__(self, limits: Sequence[Limit], running: Iterable[Running]) -> None:
        self._most = {(limit.kind, limit.name): limit.most for limit in limits}
        self._count: Counter[tuple[Scope, str]] = Counter()
        for step in running:
            self.take(step)

    def take(self, step: Ready | Running) -> None:
        """Count one more."""
        self._count.update(_keys(step))

    def has_room(self, step: Ready) -> bool:
        """Tell whether no limit is in the way."""
        return all(self._count[key] < self._most_of(key) for key in _keys(step))

    def _most_of(self, key: tuple[Scope, str]) -> float:
        return self._most.get(key, self._most.get((key[0], "*"), float("inf")))


def _keys(step: Ready | Running) -> tuple[tuple[Scope, str], ...]:
    return (
        (Scope.QUEUE, step.queue),
        (Scope.PIPELINE, step.pipeline),
        (Scope.OWNER, step.owner_id),
    )


def choose(
    ready: Sequence[Ready], *, room: int, slots: Slots, served: Mapping[str, float], weights: Mapping[str, float]
) -> list[Ready]:
    """At most `room` of the steps that are ready on one queue, in the order in which they should start.

    `ready` has each owner's steps in the order that the owner wants; `served` is what each owner has had. The owner who
    has had least for its weight goes first; what is chosen counts as a share of the average at once, so that a burst is dealt out
    in turn. A step that a limit holds back does not hold back the steps behind it.
    """
    waiting: dict[str, list[Ready]] = defaultdict(list)
    for step in ready:
        waiting[step.owner_id].append(step)
    had = {owner: served.get(owner, 0.0) / weights.get(owner, 1.0) for owner in waiting}
    turn = max(1.0, sum(served.values()) / max(1, len(served)) / 10)
    chosen: list[Ready] = []
    while len(chosen) < room and waiting:
        owner = min(waiting, key=lambda name: (had[name], name))
        first = next((one for one in waiting[owner] if slots.has_room(one)), None)
        if first is None:
            del waiting[owner]
            continue
        waiting[owner].remove(first)
        if not waiting[owner]:
            del waiting[owner]
        slots.take(first)
        had[owner] += turn / weights.get(owner, 1.0)
        chosen.append(first)
    return chosen
