"""What owners come to have of the threads as time passes: steps start, hold their thread and end, and the relay looks each time."""

from collections import Counter, defaultdict, deque
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from db.jobs import Limit, Scope
from scheduler.ready import Ready, Running, Situation
from scheduler.share import HALF_LIFE_SECONDS, Room, Slots, Usage, choose
from tests.properties import effort

LOOK_SECONDS = 1.0  # what the relay waits at most
ENDLESS = 100_000
LONGEST_SECONDS = 60


class Threads:
    """One queue's threads, the steps that wait for them, and the relay's choice between these."""

    def __init__(self, count: int, weights: dict[str, float] | None = None, limits: list[Limit] | None = None) -> None:
        self.count = count
        self.weights = weights or {}
        self.limits = limits or []
        self.now = 0.0
        self.waiting: dict[str, deque[float]] = defaultdict(deque)  # the seconds that each step takes
        self.running: list[tuple[float, str]] = []  # the end, and whose
        self.held: Counter[str] = Counter()
        self.started: list[str] = []
        self.waits_since: dict[str, float] = {}
        self.longest_wait: Counter[str] = Counter()
        self._usage = Usage()

    def add(self, owner: str, count: int, seconds: float) -> None:
        if not self.waiting[owner]:
            self.waits_since[owner] = self.now
        self.waiting[owner].extend([seconds] * count)
        self._look()

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            at = min([until, self.now + LOOK_SECONDS, *(end for end, _ in self.running)])
            for _, owner in self.running:
                self.held[owner] += at - self.now
            self.now = at
            self.running = [(end, owner) for end, owner in self.running if end > at]
            self._look()

    def who_waits(self) -> list[str]:
        return [owner for owner, steps in self.waiting.items() if steps]

    def may_start(self, owner: str) -> bool:
        """By the limit of its own, or that of each; and by the queue's."""
        most = {(limit.kind, limit.name): limit.most for limit in self.limits}
        count = sum(other == owner for _, other in self.running)
        own = most.get((Scope.OWNER, owner), most.get((Scope.OWNER, "*"), ENDLESS))
        return count < own and len(self.running) < min(self.count, most.get((Scope.QUEUE, "io"), ENDLESS))

    def _look(self) -> None:
        situation = self._situation()
        self._usage.sample(situation, self.now)
        room = Room(slow=self.count - len(self.running))
        if not room.total():
            return
        ready = [
            Ready(uuid4(), "io", "p", "s", owner, 0.0)
            for owner in self.who_waits()
            for _ in range(min(self.count, len(self.waiting[owner])))
        ]
        served = self._usage.served("io", self.who_waits(), self.weights)
        slots = Slots(self.limits, situation.running)
        for step in choose(ready, room=room, slots=slots, served=served, weights=self.weights):
            assert self.may_start(step.owner_id)
            self._start(step.owner_id)
        assert not any(self.may_start(owner) for owner in self.who_waits())
        self._usage.sample(self._situation(), self.now)  # a claim is a reason to look

    def _start(self, owner: str) -> None:
        self.running.append((self.now + self.waiting[owner].popleft(), owner))
        self.started.append(owner)
        self.longest_wait[owner] = max(self.longest_wait[owner], self.now - self.waits_since[owner])
        self.waits_since[owner] = self.now

    def _situation(self) -> Situation:
        counts = Counter(owner for _, owner in self.running)
        steps = [Running("io", "p", "s", owner, count) for owner, count in counts.items()]
        return Situation({"io": self.count}, steps, {}, self.limits, self.weights)


OWNERS = st.dictionaries(
    st.sampled_from("abcd"), st.tuples(st.sampled_from([0.5, 1.0, 2.0, 4.0]), st.integers(3, 90)), min_size=2
)


