from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.providers.whisper.listener.listen import settle
from pipelines.providers.whisper.listener.pieces import Piece
from pipelines.providers.whisper.listener.voice import WINDOW_SECONDS
from pipelines.providers.whisper.listener.words import Heard, clean, drop_crowds, drop_loops, join_parts, put_in_order

VOICE = np.ones(400, np.float32)  # 12.8 s


def voice_in(*spans: tuple[float, float], seconds: float = 12.8) -> np.ndarray:
    probabilities = np.zeros(int(seconds / WINDOW_SECONDS), np.float32)
    for start, end in spans:
        probabilities[int(start / WINDOW_SECONDS) : int(end / WINDOW_SECONDS)] = 1
    return probabilities


def parts(*texts: str, each: float = 0.3) -> list[Heard]:
    return [Heard(text, place * each, (place + 1) * each, 0.9) for place, text in enumerate(texts)]


def texts(words: list[Heard]) -> list[str]:
    return [word.text for word in words]


@pytest.mark.parametrize(
    ("split", "whole"),
    [
        ((" 555", "-0142."), ["555-0142."]),
        ((" $412", ",000", ","), ["$412,000,"]),
        ((" 50", "%"), ["50%"]),
        ((" Jennifer", ".Martin", "@example", ".com"), ["Jennifer.Martin@example.com"]),
        ((" no", " -", " yes"), ["no", "yes"]),
        ((" R", " &", " D"), ["R", "&", "D"]),
        (("begins", " without"), ["begins", "without"]),
        ((" ", "", " ...", " \n "), []),
        ((" two words", " here"), ["two words", "here"]),
    ],
)
def test_parts_become_the_words_that_were_written(split: tuple[str, ...], whole: list[str]) -> None:
    assert texts(join_parts(parts(*split))) == whole


def test_a_joined_word_lasts_from_its_first_part_to_its_last_and_is_as_sure_as_its_least() -> None:
    joined = join_parts([Heard(" 555", 1.0, 2.0, 0.9), Heard("-0142", 2.2, 3.5, 0.4), Heard(".", 3.5, 4.0, 0.1)])
    assert joined == [Heard("555-0142.", 1.0, 3.5, 0.4)]


def test_what_goes_round_and_round_is_said_once() -> None:
    assert texts(drop_loops(parts(" Well", *([" thank", " you."] * 9), " so", " it", " is"))) == [
        " Well",
        " thank",
        " you.",
        " so",
        " it",
        " is",
    ]


def test_what_is_said_three_times_is_no_loop() -> None:
    said = parts(" no", " no", " no", " ever", " tried", " ever", " tried", " ever", " tried")
    assert drop_loops(said) == said


def test_a_word_where_no_voice_was_is_dropped() -> None:
    silent = voice_in((5.0, 6.0))
    heard = [Heard(" You", 1.0, 1.5, 0.9), Heard(" there", 5.1, 5.6, 0.9)]
    assert texts(clean(heard, silent, looping=False, spaced=True)) == ["there"]


def test_a_word_that_spans_a_silence_keeps_the_side_with_more_voice() -> None:
    (word,) = clean([Heard(" hello", 1.0, 6.0, 0.9)], voice_in((0.9, 1.2), (5.4, 6.2)), looping=False, spaced=True)
    assert word.start == pytest.approx(5.3, abs=0.05)
    assert word.end == 6.0


def test_a_number_spoken_in_groups_keeps_them_all() -> None:
    heard = [Heard(" 555", 1.0, 2.5, 0.9), Heard("-0142", 2.5, 4.0, 0.9)]
    (word,) = clean(heard, voice_in((0.9, 2.0), (2.9, 4.1)), looping=False, spaced=True)
    assert (word.text, word.start, word.end) == ("555-0142", 1.0, 4.0)


def test_words_that_nobody_could_say_so_fast_are_dropped() -> None:
    crowd = [Heard(f"w{place}", 1 + place * 0.01, 1.01 + place * 0.01, 0.9) for place in range(6)]
    after = Heard("after", 2.0, 2.4, 0.9)
    assert drop_crowds([*crowd, after]) == [after]


def test_a_word_made_too_short_is_given_the_voice_before_it() -> None:
    heard = [Heard(" ago,", 1.0, 1.4, 0.9), Heard(" wages", 2.38, 2.4, 0.9)]
    words = clean(heard, voice_in((0.9, 1.4), (2.0, 2.5)), looping=False, spaced=True)
    assert words[1].start == pytest.approx(2.1, abs=0.04)


def test_a_word_made_too_short_shares_the_time_of_the_word_before_it() -> None:
    words = clean([Heard(" the", 1.0, 1.6, 0.9), Heard(" bakery", 1.6, 1.62, 0.9)], VOICE, looping=False, spaced=True)
    assert words[0].end == words[1].start == pytest.approx(1.2, abs=0.1)


moments = st.floats(0, 14)
heard_parts = st.builds(
    lambda text, start, length, probability: Heard(text, start, start + length, probability),
    st.text("ab1 .-%$", max_size=6),
    moments,
    st.sampled_from([0.0, 0.01, 0.2, 0.5, 3.0]),
    st.floats(0, 1),
)


@given(
    st.lists(heard_parts, max_size=40), st.lists(st.sampled_from([0.0, 0.3, 0.9]), max_size=400), st.booleans(), st.booleans()
)
def test_whatever_the_model_says_words_rise_and_stay_within_the_sound(
    said: list[Heard], voice: list[float], looping: bool, spaced: bool
) -> None:
    said.sort(key=lambda part: part.start)
    probabilities = np.array(voice, np.float32)
    words = put_in_order(clean(said, probabilities, looping=looping, spaced=spaced), 12.8)
    ends = [moment for word in words for moment in (word.start, word.end)]
    assert ends == sorted(ends)
    assert all(0 <= word.start < word.end <= 12.8 and word.text.strip() for word in words)


@given(st.lists(heard_parts, max_size=40))
def test_order_is_made_without_losing_a_word_that_has_time(said: list[Heard]) -> None:
    said.sort(key=lambda part: part.start)
    placed = put_in_order(said, 99.0)
    assert texts(placed) == texts(said)
    assert put_in_order(placed, 99.0) == placed
    assert all(before.start < after.start for before, after in pairwise(placed))


def test_at_a_cut_within_speech_the_last_words_are_left_to_the_next_piece() -> None:
    words = [Heard("one", 20.0, 20.5, 0.9), Heard("two", 27.0, 27.9, 0.9), Heard("thr", 27.9, 29.0, 0.2)]
    assert settle(Piece(0.0, 29.0, clean=False), words) == (words[:2], 27.9)


def test_at_a_cut_in_a_pause_all_words_count() -> None:
    words = [Heard("one", 20.0, 20.5, 0.9), Heard("two", 27.9, 29.0, 0.9)]
    assert settle(Piece(0.0, 29.0, clean=True), words) == (words, 29.0)


@pytest.mark.parametrize("words", [[], [Heard("you", 1.0, 1.4, 0.9)]])
def test_a_cut_where_the_model_is_at_a_loss_still_brings_us_forward(words: list[Heard]) -> None:
    assert settle(Piece(0.0, 29.0, clean=False), words) == (words, 29.0)
