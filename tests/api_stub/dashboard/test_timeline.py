from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_stub.dashboard.timeline import timeline

START = datetime(2026, 11, 25, 12, tzinfo=UTC)


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else START + timedelta(seconds=seconds)


def step(name: str, began: float | None, ended: float | None, status: str, *, after=(), progress=None) -> dict[str, Any]:
    return {
        "name": name,
        "part": 0,
        "after": list(after),
        "status": status,
        "claimed_at": at(began),
        "finished_at": at(ended),
        "progress": progress,
    }


def attempt(name: str, began: float, ended: float, outcome: str) -> dict[str, Any]:
    return {"step": name, "part": 0, "started_at": at(began), "finished_at": at(ended), "outcome": outcome}


def job(*steps: dict[str, Any], attempts=(), ended: float | None = None) -> dict[str, Any]:
    return {"created_at": START, "finished_at": at(ended), "steps": list(steps), "attempts": list(attempts)}


def bars(job: dict[str, Any], *, now: float = 0) -> list[list[tuple[str, float, float]]]:
    return [[(bar.kind, bar.left, bar.width) for bar in lane.bars] for lane in timeline(job, at(now)).lanes]


def test_a_step_is_drawn_from_its_start_to_its_end_on_the_scale_of_the_job():
    shown = job(step("fetch", 0, 4, "succeeded"), step("probe", 5, 10, "succeeded", after=["fetch"]), ended=10)
    assert bars(shown) == [[("succeeded", 0, 40)], [("waited", 40, 10), ("succeeded", 50, 50)]]


def test_a_running_step_reaches_to_now_and_shows_its_share():
    assert bars(job(step("fetch", 0, None, "running", progress=0.25)), now=8) == [[("running", 0, 100), ("done", 0, 25)]]


def test_a_step_that_has_not_begun_has_no_bar():
    assert bars(job(step("fetch", 0, 4, "succeeded"), step("probe", None, None, "waiting")), now=4)[1] == []


def test_each_attempt_is_drawn_once():
    shown = job(
        step("fetch", 6, 10, "succeeded"),
        attempts=[attempt("fetch", 0, 4, "retrying"), attempt("fetch", 6, 10, "succeeded")],
        ended=10,
    )
    assert bars(shown) == [[("retrying", 0, 40), ("succeeded", 60, 40)]]


def test_a_long_rest_between_two_runs_is_cut_short_and_named():
    day = 86400
    shown = job(step("fetch", day, day + 10, "succeeded"), attempts=[attempt("fetch", 0, 10, "failed")], ended=day + 10)
    drawn = timeline(shown, START)
    assert [(one.left, one.width, one.words) for one in drawn.breaks] == [(40, 20, "23 h 59 min idle")]
    assert [(bar.kind, bar.left, bar.width) for bar in drawn.lanes[0].bars] == [
        ("failed", 0, 40),
        ("succeeded", 60, 40),
    ]


def test_a_lane_says_in_words_what_it_shows():
    lane = timeline(job(step("probe", 2, 5, "failed"), ended=5), START).lanes[0]
    assert lane.words == "probe: failed, began after 2.0 s, worked 3.0 s"


def test_a_job_of_no_length_is_drawn():
    assert bars(job(step("fetch", 0, 0, "succeeded"), ended=0)) == [[("succeeded", 0, 0.4)]]


moments = st.floats(0, 1e6)


@given(st.lists(st.tuples(moments, moments).map(sorted), min_size=1, max_size=6))
def test_bars_never_leave_their_lane_and_keep_their_order(times: list[list[float]]):
    steps = [step(str(index), began, ended, "succeeded") for index, (began, ended) in enumerate(times)]
    drawn = timeline(job(*steps, ended=max(ended for _, ended in times)), START)
    lefts = [lane.bars[-1].left for lane in drawn.lanes]
    assert all(bar.left >= 0 and bar.left + bar.width <= 100.5 for lane in drawn.lanes for bar in lane.bars)
    order = sorted(range(len(times)), key=lambda index: times[index][0])
    assert all(lefts[a] <= lefts[b] + 0.01 for a, b in pairwise(order))


@pytest.mark.parametrize("status", ["queued", "retrying"])
def test_an_attempt_that_was_given_back_stays_in_the_lane(status: str):
    shown = job(step("fetch", 0, None, status), attempts=[attempt("fetch", 0, 5, "released")])
    assert bars(shown, now=5) == [[("released", 0, 100)]]
