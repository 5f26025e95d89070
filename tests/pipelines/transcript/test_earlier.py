from typing import Any

import pytest

from pipelines.transcript.earlier import earlier_transcript


def row(**values: Any) -> dict[str, Any]:
    return {"captions": None, "transcript": None, "duration_ms": None, "language": "en-US", **values}


def test_subrip_text_keeps_its_times():
    text = "1\r\n00:00:01,000 --> 00:00:03,000\nGood morning\n\n2\n01:00:00,500 --> 01:00:01,500 x\nAll of\nyou\n"
    made = earlier_transcript(row(transcript=text))
    assert [(word.text, word.start_seconds) for word in made.words] == [
        ("Good", 1.0),
        ("morning", 2.0),
        ("All", 3600.5),
        ("of", pytest.approx(3600.833, abs=0.001)),
        ("you", pytest.approx(3601.167, abs=0.001)),
    ]
    assert (made.language, made.duration_seconds) == ("en", 3601.5)


def test_captions_come_first_and_what_is_no_cue_is_passed_over():
    cues = [{"startMs": 0, "endMs": 1000, "text": "Hello"}, {"startMs": "x"}, None, {"startMs": 2000, "endMs": 1000}]
    made = earlier_transcript(row(captions=cues, transcript="other words"))
    assert [word.text for word in made.words] == ["Hello"]


def test_text_without_times_is_spread_and_says_so():
    made = earlier_transcript(row(transcript="one two", duration_ms=10_000))
    assert [(word.start_seconds, word.end_seconds) for word in made.words] == [(0, 5), (5, 10)]
    assert "guesses" in made.engine


@pytest.mark.parametrize("captions", [None, [], "x", {}])
def test_without_words_there_is_none(captions: object):
    assert earlier_transcript(row(captions=captions, transcript=" ")) is None
