from pathlib import Path

import pytest

from core.children import Output
from core.errors import ChildDied, DiskFull, Misconfigured, Transient
from pipelines.providers.ffmpeg import build_info
from pipelines.providers.ffmpeg.command import ProgressLines, program, require_success
from pipelines.providers.ffmpeg.poster import Looks


def told(*lines: str, seconds: float = 10) -> list[float]:
    shares: list[float] = []
    reader = ProgressLines(seconds, shares.append)
    for line in lines:
        reader(line)
    return shares


def test_progress_is_the_share_of_the_length() -> None:
    assert told("frame=30", "out_time_us=1000000", "out_time_us=5000000", "progress=end") == [0.1, 0.5]


def test_progress_never_falls() -> None:
    assert told("out_time_us=5000000", "out_time_us=4000000") == [0.5, 0.5]


def test_progress_ends_at_one() -> None:
    assert told("out_time_us=99000000") == [1.0]


def test_progress_does_not_start_below_zero() -> None:
    assert told("out_time_us=-21000") == [0.0]


def test_progress_passes_over_what_is_not_known_yet() -> None:
    assert told("out_time_us=N/A", "bitrate=N/A", "speed=1.5x", "", "=", "out_time_us=") == []


def test_the_last_count_of_frames_is_kept() -> None:
    reader = ProgressLines(0, lambda _: None)
    reader("frame=  30")
    reader("frame=60\n")
    assert reader.frames == 60


@pytest.mark.parametrize(
    ("returncode", "error"), [(256 - 28, DiskFull), (256 - 12, ChildDied), (1, Transient), (255, Transient)]
)
def test_a_failure_is_what_it_means_for_the_step(returncode: int, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(Transient) as caught:
        require_success(Output(returncode, "", "one\ntwo\n"), "transcoding", tmp_path)
    assert type(caught.value) is error
    assert "transcoding" in str(caught.value)


def test_an_older_ffmpeg_tells_a_full_disk_in_words(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        require_success(Output(1, "", "Error writing trailer: No space left on device\n"), "transcoding", tmp_path)


def test_a_success_is_no_failure(tmp_path: Path) -> None:
    require_success(Output(0, "", "a warning"), "transcoding", tmp_path)


def test_the_ffmpeg_on_path_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "ffmpeg"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program.__wrapped__("ffmpeg") == str(own)


@pytest.mark.parametrize("name", ["ffmpeg", "ffprobe"])
def test_without_one_on_path_the_installed_wheel_has_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(program.__wrapped__(name)).is_file()


def test_a_program_that_is_nowhere_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Misconfigured, match="install it"):
        program.__wrapped__("ffplay")


def test_the_build_can_encode_what_a_ladder_needs() -> None:
    build = build_info()
    assert build.libx264
    assert build.aac
    assert build.version.startswith("ffmpeg version")
    assert build.as_json()["path"] == program("ffmpeg")


def looks(*frames: tuple[float, int, int, int]) -> Looks:
    found = Looks()
    for time, low, average, high in frames:
        for key, value in (("YLOW", low), ("YAVG", average), ("YHIGH", high)):
            found(f"frame:0    pts:1       pts_time:{time}")
            found(f"lavfi.signalstats.{key}={value}")
    return found


def test_a_poster_is_rich_in_contrast() -> None:
    assert looks((1.0, 90, 100, 110), (2.0, 20, 100, 220), (3.0, 80, 100, 120)).best_time(10) == 2.0


def test_a_poster_is_neither_dark_nor_burnt_out() -> None:
    assert looks((1.0, 0, 10, 220), (2.0, 90, 100, 150), (3.0, 30, 240, 255)).best_time(10) == 2.0


def test_a_poster_is_rather_not_from_the_very_start_or_the_end() -> None:
    assert looks((0.1, 20, 100, 220), (2.0, 30, 100, 210), (9.0, 20, 100, 220)).best_time(10) == 2.0


def test_a_film_of_which_nothing_was_seen_has_its_start_as_poster() -> None:
    assert looks().best_time(10) == 0.0
