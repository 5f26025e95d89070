from uuid import uuid4

from scheduler.ready import Ready, Situation
from scheduler.relay import grouped

MILLISECOND = 0.001


def steps(*names: str) -> list[Ready]:
    return [Ready(uuid4(), "io", "p", name, "a", 0.0) for name in names]


def sizes(ready: list[Ready], *, threads: int, **milliseconds: float) -> list[int]:
    short = {("p", name): each * MILLISECOND for name, each in milliseconds.items()}
    hints = grouped(ready, threads, Situation({"io": threads}, [], short, [], {}))
    assert [step for hint in hints for step in hint] == ready, "a step was lost, doubled or moved"
    return [len(hint) for hint in hints]


def test_steps_that_nobody_knows_to_be_short_are_hinted_alone():
    assert sizes(steps("cut", "cut", "cut"), threads=1) == [1, 1, 1]


def test_a_few_short_steps_share_a_hint_though_there_are_threads_for_each():
    assert sizes(steps(*["ping"] * 5), threads=8, ping=1) == [5]


def test_short_steps_that_are_worth_a_claim_are_spread_over_the_threads():
    assert sizes(steps(*["ping"] * 4), threads=8, ping=10) == [1, 1, 1, 1]


def test_a_backlog_is_cut_into_hints_of_no_more_than_fifty_milliseconds():
    assert set(sizes(steps(*["ping"] * 1000), threads=4, ping=2)) == {25}


def test_a_step_of_no_time_at_all_still_counts():
    assert max(sizes(steps(*["ping"] * 1000), threads=1, ping=0)) == 50


def test_a_slow_step_between_short_ones_shares_with_neither():
    assert sizes(steps("ping", "ping", "cut", "ping", "ping"), threads=8, ping=1) == [2, 1, 2]
