import pytest

from api_stub.dashboard.rendering import film_clock, percent, size, span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0.0 s"), (0, "0.0 s"), (59.99, "59.9 s"), (60, "1 min 0 s"), (3600, "1 h 0 min"), (90000, "1 d 1 h")],
)
def test_a_span_is_told_in_two_units_at_most(seconds: float, words: str):
    assert span(seconds) == words


@pytest.mark.parametrize(("seconds", "clock"), [(0, "0:00"), (32.9, "0:32"), (3723, "1:02:03")])
def test_a_place_in_a_film_is_written_as_players_write_it(seconds: float, clock: str):
    assert film_clock(seconds) == clock


@pytest.mark.parametrize(("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 30, "5.0 GiB")])
def test_a_size_has_a_short_number(count: int, words: str):
    assert size(count) == words


def test_a_share_is_a_whole_percentage():
    assert percent(0.854) == "85 %"
