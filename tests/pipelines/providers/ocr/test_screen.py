"""Pictures of a screen and the text in them, by the real programs."""

from itertools import pairwise
from pathlib import Path

import pytest

from core.errors import Transient
from pipelines.providers import ffmpeg, ocr, rules
from pipelines.providers.ffmpeg.frames import Picture, Pictures, _chosen
from pipelines.providers.rules.policy import policy
from pipelines.providers.rules.screens import screen_findings
from pipelines.transcript.screen import Frame, Screen
from tests.media import LocalRun
from tests.pipelines.providers.rules.talk import say

SAMPLES = Path(__file__).parents[4] / "samples"


@pytest.mark.media
def test_what_stands_on_a_slide_is_read(tmp_path: Path):
    run, source = LocalRun(tmp_path), SAMPLES / "clear.mp4"
    taken = ffmpeg.take_pictures(run, source, ffmpeg.probe(run, source), tmp_path / "screen", most=2)
    assert (taken.is_thinned, taken.every_seconds, len(taken.pictures)) == (True, 1.0, 2)
    assert (taken.pictures[0].start_seconds, taken.pictures[-1].end_seconds) == (0, pytest.approx(12.04))
    told: list[float] = []
    screen = ocr.read_pictures(run, taken, threads=2, progress=told.append)
    assert "lawn in summer" in screen.frames[0].text
    assert "Soak the soil, do not sprinkle" in screen.frames[1].lines
    assert told == [0.5, 1.0]
    assert Screen.from_json(screen.as_json()) == screen


@pytest.mark.media
def test_a_picture_that_cannot_be_read_is_not_passed_over(tmp_path: Path):
    path = tmp_path / "000001.jpg"
    path.write_bytes(b"\xff\xd8 this is no picture")
    taken = Pictures((Picture(path, 0, 1),), 1.0, is_thinned=False)
    with pytest.raises(Transient, match="left 1 of 1 pictures unread"):
        ocr.read_pictures(LocalRun(tmp_path), taken, threads=1, progress=lambda _share: None)


def test_without_pictures_nothing_is_started(tmp_path: Path):
    run = LocalRun(tmp_path)
    assert ocr.read_pictures(run, Pictures((), 1.0, is_thinned=False), threads=1, progress=lambda _share: None).frames == ()
    assert run.calls == []


@pytest.mark.parametrize(("written", "most"), [(0, 5), (1, 5), (5, 5), (6, 5), (100, 5), (7, 1)])
def test_pictures_are_thinned_evenly_and_leave_no_time_out(written: int, most: int):
    paths = [Path(f"{number}.jpg") for number in range(written)]
    made = _chosen(paths, [float(number) for number in range(written)], 1.0, float(written), most)
    pictures = made.pictures
    assert (len(pictures), made.is_thinned) == (min(written, most), written > most)
    for before, after in pairwise(pictures):
        assert after.start_seconds <= before.end_seconds
    if pictures:
        assert (pictures[0].start_seconds, pictures[-1].end_seconds) == (0, written)


def seen(*frames: Frame) -> list[tuple[str, float, float]]:
    found = screen_findings(Screen(frames, 1.0, is_thinned=False, engine="reader"), policy(), 60.0)
    return [(one.rules[0].name, one.start_seconds, one.end_seconds) for one in found]


def test_what_stays_on_the_screen_is_one_finding_over_its_whole_time():
    account = ("Flour mill, account number", "000123456789")
    found = seen(Frame(0, 5, account), Frame(4, 9, (*account, "and a pointer")), Frame(8, 20, ()), Frame(30, 99, account))
    assert {one for one in found if one[0] == "bank_account"} == {("bank_account", 0, 9), ("bank_account", 30, 60)}
    assert {one[1:] for one in found} == {(0, 9), (30, 60)}  # whatever else rules make of it


def test_a_screen_that_could_not_be_read_is_a_finding_of_its_own():
    checked = rules.review(say("Good morning to all of you."), has_sound=True, content_hash="0" * 64, is_unseen=True)
    (gap,) = checked.segments
    assert (checked.clear, gap["rule"], gap["severity"], gap["source"]) == (False, "not_seen", "high", "screen")


def test_seen_and_heard_are_findings_apart_with_ids_of_their_own():
    screen = Screen((Frame(0, 9, ("The password is tangerine nine seven",)),), 1.0, is_thinned=False, engine="reader 1")
    checked = rules.review(say("The password is tangerine nine seven."), has_sound=True, content_hash="0" * 64, screen=screen)
    assert sorted(str(one["source"]) for one in checked.segments) == ["audio", "screen"]
    assert len({one["id"] for one in checked.segments}) == 2
    assert "Text on the screen was read in 1 picture" in checked.summary
    assert checked.ran["screen"]["pictures"] == 1
