"""The bundled clips, as the bundled speech model hears them, against what is planted in them.

`data/<clip>.json` is what `pipelines.providers.whisper` (tiny.en) made of `samples/<clip>.mp4`, through ffmpeg as 16 kHz mono.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.providers.rules import Review
from pipelines.providers.rules.policy import Severity
from pipelines.transcript import Transcript
from tests.pipelines.providers.rules.talk import check

DATA = Path(__file__).parent / "data"
SAMPLES = Path(__file__).parents[4] / "samples"
TRUTH = json.loads((SAMPLES / "talk.spoken.json").read_text())


def hear(clip: str) -> Review:
    return check(Transcript.from_json(json.loads((DATA / f"{clip}.json").read_text())))


def sentence_of(planted: dict[str, Any]) -> dict[str, Any]:
    return max(
        (one for one in TRUTH["sentences"] if one["start_seconds"] <= planted["start_seconds"]),
        key=lambda sentence: sentence["start_seconds"],
    )


@pytest.mark.parametrize("planted", TRUTH["spoken"], ids=lambda planted: planted["id"])
def test_what_is_planted_in_the_talk_is_found(planted: dict[str, Any]) -> None:
    (found,) = [
        one
        for one in hear("talk").segments
        if one["category"] == planted["category"]
        and float(str(one["startSeconds"])) <= planted["start_seconds"]
        and float(str(one["endSeconds"])) >= planted["end_seconds"]
    ]
    # The truth's severity is the least that a check should give; a finding may begin with words of its sentence before.
    assert Severity(str(found["severity"])).rank >= Severity(planted["severity"]).rank
    starts = planted["start_seconds"], sentence_of(planted)["start_seconds"]
    assert any(abs(float(str(found["startSeconds"])) - start) <= 1.0 for start in starts)


def test_nothing_else_is_found_in_the_talk_but_the_price_of_what_is_bought() -> None:
    others = [
        one
        for one in hear("talk").segments
        if not any(
            one["category"] == planted["category"]
            and float(str(one["startSeconds"])) < planted["end_seconds"]
            and planted["start_seconds"] < float(str(one["endSeconds"]))
            for planted in TRUTH["spoken"]
        )
    ]
    assert [(one["rule"], one["severity"]) for one in others] == [("money_amount", "low")]


def test_the_whole_talk_is_checked() -> None:
    assert hear("talk").coverage.unchecked_seconds == 0


def test_the_clear_clip_is_clear() -> None:
    assert hear("clear").clear
