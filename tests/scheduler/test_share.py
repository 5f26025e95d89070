from collections import Counter
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.jobs import Limit, Scope
from scheduler.ready import Ready, Running, Situation
from scheduler.share import HALF_LIFE_SECONDS, Room, Slots, Usage, choose


def ready(owner: str, count: int, pipeline: str = "p", name: str = "slow") -> list[Ready]:
    return [Ready(uuid4(), "io", pipeline, name, owner, 0.0, provider="tube") for _ in range(count)]


def running(owner: str, count: int = 1, queue: str = "io") -> Running:
    return Running(queue, "p", "slow", owner, count, provider="tube")


def situation(steps: list[Running], **threads: int) -> Situation:
    return Situation(threads, steps, {}, [], {})


def pick(
    steps: list[Ready], *, room: int | Room, limits: list | None = None, runs: list | None = None, served=None, weights=None
) -> list[Ready]:
    room = Room(slow=room) if isinstance(room, int) else room
    return choose(steps, room=room, slots=Slots(limits or [], runs or []), served=served or {}, weights=weights or {})


def room_for(*, slow: int, short: int) -> Room:
    return Room(slow=slow, short_seconds=short / 4, seconds_of=lambda step: 1 / 4 if step.name == "short" else None)


def owners(steps: list[Ready]) -> Counter[str]:
    return Counter(step.owner_id for step in steps)


def test_who_has_had_least_goes_first():
    steps = ready("noisy", 100) + ready("quiet", 1)
    assert pick(steps, room=1, served={"noisy": 5000.0})[0].owner_id == "quiet"


def test_a_burst_is_dealt_out_in_turn():
    assert owners(pick(ready("a", 100) + ready("b", 100), room=8)) == {"a": 4, "b": 4}


def test_room_that_others_do_not_need_is_used():
    assert owners(pick(ready("a", 100) + ready("b", 1), room=8)) == {"a": 7, "b": 1}


def test_twice_the_weight_is_twice_the_share():
    steps = ready("a", 100) + ready("b", 100)
    assert owners(pick(steps, room=9, weights={"a": 2.0})) == {"a": 6, "b": 3}


def test_an_owners_own_order_is_kept():
    steps = ready("a", 5)
    assert pick(steps, room=3) == steps[:3]


@pytest.mark.parametrize(
    ("limit", "chosen"),
    [
        (Limit(Scope.QUEUE, "io", 3), 2),
        (Limit(Scope.OWNER, "*", 2), 3),
        (Limit(Scope.OWNER, "a", 1), 4),
        (Limit(Scope.PIPELINE, "p", 1), 0),
        (Limit(Scope.PIPELINE, "other", 1), 8),
        (Limit(Scope.PROVIDER, "tube", 3), 2),
        (Limit(Scope.PROVIDER, "*", 1), 0),
        (Limit(Scope.PROVIDER, "drive", 1), 8),
    ],
)
def test_limits_count_what_runs(limit: Limit, chosen: int):
    steps = ready("a", 10) + ready("b", 4)
    assert len(pick(steps, room=8, limits=[limit], runs=[running("a")])) == chosen


def test_a_limit_counts_every_step_of_a_kind_that_runs():
    assert len(pick(ready("a", 10), room=8, limits=[Limit(Scope.OWNER, "a", 5)], runs=[running("a", 3)])) == 2


def test_a_limit_of_its_own_counts_before_that_of_each():
    limits = [Limit(Scope.OWNER, "*", 1), Limit(Scope.OWNER, "a", 5)]
    assert owners(pick(ready("a", 10) + ready("b", 10), room=10, limits=limits)) == {"a": 5, "b": 1}


def test_a_step_that_a_limit_holds_back_does_not_hold_back_those_behind_it():
    steps = ready("a", 3, "slow") + ready("a", 2, "quick")
    assert len(pick(steps, room=5, limits=[Limit(Scope.PIPELINE, "slow", 1)])) == 3


def test_a_slow_step_that_no_thread_is_free_for_does_not_hold_back_the_short_ones_behind_it():
    steps = ready("a", 3) + ready("a", 4, name="short")
    assert [step.name for step in pick(steps, room=room_for(slow=1, short=3))] == ["slow", "short", "short", "short"]


def test_usage_is_time_held_and_fades():
    usage = Usage()
    usage.sample(situation([running("a", 2), running("b", queue="media")], io=2, media=1), 0.0)
    usage.sample(situation([]), 2.0)
    assert usage.held == {("io", "a"): 4.0, ("media", "b"): 2.0}
    usage.sample(situation([]), 2.0 + HALF_LIFE_SECONDS)
    assert usage.held["io", "a"] == pytest.approx(2.0)


def test_leases_that_share_a_thread_share_its_time():
    usage = Usage()
    usage.sample(situation([running("a", 30), running("b", 10)], io=4), 0.0)
    usage.sample(situation([]), 10.0)
    assert usage.held == {("io", "a"): pytest.approx(30.0), ("io", "b"): pytest.approx(10.0)}


def test_the_first_look_counts_nothing():
    usage = Usage()
    usage.sample(situation([running("a")], io=1), 1e6)
    assert not any(usage.held.values())


def test_what_an_owner_did_not_use_while_it_wanted_nothing_is_no_credit():
    usage = Usage()
    usage.sample(situation([running("a")], io=1), 0.0)
    usage.served("io", [], {})
    usage.sample(situation([running("a")], io=1), 100.0)
    assert usage.served("io", ["b", "c"], {"b": 2.0}) == {"a": 100.0, "b": 2 * 99.0, "c": 99.0}


def test_who_waits_all_the_time_keeps_its_credit():
    usage = Usage()
    usage.sample(situation([running("a")], io=1), 0.0)
    usage.served("io", ["b"], {})
    usage.sample(situation([running("a")], io=1), 100.0)
    assert usage.served("io", ["b"], {}).get("b", 0.0) == 0.0


NAMES = st.sampled_from("abcdef")
COUNTS = st.dictionaries(NAMES, st.integers(1, 20), min_size=1)
SERVED = st.dictionaries(NAMES, st.floats(0, 1e6))


@given(counts=COUNTS, room=st.integers(0, 30), most=st.integers(0, 10), served=SERVED)
def test_no_limit_is_exceeded_and_no_room_is_wasted(counts: dict, room: int, most: int, served: dict):
    steps = [step for owner, count in counts.items() for step in ready(owner, count)]
    chosen = pick(steps, room=room, limits=[Limit(Scope.OWNER, "*", most)], served=served)
    assert len(set(chosen)) == len(chosen) == min(room, sum(min(most, count) for count in counts.values()))
    assert all(count <= most for count in owners(chosen).values())


@given(slow=COUNTS, short=COUNTS, threads=st.integers(0, 20), ahead=st.integers(0, 30), served=SERVED)
def test_slow_and_short_steps_each_fill_their_own_room(slow: dict, short: dict, threads: int, ahead: int, served: dict):
    steps = [
        step
        for name, counts in (("slow", slow), ("short", short))
        for owner in counts
        for step in ready(owner, counts[owner], name=name)
    ]
    kinds = Counter(step.name for step in pick(steps, room=room_for(slow=threads, short=ahead), served=served))
    assert kinds["slow"] == min(threads, sum(slow.values()))
    assert kinds["short"] == min(ahead, sum(short.values()))
