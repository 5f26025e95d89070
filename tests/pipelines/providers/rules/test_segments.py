"""What segments keep to: the guard band, merging, ids, masks and the product's shape."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.providers.rules.policy import Category, Severity, policy
from pipelines.providers.rules.segments import (
    LONGEST_SECONDS,
    MERGE_GAP_SECONDS,
    PAD_SECONDS,
    Finding,
    findings,
    mask,
    merge,
    segments,
)
from pipelines.providers.rules.spoken import Evidence
from pipelines.transcript import Stretch
from tests.pipelines.providers.rules.talk import check, say

RULES = sorted(policy().rules)
SECRET = "call 212-555-0148 and say the password is tangerine, pay with 4111 1111 1111 1111"

times = st.floats(0, 500).map(lambda seconds: round(seconds, 3))
pieces = st.builds(
    lambda rule, start, length: Evidence(rule, start, start + length, "what was said"),
    st.sampled_from(RULES),
    times,
    st.floats(0, 12),
)
evidence = st.lists(pieces, max_size=25)


def found(of: list[Evidence], *, speech: tuple[Stretch, ...] = (), duration: float = 512.0) -> list[Finding]:
    return findings(of, policy(), speech, duration)


def test_a_segment_has_the_shape_of_the_product() -> None:
    (segment,) = check("the password is tangerine").segments
    assert set(segment) == {
        *("id", "startTime", "endTime", "category", "severity", "reason", "confidence", "resolutionStatus"),
        *("startSeconds", "endSeconds", "source", "rule", "excerpt"),
    }
    assert (segment["category"], segment["severity"], segment["resolutionStatus"]) == ("company_secret", "high", "pending")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", str(segment["startTime"]))


def test_clock_times_hold_the_whole_segment() -> None:
    (segment,) = check(say("call 212-555-0148", starts=3725.5)).segments
    assert (segment["startTime"], segment["endTime"]) == ("01:02:05", "01:02:07")


def test_a_guard_band_stands_on_either_side() -> None:
    (one,) = found([Evidence("phone_number", 10.0, 12.0, "")])
    assert (one.start_seconds, one.end_seconds) == (10.0 - PAD_SECONDS, 12.0 + PAD_SECONDS)


def test_a_voice_that_begins_and_ends_nearby_belongs_to_the_segment() -> None:
    (one,) = found([Evidence("phone_number", 10.0, 12.0, "")], speech=(Stretch(9.5, 12.5),))
    assert (one.start_seconds, one.end_seconds) == (9.5, 12.5)


@given(evidence, st.floats(1, 600))
def test_findings_lie_within_the_duration(of: list[Evidence], duration: float) -> None:
    for one in found(of, duration=duration):
        assert 0 <= one.start_seconds <= one.end_seconds <= round(duration, 3)


@given(evidence)
def test_merging_again_changes_nothing(of: list[Evidence]) -> None:
    once = merge(found(of))
    assert merge(once) == once


@given(evidence)
def test_order_does_not_matter_to_merging(of: list[Evidence]) -> None:
    assert [(one.start_seconds, one.end_seconds, one.rules) for one in merge(found(of))] == [
        (one.start_seconds, one.end_seconds, one.rules) for one in merge(found(of[::-1]))
    ]


@given(evidence)
def test_merging_loses_no_second_and_no_rule(of: list[Evidence]) -> None:
    merged = merge(found(of))
    for one in found(of):
        assert any(
            many.start_seconds <= one.start_seconds
            and one.end_seconds <= many.end_seconds
            and set(one.rules) <= set(many.rules)
            for many in merged
        )


@given(evidence)
def test_what_was_merged_is_no_longer_than_it_may_be_and_of_the_gravest_severity(of: list[Evidence]) -> None:
    for one in merge(found(of)):
        assert one.end_seconds - one.start_seconds <= LONGEST_SECONDS or len(one.rules) == 1
        assert one.rules[0].severity.rank == max(rule.severity.rank for rule in one.rules)


@given(evidence)
def test_neighbours_of_one_category_stand_apart_or_would_be_too_long(of: list[Evidence]) -> None:
    for category in Category:
        for before, after in pairwise(one for one in merge(found(of)) if one.rules[0].category is category):
            assert (
                after.start_seconds - before.end_seconds > MERGE_GAP_SECONDS
                or after.end_seconds - before.start_seconds > LONGEST_SECONDS
            )


def test_categories_are_never_merged() -> None:
    of = [Evidence("phone_number", 10.0, 12.0, ""), Evidence("money_amount", 11.0, 12.0, "")]
    assert {one.rules[0].category for one in merge(found(of))} == {Category.OTHER, Category.FINANCIAL}


@given(evidence)
def test_ids_are_unique_and_the_same_for_the_same_content(of: list[Evidence]) -> None:
    merged = merge(found(of))
    ids = [one.id for one in segments(merged, "a" * 64)]
    assert len(set(ids)) == len(ids)
    assert ids == [one.id for one in segments(merged, "a" * 64)]
    assert set(ids).isdisjoint(one.id for one in segments(merged, "b" * 64))


@given(st.text())
def test_a_mask_shows_four_characters_at_most(text: str) -> None:
    assert len(mask(text).replace("…", "", 1)) <= 4


def test_no_secret_stands_in_a_segment_or_the_summary() -> None:
    review = check(SECRET)
    told = f"{review.summary} {review.segments}"
    assert len(review.segments) >= 3
    assert all(secret not in told for secret in ("212-555", "0148", "tangerine", "4111", "1111 1111"))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_words_and_a_version(rule: str) -> None:
    row = policy().rules[rule]
    assert row.reason
    assert row.version >= 1
    assert 0 < row.confidence <= 1
    assert row.severity in Severity
