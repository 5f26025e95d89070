"""Who is served next: owners share the threads of a queue by the time they have held them, within the limits."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from db.jobs import Limit, Scope
from scheduler.ready import Ready, Running, Situation

HALF_LIFE_SECONDS = 600.0
SHORTEST_SECONDS = 0.001  # what a step costs at least


@dataclass(slots=True)
class Usage:
    """Thread-seconds that each owner held on each queue, halved every ten minutes. Sampled, so nothing has to be written."""

    held: dict[tuple[str, str], float] = field(default_factory=dict)
    sampled_at: float | None = None
    _threads: dict[tuple[str, str], float] = field(default_factory=dict)  # at the last sample
    _present: dict[str, frozenset[str]] = field(default_factory=dict)  # by queue: who ran or waited, when last asked for

    def sample(self, situation: Situation, now: float) -> None:
        """Count what ran at the last sample as running since: the end of a step is what most samples are taken at."""
        passed = now - self.sampled_at if self.sampled_at is not None else 0.0
        self.sampled_at = now
        fade = 0.5 ** (passed / HALF_LIFE_SECONDS)
        self.held = {key: seconds * fade for key, seconds in self.held.items() if seconds * fade > 0.01}  # noqa: PLR2004
        for key, threads in self._threads.items():
            self.held[key] = self.held.get(key, 0.0) + passed * threads
        self._threads = _threads_held(situation)

    def served(self, queue: str, waiting: Iterable[str], weights: Mapping[str, float]) -> dict[str, float]:
        """What each owner has had on this queue.

        Who comes anew is put just before the one who has had least of those that are there: it starts next, and no more than its
        share from then on. With the time when it wanted nothing to its credit, it would take every thread until it had caught up.
        """
        present = frozenset(owner for name, owner in self._threads if name == queue) | frozenset(waiting)
        had = {owner: self.held.get((queue, owner), 0.0) / weights.get(owner, 1.0) for owner in present}
        there = present & self._present.get(queue, frozenset())
        least = min((had[owner] for owner in there), default=0.0)
        for owner in present - there:
            self.held[queue, owner] = max(had[owner], least - 1.0) * weights.get(owner, 1.0)
        self._present[queue] = present
        return {owner: seconds for (name, owner), seconds in self.held.items() if name == queue}


def _threads_held(situation: Situation) -> dict[tuple[str, str], float]:
    leases: Counter[str] = Counter()
    for steps in situation.running:
        leases[steps.queue] += steps.count
    held: dict[tuple[str, str], float] = defaultdict(float)
    for steps in situation.running:
        # Short steps hold leases several to a thread: all together hold no more threads than there are.
        threads = steps.count * min(1.0, situation.threads.get(steps.queue, 0) / leases[steps.queue])
        held[steps.queue, steps.owner_id] += threads
    return held


class Slots:
    """How many more may run under each limit."""

    def __init__(self, limits: Sequence[Limit], running: Iterable[Running]) -> None:
        self._most = {(limit.kind, limit.name): limit.most for limit in limits}
        self._count: Counter[tuple[Scope, str]] = Counter()
        if limits:
            for steps in running:
                for key in _keys(steps):
                    self._count[key] += steps.count

    def take(self, step: Ready) -> None:
        """Count one more."""
        if self._most:
            for key in _keys(step):
                self._count[key] += 1

    def has_room(self, step: Ready) -> bool:
        """Tell whether no limit is in the way."""
        return not self._most or all(self._count[key] < self._most_of(key) for key in _keys(step))

    def fit_any(self) -> bool:
        """Tell whether no limit could be in the way of one more, whatever it is."""
        named = self._most.keys() - {key for key in self._most if key[1] == "*"}
        return all(self._count[key] < self._most[key] for key in named) and all(
            most > max((count for key, count in self._count.items() if key[0] == kind and key not in named), default=0)
            for (kind, name), most in self._most.items()
            if name == "*"
        )

    def list_full_providers(self) -> list[str]:
        """The providers that no more may call now."""
        if not self._most:
            return []
        named = {name for kind, name in (*self._count, *self._most) if kind is Scope.PROVIDER}
        return sorted(name for name in named if self._count[Scope.PROVIDER, name] >= self._most_of((Scope.PROVIDER, name)))

    def _most_of(self, key: tuple[Scope, str]) -> float:
        return self._most.get(key, self._most.get((key[0], "*"), float("inf")))


def _keys(step: Ready | Running) -> tuple[tuple[Scope, str], ...]:
    called = ((Scope.PROVIDER, step.provider),) if step.provider else ()
    return ((Scope.QUEUE, step.queue), (Scope.PIPELINE, step.pipeline), (Scope.OWNER, step.owner_id), *called)


class Room:
    """What the threads of one queue can be given now: a slow step for each free one, and short ones of some seconds in advance."""

    def __init__(
        self,
        *,
        slow: int,
        short_seconds: float = 0.0,
        shortest_seconds: float = SHORTEST_SECONDS,
        seconds_of: Callable[[Ready], float | None] = lambda _step: None,
    ) -> None:
        self.slow, self.short_seconds = slow, short_seconds
        self._shortest_seconds = max(shortest_seconds, SHORTEST_SECONDS)
        self._seconds_of = seconds_of

    def take(self, step: Ready) -> None:
        """Give the step its room."""
        seconds = self._seconds_of(step)
        if seconds is None:
            self.slow -= 1
        else:
            self.short_seconds -= max(seconds, SHORTEST_SECONDS)

    def fits(self, step: Ready) -> bool:
        """Tell whether there is room for it."""
        return (self.slow if self._seconds_of(step) is None else self.short_seconds) > 0

    def total(self) -> int:
        """How many steps fit at most."""
        return max(0, self.slow) + max(0, math.ceil(self.short_seconds / self._shortest_seconds))


def choose(
    ready: Sequence[Ready], *, room: Room, slots: Slots, served: Mapping[str, float], weights: Mapping[str, float]
) -> list[Ready]:
    """Those of the steps ready on one queue that there is room for, in the order in which they should start.

    `ready` has each owner's steps in the order that the owner wants; `served` is what each owner has had. The owner who
    has had least for its weight goes first; what is chosen counts as a share of the average at once, so that a burst is dealt out
    in turn. A step that a limit holds back, or that there is no thread for, does not hold back the steps behind it.
    """
    waiting: dict[str, deque[Ready]] = defaultdict(deque)
    for step in ready:
        waiting[step.owner_id].append(step)
    had = {owner: served.get(owner, 0.0) / weights.get(owner, 1.0) for owner in waiting}
    turn = max(1.0, sum(served.values()) / max(1, len(served)) / 10)
    chosen: list[Ready] = []
    while waiting and room.total():
        owner = min(waiting, key=lambda name: (had[name], name))
        first = _take_first(waiting[owner], lambda step: room.fits(step) and slots.has_room(step))
        if not waiting[owner]:
            del waiting[owner]
        if first is None:
            continue
        room.take(first)
        slots.take(first)
        had[owner] += turn / weights.get(owner, 1.0)
        chosen.append(first)
    return chosen


def _take_first(steps: deque[Ready], may_start: Callable[[Ready], bool]) -> Ready | None:
    """What stands before it is dropped: what may not start now may not later in this choice either."""
    while steps:
        step = steps.popleft()
        if may_start(step):
            return step
    return None
