from copy import deepcopy

import pytest

from api_stub.cli.demo.judge import judge, read_cues, word_errors

TRUTH = {
    "duration_seconds": 6.0,
    "sentences": [
        {"say": "Good morning everyone.", "written": "Good morning everyone.", "start_seconds": 0.5, "end_seconds": 1.5},
        {
            "say": "We made eighty four dollars today.",
            "written": "We made $84 today.",
            "start_seconds": 3.0,
            "end_seconds": 5.0,
        },
    ],
    "spoken": [
        {
            "id": "revenue",
            "category": "financial",
            "severity": "medium",
            "start_seconds": 3.4,
            "end_seconds": 4.4,
            "phrase": "-",
        }
    ],
}
VIDEO = {"status": "ready_to_edit", "durationMs": 6000}
CHECK = {
    "status": "completed",
    "overallStatus": "flagged",
    "segments": [{"category": "financial", "severity": "medium", "startTime": "00:00:03", "endTime": "00:00:05"}],
}
CAPTIONS = """WEBVTT

00:00:00.500 --> 00:00:01.500
Good morning, everyone.

00:00:03.000 --> 00:00:05.000
We made $84
today.
"""


def failures(*, video=VIDEO, check=CHECK, captions: str = CAPTIONS, truth=TRUTH) -> list[str]:
    return [verdict.words for verdict in judge(truth, video=video, check=check, captions=captions) if not verdict.passed]


def changed(original: dict, **values: object) -> dict:
    return {**deepcopy(original), **values}


def segment(**values: object) -> dict:
    return changed(CHECK, segments=[{**CHECK["segments"][0], **values}])


def test_what_is_right_passes():
    assert failures() == []


@pytest.mark.parametrize("values", [{"status": "failed"}, {"durationMs": 5900}, {"durationMs": None}])
def test_a_video_that_is_not_ready_or_of_another_length_fails(values: dict):
    assert len(failures(video=changed(VIDEO, **values))) == 1


def test_captions_of_other_words_fail():
    assert "captions: 42.9% of the spoken words are wrong" in failures(
        captions=CAPTIONS.replace("Good morning", "Bad evening, no")
    )


def test_captions_that_come_late_fail():
    late = CAPTIONS.replace("00:00:00.500 --> 00:00:01.500", "00:00:05.100 --> 00:00:05.900")
    assert any("1 of 2 sentences" in words for words in failures(captions=late))


@pytest.mark.parametrize(
    "values",
    [
        {"category": "other"},
        {"severity": "low"},
        {"startTime": "00:00:01"},
        {"startTime": "00:00:05"},
        {"endTime": "00:00:03"},
        {"startSeconds": 1.9, "endSeconds": 5.0},
    ],
)
def test_a_finding_of_another_kind_or_time_is_missed(values: dict):
    assert "00:03 revenue (financial, medium): missed" in failures(check=segment(**values))


def test_a_finding_that_is_more_severe_counts():
    assert failures(check=segment(severity="high")) == []


def test_a_finding_where_nothing_was_planted_fails():
    stray = {**CHECK["segments"][0], "startTime": "00:00:00", "endTime": "00:00:01"}
    assert failures(check=changed(CHECK, segments=[*CHECK["segments"], stray])) == ["1 findings where nothing was planted"]


def test_a_clear_clip_must_be_called_clear():
    clean = changed(TRUTH, spoken=[])
    assert failures(truth=clean, check=changed(CHECK, overallStatus="clear", segments=[])) == []
    assert failures(truth=clean) == ["confidentiality: flagged", "1 findings where nothing was planted"]


@pytest.mark.parametrize("check", [None, {"status": "error"}])
def test_a_check_that_was_not_completed_fails(check: dict | None):
    assert failures(check=check) == ["no confidentiality check was completed"]


def test_cues_are_read_with_their_times_and_words():
    assert [(cue.start_seconds, cue.end_seconds, cue.words) for cue in read_cues(CAPTIONS)] == [
        (0.5, 1.5, ("good", "morning", "everyone")),
        (3.0, 5.0, ("we", "made", "84", "today")),
    ]


@pytest.mark.parametrize(
    ("heard", "share"), [("a b c d", 0), ("a b d", 0.25), ("a x c d", 0.25), ("a b b c d", 0.25), ("", 1.0)]
)
def test_word_errors_are_a_share_of_what_was_spoken(heard: str, share: float):
    assert word_errors(["a", "b", "c", "d"], heard.split()) == share
