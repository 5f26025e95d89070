import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from core.errors import Misconfigured, Refused
from pipelines.providers.ffmpeg import Ladder, make_ladder, probe, sniff
from pipelines.providers.ffmpeg.playlist import read_media_playlist
from tests.media import (
    HDR_FILTER,
    HDR_OPTIONS,
    HEVC,
    LocalRun,
    ffmpeg,
    first_frame,
    flash_and_tone,
    make_clip,
    make_flash,
)
from tests.pipelines.providers.ffmpeg.conftest import Made, transcode

SECRET = "kept-by-nobody"
STILL_SECONDS = 1 / 30
WIDTH, HEIGHT = 320, 180
INTERLACED = ["-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "4M"]


def case(name: str, extension: str = ".mp4", *, best: tuple[int, int] = (WIDTH, HEIGHT), frames: int = 60, **clip: Any) -> Any:
    return pytest.param(extension, best, frames, clip, id=name)


SOURCES = [
    case("landscape"),
    case("portrait", size="180x320", best=(180, 320)),
    case("odd_size", size="321x181"),
    case("odd_portrait", size="181x321", best=(180, 320)),
    case("smallest", size="16x16", best=(16, 16)),
    case("uneven_frames", vfr=True, frames=48),
    case("no_sound", audio=None),
    case("silence", audio="silence"),
    case("wide_pixels", pixel_shape="4/3", best=(426, 180)),
    case("tall_pixels", pixel_shape="3/4", best=(240, 180)),
    case("late_sound", audio_delay=0.5),
    case("late_picture", video_delay=0.5, frames=75),
    case("mono", options=["-ac", "1"]),
    case("surround", options=["-ac", "6"]),
    case("sixty_a_second", fps="60", frames=120),
    case("film_rate", fps="24000/1001", frames=48),
    case("television_rate", fps="30000/1001"),
    case("very_short", seconds=0.2, frames=6),
    case("single_frame", seconds=0.03, audio=None, frames=1),
    case("ten_bits", options=["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le"]),
    case("hevc", options=HEVC),
    case("high_dynamic_range", filters=HDR_FILTER, options=HDR_OPTIONS),
    case("vp9", ".webm", options=["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"]),
    case("av1", ".mkv", options=["-c:v", "libsvtav1", "-preset", "12"]),
    case("prores", ".mov", options=["-c:v", "prores_ks", "-c:a", "pcm_s16le"]),
    case("mpeg4", ".avi", options=["-c:v", "mpeg4", "-c:a", "mp3"], frames=61),
    case("broadcast", ".ts"),
    case("interlaced", ".mpg", fps="50", filters="interlace", options=INTERLACED, frames=50),
]


@pytest.mark.parametrize(("extension", "best", "frames", "clip"), SOURCES)
def test_a_source_gives_a_ladder_that_passes_its_check(
    extension: str, best: tuple[int, int], frames: int, clip: dict[str, Any], tmp_path: Path
) -> None:
    made = transcode(make_clip(tmp_path / f"clip{extension}", **clip), tmp_path / "ladder")
    measured = made.verify()
    assert made.sizes[0] == best
    assert abs(measured.frames - frames) <= 1
    assert measured.seconds == pytest.approx(made.probe.video.end_seconds, abs=float(1 / made.ladder.fps) + 0.001)
    if clip.get("audio", "beep"):
        assert abs(measured.audio_offset_seconds or 0.0) <= 0.02
    else:
        assert measured.audio_seconds is None


@pytest.mark.parametrize(("turned", "corner"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_the_picture_is_turned_as_a_player_would(turned: int, corner: tuple[int, int], tmp_path: Path) -> None:
    red = "drawbox=w=iw:h=ih:color=black:t=fill,drawbox=w=iw/2:h=ih/2:color=red:t=fill"
    made = transcode(make_clip(tmp_path / "clip.mp4", rotation=turned, filters=red, seconds=0.5), tmp_path / "ladder")
    pixels = first_frame(made.best, 8, 8)
    found = {(row, column) for row in (0, 1) for column in (0, 1) if is_red(pixels, row * 7, column * 7)}
    assert found == {corner}
    made.verify()


def is_red(pixels: bytes, row: int, column: int) -> bool:
    red, green, blue = pixels[(row * 8 + column) * 3 :][:3]
    return red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize("filters", ["null", HDR_FILTER], ids=["standard", "high dynamic range"])
def test_grey_stays_grey(filters: str, tmp_path: Path) -> None:
    grey = f"drawbox=w=iw:h=ih:color=gray:t=fill,{filters}"
    options = HDR_OPTIONS if filters != "null" else ()
    made = transcode(make_clip(tmp_path / "clip.mp4", filters=grey, options=options, seconds=0.5), tmp_path / "ladder")
    red, green, blue = first_frame(made.best, 1, 1)
    assert max(red, green, blue) - min(red, green, blue) <= 3


@pytest.mark.parametrize(
    ("extension", "options", "sound", "picture"),
    [
        (".mp4", (), 0, 0),
        (".mp4", (), 0.5, 0),
        (".mp4", (), 0, 0.5),
        (".mov", ("-c:a", "pcm_s16le"), 0.7, 0.3),
        (".mkv", ("-c:a", "libopus"), 0.7, 0.3),
        (".ts", (), 0.7, 0.3),
    ],
)
def test_sound_and_picture_stay_together(
    extension: str, options: tuple[str, ...], sound: float, picture: float, tmp_path: Path
) -> None:
    source = make_flash(tmp_path / f"clip{extension}", audio_delay=sound, video_delay=picture, options=options)
    made = transcode(source, tmp_path / "ladder")
    for output in (made.best, made.folder / "master.m3u8"):
        flash, tone = flash_and_tone(output)
        assert tone - flash == pytest.approx(sound - picture, abs=0.02)


def test_one_decode_serves_every_rung(made: Made) -> None:
    assert len(made.ladder.rungs) == 2
    reading = [argv for argv in made.run.calls if file_of(made.clip) in argv]
    assert len(reading) == 1
    assert reading[0].count("-i") == 1


def file_of(path: Path) -> str:
    return f"file:{path}"


def test_no_call_may_ask_or_read_elsewhere(made: Made) -> None:
    for argv in made.run.calls:
        before = argv[: argv.index("-i")]
        assert "-nostdin" in before
        assert before[before.index("-protocol_whitelist") + 1] == "file"
        assert before[before.index("-format_whitelist") + 1]


def test_only_the_source_is_shown_to_the_child_that_reads_it(made: Made) -> None:
    shown = [list(inputs) for inputs in made.run.inputs]
    assert shown == [[made.clip], *([[]] * (len(shown) - 1))]


def test_progress_rises_to_one(made: Made) -> None:
    assert len(made.progress) > 3
    assert made.progress == sorted(made.progress)
    assert made.progress[-1] == 1.0
    assert all(0 <= share <= 1 for share in made.progress)


def test_nothing_else_is_left_in_the_folder(made: Made) -> None:
    assert {path.name for path in made.folder.iterdir()} == {"a0", "v0", "v1", "master.m3u8", "poster.jpg", "video.mp4"}


def test_the_rungs_are_no_larger_than_the_source(made: Made) -> None:
    assert made.sizes == [(640, 480), (480, 360)]


def test_a_playlist_is_complete_and_cut_at_the_same_moments_in_every_rung(made: Made) -> None:
    first, second = (read_media_playlist(made.folder / rung.name / "index.m3u8") for rung in made.ladder.rungs)
    assert first.ended
    assert [segment.seconds for segment in first.segments] == [4.0, 1.0]
    assert first.cuts == second.cuts


def test_every_segment_plays_alone(made: Made, tmp_path: Path) -> None:
    for folder in sorted(path for path in made.folder.iterdir() if path.is_dir()):
        listed = read_media_playlist(folder / "index.m3u8")
        for name in listed.names:
            alone = tmp_path / f"{folder.name}.{name}.mp4"
            alone.write_bytes((folder / listed.init).read_bytes() + (folder / name).read_bytes())
            ffmpeg("-xerror", "-err_detect", "explode", "-i", alone, "-f", "null", "-")


def test_the_master_says_what_its_rungs_need(made: Made) -> None:
    lines = (made.folder / "master.m3u8").read_text().splitlines()
    best = next(line for line in lines if line.startswith("#EXT-X-STREAM-INF"))
    assert "RESOLUTION=640x480" in best
    assert "FRAME-RATE=10.000" in best
    assert re.search(r'CODECS="avc1\.64[0-9A-F]{4},mp4a\.40\.2"', best)
    stated = int(re.search(r"[:,]BANDWIDTH=(\d+)", best)[1])
    size = sum(path.stat().st_size for name in ("v0", "a0") for path in (made.folder / name).glob("*.m4s"))
    assert stated >= size * 8 / 5.03  # the sound is longer by one AAC frame


def test_a_film_without_sound_has_none_in_its_master(tmp_path: Path) -> None:
    made = transcode(make_clip(tmp_path / "clip.mp4", audio=None, seconds=0.5), tmp_path / "ladder")
    assert "AUDIO" not in (made.folder / "master.m3u8").read_text()
    assert not (made.folder / "a0").exists()


def test_more_than_two_channels_become_two(tmp_path: Path, run: LocalRun) -> None:
    made = transcode(make_clip(tmp_path / "clip.mp4", options=["-ac", "6"], seconds=0.5), tmp_path / "ladder")
    sound = probe(run, made.best).audio
    assert sound is not None
    assert (sound.codec, sound.channels, sound.sample_rate) == ("aac", 2, 48_000)


def test_the_progressive_file_starts_with_its_index(made: Made) -> None:
    assert sniff.is_faststart(made.best)


def test_nothing_that_the_source_says_of_itself_is_passed_on(tmp_path: Path) -> None:
    options = ["-metadata", f"title={SECRET}", "-metadata:s:v", f"title={SECRET}", "-metadata", f"location={SECRET}"]
    clip = make_clip(tmp_path / "clip.mkv", seconds=0.5, options=options)
    assert SECRET.encode() in clip.read_bytes()
    made = transcode(clip, tmp_path / "ladder")
    assert not [path for path in made.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_the_poster_has_the_size_of_the_best_rung(made: Made, tmp_path: Path) -> None:
    ffmpeg("-i", made.folder / "poster.jpg", "-f", "rawvideo", "-pix_fmt", "gray", tmp_path / "pixels")
    assert (tmp_path / "pixels").stat().st_size == 640 * 480


def test_the_poster_is_not_the_dark_start(tmp_path: Path) -> None:
    dark = "drawbox=w=iw:h=ih:color=black:t=fill:enable='lt(t,1)'"
    made = transcode(make_clip(tmp_path / "clip.mp4", filters=dark), tmp_path / "ladder")
    assert max(first_frame(made.folder / "poster.jpg", 1, 1)) > 40


def test_a_black_film_has_a_poster_too(tmp_path: Path) -> None:
    dark = "drawbox=w=iw:h=ih:color=black:t=fill"
    made = transcode(make_clip(tmp_path / "clip.mp4", filters=dark, seconds=0.5), tmp_path / "ladder")
    assert max(first_frame(made.folder / "poster.jpg", 1, 1)) < 10


def test_a_second_try_replaces_what_the_first_one_left(clip: Path, tmp_path: Path) -> None:
    made = transcode(clip, tmp_path / "ladder")
    (made.folder / "v0" / "s00007.m4s").write_bytes(b"left over")
    again = make_ladder(made.run, clip, made.probe, made.folder, progress=made.progress.append)
    assert again == made.ladder
    assert not (made.folder / "v0" / "s00007.m4s").exists()
    made.verify()


def test_a_ladder_survives_json(made: Made) -> None:
    assert Ladder.from_json(json.loads(json.dumps(made.ladder.as_json()))) == made.ladder


def test_the_ledger_counts_what_was_decoded(made: Made) -> None:
    assert (made.ladder.source_frames, made.ladder.fps) == (50, Fraction(10))
    assert made.ladder.picture_seconds == pytest.approx(5, abs=0.001)
    assert made.ladder.audio_seconds == pytest.approx(5, abs=0.02)
    assert not list(made.folder.glob("ledger*"))


def test_a_film_whose_end_is_all_zeros_is_refused(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=3, audio=None, options=["-movflags", "+faststart"])
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    with pytest.raises(Refused, match=r"cut off: it ends after [12] of 3 seconds"):
        transcode(clip, tmp_path / "ladder")


def test_a_film_that_is_damaged_in_its_middle_is_taken_and_the_damage_is_told(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=3, options=["-movflags", "+faststart", "-bf", "0"])
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = b"\xa5" * 3000
    clip.write_bytes(content)
    made = transcode(clip, tmp_path / "ladder")
    assert made.ladder.complaints
    assert not [line for line in made.ladder.complaints if str(tmp_path) in line]
    made.verify()


def test_a_picture_that_changes_its_size_keeps_the_size_of_its_start(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "first.ts", seconds=1)
    second = make_clip(tmp_path / "second.ts", size="160x120", seconds=1, options=["-output_ts_offset", "1"])
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    made = transcode(both, tmp_path / "ladder")
    assert made.sizes == [(320, 180)]
    assert made.verify().seconds == pytest.approx(2, abs=0.1)


def test_a_folder_that_ffmpeg_would_misread_is_a_wrong_setting(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="ATTEMPTS_FOLDER"):
        transcode(clip, tmp_path / "100%d")


def test_a_source_with_an_awkward_name_is_transcoded(clip: Path, tmp_path: Path) -> None:
    source = tmp_path / "-i\n%d 'x' [v0];a=b,c.mp4"
    source.write_bytes(clip.read_bytes())
    assert transcode(source, tmp_path / "it's an attempt: [1],2;3").verify().frames == 60
