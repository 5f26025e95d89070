import pytest

from api_stub.dashboard.rendering import film_clock, percent, repeats, size, span
from db.schedule_rules import read_rule


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0.0 s"), (0, "0.0 s"), (59.99, "59.9 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (90000, "1 d 1 h")],
)
def test_a_span_is_told_in_two_units_at_most(seconds: float, words: str):
    assert span(seconds) == words


@pytest.mark.parametrize(("seconds", "clock"), [(0, "0:00"), (32.9, "0:32"), (3723, "1:02:03")])
def test_a_place_in_a_film_is_written_as_players_write_it(seconds: float, clock: str):
    assert film_clock(seconds) == clock


@pytest.mark.parametrize(("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 30, "5.0 GiB")])
def test_a_size_has_a_short_number(count: int, words: str):
    assert size(count) == words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"kind": "interval", "minutes": 90}, "every 1 h 30 min"),
        ({"kind": "interval", "days": 1}, "every day at 09:00"),
        ({"kind": "interval", "days": 3, "hour": 17, "minute": 5}, "every 3 days at 17:05"),
        ({"kind": "weekly", "weekday": 0}, "every Sunday at 09:00"),
        ({"kind": "weekly", "weekday": 1}, "every Monday at 09:00"),
        ({"kind": "monthly", "day": 31}, "on day 31 of every month at 09:00"),
    ],
)
def test_a_rule_is_told_in_words(rule: dict[str, object], words: str):
    assert repeats(read_rule(rule).document()) == words


def test_a_share_is_a_whole_percentage():
    assert percent(0.854) == "85 %"
