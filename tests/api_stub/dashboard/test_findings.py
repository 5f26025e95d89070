from typing import Any

import pytest

from api_stub.dashboard.findings import UNCHECKED_RULES, cues, read_check
from pipelines.providers.rules import coverage

GAPS = {coverage.NOT_UNDERSTOOD, coverage.NOT_ENGLISH, coverage.NOT_LISTENED, coverage.NOT_SEEN}


def segment(start: float, end: float, **values: Any) -> dict[str, Any]:
    plain = {
        "startTime": "00:00:00",
        "endTime": "00:00:01",
        "startSeconds": start,
        "endSeconds": end,
        "category": "financial",
        "severity": "high",
        "reason": "An amount of money",
        "confidence": 0.5,
        "rule": "money_amount",
    }
    return plain | values


def row(*segments: dict[str, Any], **values: Any) -> Any:
    plain = {
        "status": "completed",
        "overall_status": "flagged" if segments else "clear",
        "segments": list(segments),
        "summary": "What came out.",
        "error_message": None,
        "model_used": "rules 1",
        "completed_at": None,
    }
    return plain | values


def test_findings_are_placed_on_the_line_of_the_films_time():
    check = read_check(row(segment(10, 20)), 40)
    assert [(one.left, one.width) for one in check.findings] == [(25, 25)]


def test_a_finding_beyond_the_end_is_drawn_within_the_line():
    check = read_check(row(segment(30, 50)), 40)
    assert [(one.left, one.width) for one in check.findings] == [(75, 25)]


def test_what_was_not_checked_is_told_apart_from_what_was_found():
    check = read_check(row(segment(0, 4), segment(5, 15, rule="not_understood"), segment(10, 20, rule="not_english")), 40)
    assert (len(check.findings), len(check.unchecked)) == (1, 2)
    assert (check.unchecked_seconds, check.checked_share) == (15, 0.625)


def test_the_page_knows_every_rule_that_names_a_gap():
    assert UNCHECKED_RULES == GAPS


def test_a_check_of_whole_seconds_only_is_read_from_its_clocks():
    old = {"startTime": "01:00:10", "endTime": "01:00:20", "category": "other", "severity": "low", "reason": "A name"}
    check = read_check(row(old), 7200)
    assert [(one.start_seconds, one.end_seconds, one.confidence) for one in check.findings] == [(3610, 3620, 0)]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({}, "clear"),
        ({"status": "running", "overall_status": None}, "running"),
        ({"status": "error", "overall_status": None, "summary": None, "error_message": "No answer."}, "error"),
    ],
)
def test_the_verdict_follows_the_row(values: dict[str, Any], verdict: str):
    assert read_check(row(**values), 10).verdict == verdict


def test_a_film_that_was_never_checked_has_no_check():
    assert read_check(None, 10) is None


def test_severities_that_occur_get_a_lane_the_gravest_first():
    check = read_check(row(segment(0, 1, severity="low"), segment(1, 2)), 10)
    assert check.lanes == ["high", "low"]


def test_a_caption_of_two_lines_is_one_cue():
    assert cues([{"startMs": 1500, "endMs": 2000, "text": "one\ntwo"}]) == [
        {"start_seconds": 1.5, "end_seconds": 2.0, "text": "one two"}
    ]
