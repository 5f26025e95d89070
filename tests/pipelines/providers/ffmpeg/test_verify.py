import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import Transient
from pipelines.providers.ffmpeg import verify_ladder
from pipelines.providers.ffmpeg.command import program
from tests.media import LocalRun, ffmpeg, truncate
from tests.pipelines.providers.ffmpeg.conftest import Made


@pytest.fixture
def copy(made: Made, tmp_path: Path) -> Made:
    return replace(made, folder=Path(shutil.copytree(made.folder, tmp_path / "copy")))


def test_what_was_measured_is_told(made: Made) -> None:
    measured = made.verify()
    assert (measured.frames, measured.seconds, measured.keyframes, measured.decoded_files) == (50, 5.0, 3, 4)
    assert measured.audio_offset_seconds == pytest.approx(0, abs=0.002)
    assert 5 - 0.02 <= measured.audio_seconds <= 5 + 0.02 + 1024 / 48_000  # the last AAC frame is filled up
    assert measured.as_json()["frames"] == 50


def test_a_check_reads_only_what_was_made(made: Made) -> None:
    run = LocalRun(made.folder)
    verify_ladder(run, made.folder, made.ladder, made.probe)
    for argv in run.calls:
        before = argv[: argv.index("-i")]
        assert before[before.index("-protocol_whitelist") + 1] == "file"
        assert "-nostdin" in before or argv[0] == program("ffprobe")
        assert argv[argv.index("-i") + 1].startswith(f"file:{made.folder}/")
    assert not any(run.inputs)


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = (folder / name).read_text()
        assert old in content
        (folder / name).write_text(content.replace(old, new, 1))

    return spoil


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str, share: float) -> Callable[[Path], None]:
    return lambda folder: truncate(folder / name, share) and None


def move_index(folder: Path) -> None:
    ffmpeg("-i", folder / "video.mp4", "-c", "copy", folder / "late.mp4")
    (folder / "late.mp4").replace(folder / "video.mp4")


def shift_sound(folder: Path) -> None:
    best = folder / "video.mp4"
    inputs = ("-i", best, "-itsoffset", "0.1", "-i", best, "-map", "0:v", "-map", "1:a")
    ffmpeg(*inputs, "-c", "copy", "-movflags", "+faststart", folder / "shifted.mp4")
    (folder / "shifted.mp4").replace(best)


def shorten(folder: Path) -> None:
    ffmpeg("-i", folder / "video.mp4", "-t", "3", "-c", "copy", "-movflags", "+faststart", folder / "short.mp4")
    (folder / "short.mp4").replace(folder / "video.mp4")


def flip_bytes(folder: Path) -> None:
    path = folder / "v1" / "s00000.m4s"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = b"\xa5" * 3000
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(remove("v0/s00001.m4s"), "v0/index.m3u8", id="a segment is missing"),
        pytest.param(remove("a0/s00000.m4s"), "a0/index.m3u8", id="a segment of the sound is missing"),
        pytest.param(remove("v1/init_1.mp4"), "v1/index.m3u8", id="an init segment is missing"),
        pytest.param(remove("v1/index.m3u8"), "v1/index.m3u8", id="a playlist is missing"),
        pytest.param(remove("poster.jpg"), "poster.jpg is missing", id="the poster is missing"),
        pytest.param(remove("master.m3u8"), "master.m3u8 is missing", id="the master is missing"),
        pytest.param(remove("video.mp4"), "video.mp4 is missing", id="the progressive file is missing"),
        pytest.param(cut("v1/s00000.m4s", 0.5), "v1", id="a segment is cut off"),
        pytest.param(cut("v0/s00001.m4s", 0.99), "v0", id="the last segment is cut off by little"),
        pytest.param(cut("v0/s00001.m4s", 0), "v0", id="a segment is empty"),
        pytest.param(cut("a0/s00001.m4s", 0.5), "a0", id="a segment of the sound is cut off"),
        pytest.param(cut("video.mp4", 0.7), "video.mp4", id="the progressive file is cut off"),
        pytest.param(flip_bytes, "v1/index.m3u8 does not decode", id="bytes of a segment are wrong"),
        pytest.param(move_index, "does not start with its index", id="the index comes last"),
        pytest.param(shift_sound, "off the picture", id="the sound is late"),
        pytest.param(shorten, "frames", id="the progressive file is too short"),
        pytest.param(edit("v0/index.m3u8", "s00001.m4s", "s00009.m4s"), "s00009.m4s", id="a playlist names a missing file"),
        pytest.param(edit("v0/index.m3u8", "s00001.m4s", "init_0.mp4"), "not planned", id="a playlist names another file"),
        pytest.param(edit("v0/index.m3u8", "s00001.m4s", "../v1/s00001.m4s"), "not planned", id="a playlist leaves its folder"),
        pytest.param(edit("v0/index.m3u8", "EXTINF:4", "EXTINF:3"), "keyframe", id="a playlist states a wrong cut"),
        pytest.param(
            edit("v0/index.m3u8", "EXTINF:1.0", "EXTINF:2.0"), "its playlist says", id="a playlist states a wrong length"
        ),
        pytest.param(edit("a0/index.m3u8", "EXTINF:4", "EXTINF:2"), "its playlist says", id="the sound's playlist is wrong"),
        pytest.param(edit("v0/index.m3u8", "DURATION:4", "DURATION:2"), "more than it promises", id="a segment is too long"),
        pytest.param(edit("v0/index.m3u8", "#EXT-X-ENDLIST", ""), "not marked as complete", id="a playlist is open"),
        pytest.param(edit("master.m3u8", "v1/index.m3u8", "v2/index.m3u8"), "master.m3u8 names", id="the master names no rung"),
        pytest.param(edit("master.m3u8", "a0/index", "a1/index"), "master.m3u8 names", id="the master names no sound"),
    ],
)
def test_a_spoilt_ladder_does_not_pass(spoil: Callable[[Path], None], said: str, copy: Made) -> None:
    spoil(copy.folder)
    with pytest.raises(Transient) as caught:
        copy.verify()
    assert said in str(caught.value)


@pytest.mark.parametrize("seconds", [4.8, 5.2])
def test_a_picture_of_another_length_than_the_source_does_not_pass(seconds: float, made: Made) -> None:
    other = replace(made, ladder=replace(made.ladder, picture_seconds=seconds))
    with pytest.raises(Transient, match="the source gave"):
        other.verify()


def test_sound_of_another_length_than_the_source_does_not_pass(made: Made) -> None:
    other = replace(made, ladder=replace(made.ladder, audio_seconds=5.1))
    with pytest.raises(Transient, match="the sound lasts"):
        other.verify()


def test_a_rung_of_another_size_does_not_pass(made: Made) -> None:
    first, second = made.ladder.rungs
    other = replace(made, ladder=replace(made.ladder, rungs=(first, replace(second, height=240))))
    with pytest.raises(Transient, match="480x360, not 480x240"):
        other.verify()


def test_a_failed_check_may_be_tried_again(made: Made) -> None:
    assert made.verify() == made.verify()
