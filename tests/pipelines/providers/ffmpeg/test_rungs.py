from dataclasses import asdict
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.providers.ffmpeg.rungs import Rung, plan_rungs

sides = st.integers(16, 8192)


def sizes(width: int, height: int) -> list[tuple[int, int]]:
    return [(rung.width, rung.height) for rung in plan_rungs(width, height, Fraction(30))]


@pytest.mark.parametrize(
    ("source", "rungs"),
    [
        ((1920, 1080), [(1920, 1080), (1280, 720), (854, 480), (640, 360)]),
        ((1080, 1920), [(1080, 1920), (720, 1280), (480, 854), (360, 640)]),
        ((3840, 2160), [(1920, 1080), (1280, 720), (854, 480), (640, 360)]),
        ((1280, 720), [(1280, 720), (854, 480), (640, 360)]),
        ((960, 540), [(960, 540), (640, 360)]),
        ((640, 360), [(640, 360)]),
        ((641, 361), [(640, 360)]),
        ((320, 180), [(320, 180)]),
        ((16, 16), [(16, 16)]),
    ],
)
def test_a_picture_is_offered_in_these_sizes(source: tuple[int, int], rungs: list[tuple[int, int]]) -> None:
    assert sizes(*source) == rungs


@given(sides, sides)
def test_every_rung_is_even_and_no_larger_than_the_source(width: int, height: int) -> None:
    for wide, high in sizes(width, height):
        assert wide % 2 == high % 2 == 0
        assert 2 <= wide <= width
        assert 2 <= high <= height


@given(sides, sides)
def test_rungs_shrink_from_the_best_one(width: int, height: int) -> None:
    areas = [wide * high for wide, high in sizes(width, height)]
    assert areas
    assert areas == sorted(set(areas), reverse=True)


@given(st.integers(360, 8192), st.integers(360, 8192))
def test_every_rung_has_the_shape_of_the_source(width: int, height: int) -> None:
    for wide, high in sizes(width, height):
        assert abs(wide * height - high * width) <= 2 * (width + height)


def test_many_frames_a_second_may_take_more_bits() -> None:
    slow, fast = (plan_rungs(1280, 720, Fraction(rate))[0].max_kilobits for rate in (30, 60))
    assert (slow, fast) == (2800, 4200)


def test_a_rung_survives_json() -> None:
    rung = plan_rungs(320, 180, Fraction(30))[0]
    assert Rung.from_json(asdict(rung)) == rung
