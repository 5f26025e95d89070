from hypothesis import given
from hypothesis import strategies as st

from pipelines.review.units import covers, cut, list_units
from pipelines.transcript.screen import Frame, Screen
from tests.pipelines.providers.rules.talk import say


def heard(text: str):
    return list_units(say(text), None)


def test_sentences_are_units_and_what_stands_on_the_screen_comes_once():
    frames = (Frame(0, 2, ("SALES", "$84,000")), Frame(1, 5, ("SALES", "$84,000")), Frame(4, 6, ()))
    units = list_units(say("Good morning. Let us begin! Ready?"), Screen(frames, 1.0, False, "reader"))
    assert [(unit.number, unit.source, unit.text) for unit in units] == [
        (1, "audio", "Good morning."),
        (2, "audio", "Let us begin!"),
        (3, "audio", "Ready?"),
        (4, "screen", "SALES $84,000"),
    ]
    assert (units[3].start_seconds, units[3].end_seconds) == (0, 5)


def test_a_quote_is_found_whatever_its_case_and_signs():
    (unit,) = heard("call me at 415 -55 -0132 , tonight")
    assert [word.text for word in unit.find("At 415-55-0132")] == ["at", "415", "-55", "-0132"]
    assert unit.find("55-0132 tonight")[0].text == "-55"


def test_a_quote_that_does_not_stand_there_is_not_found():
    (unit,) = heard("the account is in order")
    assert unit.find("count is") == ()  # from the midst of a word
    for quote in ("the account number", "", "…", "order in"):
        assert unit.find(quote) == ()


@given(st.lists(st.integers(1, 60), max_size=60), st.integers(1, 200), st.integers(0, 300))
def test_every_unit_is_in_a_window_whatever_their_lengths(lengths: list[int], most: int, overlap: int):
    units = heard(" ".join(" ".join(["word"] * (length - 1) + ["end."]) for length in lengths))
    windows = cut(units, most_words=most, overlap_words=overlap)
    assert covers(windows, units)
    assert {unit.number for window in windows for unit in window} == {unit.number for unit in units}
    assert all(len(window) == 1 or sum(len(unit.words) for unit in window) <= most for window in windows)