@settings(effort(40))
@given(owners=OWNERS, count=st.integers(1, 6))
def test_shares_come_to_be_as_the_weights_however_long_the_steps_are(owners: dict[str, tuple[float, int]], count: int):
    threads = Threads(count, {owner: weight for owner, (weight, _) in owners.items()})
    for owner, (_, seconds) in owners.items():
        threads.add(owner, ENDLESS, seconds)
    threads.run(HALF_LIFE_SECONDS)
    before = Counter(threads.held)
    threads.run(2 * HALF_LIFE_SECONDS)
    had = threads.held - before
    longest = max(seconds for _, seconds in owners.values())
    step = longest / (2 * HALF_LIFE_SECONDS)  # of the time looked at; one may stick out of it at either end
    for owner in owners:
        share = had[owner] / had.total()
        due = threads.weights[owner] / sum(threads.weights.values())
        assert abs(share - due) < 0.06 + 2 * step


@settings(effort(40))
@given(alone=st.integers(0, 1500), count=st.integers(1, 6), seconds=st.integers(3, 60), others=st.integers(3, 60))
def test_who_comes_anew_starts_next_and_keeps_nobody_waiting_for_what_it_did_not_use(
    alone: int, count: int, seconds: int, others: int
):
    threads = Threads(count)
    threads.add("a", ENDLESS, seconds)
    threads.run(alone)
    already = len(threads.started)
    threads.longest_wait.clear()
    threads.add("b", ENDLESS, others)
    threads.run(2 * HALF_LIFE_SECONDS)
    assert threads.started[already] == "b"
    assert max(threads.longest_wait.values()) <= 3 * max(seconds, others) + 2


def test_many_short_steps_count_for_the_time_that_they_take():
    threads = Threads(1)
    threads.add("a", ENDLESS, 10)
    threads.add("b", ENDLESS, 0.4)
    threads.run(2 * HALF_LIFE_SECONDS)
    assert abs(threads.held["a"] - threads.held["b"]) < 0.1 * threads.held.total()


class Sharing(RuleBasedStateMachine):
    """Owners come and go, and limits with them. Each look proves that no limit is passed and no thread idles that may be used."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = Threads(4)

    @initialize(of_each=st.integers(1, 3), of_all=st.integers(1, 5))
    def begin(self, of_each: int, of_all: int) -> None:
        self.threads.limits = [Limit(Scope.OWNER, "*", of_each), Limit(Scope.QUEUE, "io", of_all)]

    @rule(owner=st.sampled_from("abc"), count=st.integers(1, 20), seconds=st.integers(1, LONGEST_SECONDS))
    def add(self, owner: str, count: int, seconds: int) -> None:
        self.threads.add(owner, count, seconds)

    @rule(seconds=st.integers(1, 300))
    def run(self, seconds: int) -> None:
        self.threads.run(seconds)

    @rule(owner=st.sampled_from("abc"), weight=st.sampled_from([0.5, 1.0, 4.0]))
    def weigh(self, owner: str, weight: float) -> None:
        self.threads.weights[owner] = weight

    @rule(
        named=st.sampled_from([(Scope.OWNER, "*"), (Scope.OWNER, "a"), (Scope.QUEUE, "io")]),
        most=st.one_of(st.none(), st.integers(0, 5)),
    )
    def limit(self, named: tuple[Scope, str], most: int | None) -> None:
        others = [limit for limit in self.threads.limits if (limit.kind, limit.name) != named]
        self.threads.limits = others if most is None else [*others, Limit(*named, most)]

    def teardown(self) -> None:
        """Without limits all comes to its end."""
        self.threads.limits = []
        work = sum(sum(steps) for steps in self.threads.waiting.values())
        self.threads.run(work / self.threads.count + 2 * LONGEST_SECONDS)
        assert not self.threads.who_waits()


def test_no_limit_is_passed_and_no_thread_idles_whoever_comes_and_goes():
    run_state_machine_as_test(Sharing, settings=settings(effort(30), stateful_step_count=15))
