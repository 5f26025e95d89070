"""Time to review grows with the length of the talk, whatever is said."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.transcript import Stretch, Transcript, Word
from tests.pipelines.providers.rules.talk import check, say

HOUR_WORDS = 9_000
BOUND_SECONDS = 15.0  # linear work takes under two, on a loaded machine some more; what backtracks takes minutes

PLAIN = "so then we put the bread into the oven and wait for about an hour until Maria calls us at the table again"
GARBAGE = {
    "digits": "1 " * HOUR_WORDS,
    "number words": "one hundred thousand million point " * (HOUR_WORDS // 5),
    "one long word": "a" * 100_000,
    "one long number": "1" * 100_000,
    "hyphens": "a-" * 50_000,
    "half addresses": "a@b." * 25_000,
    "spoken half addresses": "a dot at " * (HOUR_WORDS // 3),
    "half tokens": "-eyJaaaaaa" * 10_000,
    "half accounts": "aaaa://bbbb: " * 5_000,
    "orders": "ignore all " * (HOUR_WORDS // 2),
    "orders without an end": "ignore " + "all " * HOUR_WORDS,
    "secrecy": "confidential $5 " * (HOUR_WORDS // 2),
    "half streets": "12 oak big " * (HOUR_WORDS // 3),
    "half clients": "our Big client " * (HOUR_WORDS // 3),
    "illness": "Maria has diabetes " * (HOUR_WORDS // 3),
    "letters": "a b c d " * (HOUR_WORDS // 4),
    "passwords": "password for " * (HOUR_WORDS // 2),
}
CASES = [pytest.param(text, id=name) for name, text in GARBAGE.items()]


def seconds_for(transcript: Transcript) -> float:
    began = time.process_time()
    check(transcript)
    return time.process_time() - began


def test_an_hour_of_talk_is_reviewed_in_two_seconds() -> None:
    chosen = random.Random(7)
    assert seconds_for(say(" ".join(chosen.choice(PLAIN.split()) for _ in range(HOUR_WORDS)))) < 2.0


@pytest.mark.parametrize("text", CASES)
def test_garbage_is_reviewed_in_time(text: str) -> None:
    assert seconds_for(say(text)) < BOUND_SECONDS


def test_words_that_are_all_said_at_once_are_reviewed_in_time() -> None:
    words = tuple(Word(word, 1.0, 1.0, 1.0) for word in ["confidential", "$5"] * (HOUR_WORDS // 2))
    assert seconds_for(Transcript(words, (Stretch(0.0, 2.0),), 10.0, "en", "nobody")) < BOUND_SECONDS


vocabulary = sorted({word for text in GARBAGE.values() for word in text[:60].split() if len(word) < 30})


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(vocabulary), min_size=1, max_size=6))
def test_any_phrase_said_over_and_over_is_reviewed_in_time(phrase: list[str]) -> None:
    assert seconds_for(say(" ".join(phrase * (3_000 // len(phrase))))) < BOUND_SECONDS
