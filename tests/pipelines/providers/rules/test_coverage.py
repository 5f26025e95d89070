"""A review is clear only when everything that can be heard was understood."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from pipelines.providers.rules import review
from pipelines.providers.rules.coverage import coverage
from pipelines.transcript import Stretch, Transcript, Word
from tests.pipelines.providers.rules.talk import check, say

BENIGN = say("water the lawn early in the morning while the air is still cool")


def heard(words: Sequence[Word], speech: Sequence[tuple[float, float]], *, duration: float = 60.0) -> Transcript:
    return Transcript(tuple(words), tuple(Stretch(*span) for span in speech), duration, "en", "a person")


def test_benign_talk_is_clear() -> None:
    checked = check(BENIGN)
    assert checked.clear
    assert checked.segments == ()
    assert checked.coverage.unchecked_seconds == 0
    assert checked.coverage.checked_seconds == pytest.approx(BENIGN.duration_seconds)


def test_a_voice_without_words_is_not_checked() -> None:
    checked = check(replace(BENIGN, speech=(*BENIGN.speech, Stretch(20.0, 25.0)), duration_seconds=30.0))
    (segment,) = checked.segments
    assert not checked.clear
    assert (segment["startSeconds"], segment["endSeconds"]) == (20.0, 25.0)
    assert (segment["category"], segment["severity"]) == ("other", "high")
    assert str(segment["reason"]).startswith("not checked: ")
    assert segment["confidence"] == 1.0
    assert checked.coverage.unchecked_seconds == 5.0
    assert "5 of 30 seconds could not be checked" in checked.summary


def test_words_that_the_model_dropped_inside_a_voice_are_missed() -> None:
    words = [Word("hello", 1.0, 1.4, 1.0), Word("goodbye", 8.0, 8.5, 1.0)]
    (gap,) = coverage(heard(words, [(1.0, 8.5)]), has_sound=True).gaps
    assert (gap.start_seconds, gap.end_seconds) == (pytest.approx(1.75), pytest.approx(7.65))


def test_one_short_word_does_not_stand_for_ten_seconds_of_voice() -> None:
    (gap,) = coverage(heard([Word("so", 1.0, 11.0, 1.0)], [(1.0, 11.0)]), has_sound=True).gaps
    assert gap.end_seconds == 11.0


def test_a_long_number_may_take_its_time() -> None:
    assert not coverage(heard([Word("212-555-0148", 1.0, 5.2, 1.0)], [(1.0, 5.2)]), has_sound=True).gaps


def test_a_hm_needs_no_word() -> None:
    assert not coverage(heard([], [(3.0, 3.5)]), has_sound=True).gaps


def test_words_that_the_model_is_unsure_of_are_not_checked() -> None:
    unsure = say("maybe it said something like this or that or not", probability=0.2)
    (segment,) = check(unsure).segments
    assert segment["reason"] == "not checked: speech was not understood"


def test_one_unsure_word_among_sure_ones_is_let_pass() -> None:
    words = list(BENIGN.words)
    words[5] = replace(words[5], probability=0.01)
    assert check(replace(BENIGN, words=tuple(words))).clear


@pytest.mark.parametrize("language", ["de", "", "EN?"])
def test_another_language_is_not_checked_at_all(language: str) -> None:
    checked = check(replace(BENIGN, language=language))
    (segment,) = checked.segments
    assert not checked.clear
    assert (segment["startSeconds"], segment["endSeconds"]) == (0.0, BENIGN.duration_seconds)
    assert segment["reason"] == "not checked: the language is not English"
    assert checked.coverage.checked_seconds == 0


def test_secrets_are_found_in_another_language_too() -> None:
    checked = check(replace(say("ruf an 212-555-0148 bitte"), language="de"))
    assert {segment["rule"] for segment in checked.segments} == {"not_english", "phone_number"}


@pytest.mark.parametrize("duration", [0.0, -1.0])
def test_a_video_with_sound_that_nobody_listened_to_is_not_clear(duration: float) -> None:
    assert not check(heard([], [], duration=duration)).clear


def test_a_video_with_sound_whose_transcript_was_made_by_nothing_is_not_clear() -> None:
    checked = check(Transcript((), (), 60.0, "en", "none: no sound"))
    assert not checked.clear
    assert checked.coverage.unchecked_seconds == 60.0


def test_silence_is_clear() -> None:
    assert check(heard([], [])).clear


def test_a_video_without_sound_is_clear_and_says_why() -> None:
    checked = check(Transcript((), (), 60.0, "en", "none: no sound"), has_sound=False)
    assert checked.clear
    assert "nothing to hear" in checked.summary


def test_words_in_a_video_that_should_have_no_sound_are_checked() -> None:
    assert not check(say("the password is tangerine"), has_sound=False).clear


def test_every_summary_says_that_only_speech_was_checked() -> None:
    assert "What is shown was not looked at." in check(BENIGN).summary


def test_the_record_names_the_rules_and_the_speech_model() -> None:
    assert check(BENIGN).model_used == "rules 1, a person"


@pytest.mark.parametrize(
    "broken",
    [
        replace(BENIGN, words=(Word("hello", float("nan"), 1.0, 1.0),)),
        replace(BENIGN, speech=(Stretch(0.0, float("inf")),)),
        replace(BENIGN, duration_seconds=float("nan")),
    ],
)
def test_a_time_that_is_no_number_is_refused(broken: Transcript) -> None:
    with pytest.raises(Invalid):
        check(broken)


def test_a_probability_that_is_no_number_counts_as_unsure() -> None:
    assert not check(say("water the lawn early in the morning", probability=float("nan"))).clear


spans = st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 20)), max_size=8)


@given(spans, spans)
def test_what_was_and_was_not_checked_make_up_the_duration(
    words: list[tuple[float, float]], voices: list[tuple[float, float]]
) -> None:
    said = [Word("word", start, start + length, 1.0) for start, length in sorted(words)]
    transcript = heard(said, [(start, start + length) for start, length in sorted(voices)], duration=90.0)
    covered = coverage(transcript, has_sound=True)
    assert covered.checked_seconds + covered.unchecked_seconds == pytest.approx(90.0, abs=0.01)
    assert all(0 <= gap.start_seconds < gap.end_seconds <= 90.0 for gap in covered.gaps)
    assert bool(covered.gaps) == (covered.unchecked_seconds > 0)


@given(
    st.lists(st.tuples(st.text(max_size=12), st.floats(-5, 70), st.floats(-1, 70), st.floats(-1, 2)), max_size=30),
    st.booleans(),
)
def test_any_words_get_a_review(words: list[tuple[str, float, float, float]], has_sound: bool) -> None:
    checked = review(heard([Word(*word) for word in words], [(0.0, 30.0)]), has_sound=has_sound, content_hash="x")
    assert checked.clear == (not checked.segments)
    assert all(0 <= float(str(one["startSeconds"])) <= float(str(one["endSeconds"])) <= 60.0 for one in checked.segments)
