import wave
from pathlib import Path

import pytest

from core.errors import DiskFull, Permanent
from pipelines.providers.ffmpeg import extract_audio, probe
from tests.media import LocalRun, make_clip, make_flash, tone_time


def extract(run: LocalRun, source: Path) -> Path:
    target = run.folder / "sound.wav"
    extract_audio(run, source, probe(run, source), target)
    return target


def test_sound_is_written_as_the_speech_model_wants_it(clip: Path, run: LocalRun) -> None:
    with wave.open(str(extract(run, clip))) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16_000, 1, 2)
        assert sound.getnframes() / 16_000 == pytest.approx(2, abs=0.03)


@pytest.mark.parametrize(("sound", "picture"), [(0, 0), (0.5, 0), (0, 0.5)])
@pytest.mark.parametrize("extension", [".mp4", ".mkv", ".ts", ".mpg"])
def test_a_second_of_sound_is_a_second_of_the_film(
    extension: str, sound: float, picture: float, tmp_path: Path, run: LocalRun
) -> None:
    source = make_flash(tmp_path / f"clip{extension}", audio_delay=sound, video_delay=picture)
    assert tone_time(extract(run, source)) == pytest.approx(sound + 1, abs=0.02)


def test_surround_becomes_one_channel(tmp_path: Path, run: LocalRun) -> None:
    with wave.open(str(extract(run, make_clip(tmp_path / "clip.mp4", options=["-ac", "6"], seconds=0.5)))) as sound:
        assert sound.getnchannels() == 1


def test_a_silent_film_has_no_sound_to_extract(tmp_path: Path, run: LocalRun) -> None:
    with pytest.raises(Permanent, match="without sound"):
        extract(run, make_clip(tmp_path / "clip.mp4", audio=None, seconds=0.5))


def test_a_full_disk_is_told_from_a_bad_file(clip: Path, run: LocalRun) -> None:
    with pytest.raises(DiskFull):
        extract_audio(run, clip, probe(run, clip), Path("/dev/full"))


def test_only_the_source_is_shown_to_the_child(clip: Path, run: LocalRun) -> None:
    extract(run, clip)
    assert list(run.inputs[-1]) == [clip]
    assert "-nostdin" in run.calls[-1]


def test_extracting_may_be_repeated(clip: Path, run: LocalRun) -> None:
    first = extract(run, clip).read_bytes()
    assert extract(run, clip).read_bytes() == first
