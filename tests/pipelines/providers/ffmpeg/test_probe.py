import json
from fractions import Fraction
from pathlib import Path

import pytest

from core.errors import Permanent, Refused
from pipelines.providers.ffmpeg import Probe, probe
from pipelines.providers.ffmpeg.command import Media, ffprobe_argv, program
from tests.media import HDR_FILTER, HDR_OPTIONS, LocalRun, ffmpeg, make_clip, truncate

SECRET = "the-neighbour's-secret"
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nneighbour.mp4\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile neighbour.mp4\n"
DASH = '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>neighbour.mp4</BaseURL></MPD>\n'
SESSION = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n"


def refusal(run: LocalRun, source: Path) -> str:
    with pytest.raises(Refused) as caught:
        probe(run, source)
    return str(caught.value)


def neighbour(folder: Path) -> Path:
    return make_clip(folder / "neighbour.mp4", seconds=0.5, audio=None, options=["-metadata", f"title={SECRET}"])


def test_a_video_is_described(clip: Path, run: LocalRun) -> None:
    found = probe(run, clip)
    picture, sound = found.video, found.audio
    assert (picture.codec, picture.width, picture.height, picture.fps, picture.packets) == ("h264", 320, 180, Fraction(30), 60)
    assert (picture.rotation, picture.vfr, picture.hdr, picture.interlaced) == (0, False, None, False)
    assert sound is not None
    assert (sound.codec, sound.channels, sound.sample_rate) == ("aac", 1, 44_100)
    assert found.duration_seconds == pytest.approx(2, abs=1 / 30)
    assert found.size_bytes == clip.stat().st_size


def test_a_probe_survives_json(clip: Path, run: LocalRun) -> None:
    found = probe(run, clip)
    assert Probe.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_probe_without_sound_survives_json(tmp_path: Path, run: LocalRun) -> None:
    found = probe(run, make_clip(tmp_path / "mute.mp4", seconds=0.5, audio=None))
    assert found.audio is None
    assert Probe.from_json(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.parametrize("name", ["-i.mp4", "a\nb.mp4", "100%d %v 'x' \"y\" [z].mp4", "concat:a|b.mp4", "ü\udcff.mp4"])
def test_a_name_is_only_a_name(name: str, clip: Path, tmp_path: Path, run: LocalRun) -> None:
    source = tmp_path / name
    source.write_bytes(clip.read_bytes())
    assert probe(run, source).video.packets == 60


def test_an_empty_file_is_refused(tmp_path: Path, run: LocalRun) -> None:
    source = tmp_path / "empty.mp4"
    source.touch()
    assert "empty" in refusal(run, source)


def test_a_text_file_is_refused(tmp_path: Path, run: LocalRun) -> None:
    source = tmp_path / "letter.mp4"
    source.write_text("Dear Sir or Madam, please find my video attached.\n" * 100)
    assert "not a video" in refusal(run, source)


@pytest.mark.parametrize("codec", ["png", "mjpeg", "gif", "bmp"])
def test_a_picture_is_refused(codec: str, tmp_path: Path, run: LocalRun) -> None:
    source = tmp_path / "picture.mp4"
    muxer = "gif" if codec == "gif" else "image2pipe"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:d=0.1", "-frames:v", "1", "-c:v", codec, "-f", muxer, source)
    assert "not a video" in refusal(run, source)


def test_sound_alone_is_refused(tmp_path: Path, run: LocalRun) -> None:
    source = tmp_path / "sound.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", source)
    assert "sound but no picture" in refusal(run, source)


def test_sound_with_a_cover_picture_is_refused(tmp_path: Path, run: LocalRun) -> None:
    source = tmp_path / "song.mp4"
    cover = ("-f", "lavfi", "-i", "testsrc2=s=320x180:d=0.04", "-map", "0", "-map", "1", "-c:v", "mjpeg", "-frames:v", "1")
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", *cover, "-disposition:v", "attached_pic", source)
    assert "sound but no picture" in refusal(run, source)


@pytest.mark.parametrize("text", [HLS, "\ufeff" + HLS, CONCAT, DASH, SESSION], ids=["hls", "bom", "concat", "dash", "sdp"])
def test_a_playlist_is_refused_before_any_program_sees_it(text: str, tmp_path: Path, run: LocalRun) -> None:
    source = tmp_path / "playlist.mp4"
    source.write_text(text)
    said = refusal(run, source)
    assert "playlist that points at other files" in said
    assert run.calls == []


@pytest.mark.parametrize("text", [HLS, CONCAT], ids=["hls", "concat"])
def test_a_playlist_that_gets_through_reads_no_other_file(text: str, tmp_path: Path, run: LocalRun) -> None:
    neighbour(tmp_path)
    source = tmp_path / "playlist.mp4"
    source.write_text(text)
    ended = run(ffprobe_argv(Media(source), "-show_format", "-show_streams", "-of", "json"))
    assert ended.returncode != 0
    assert "h264" not in ended.stdout


def test_without_the_list_of_formats_a_playlist_would_read_its_neighbour(tmp_path: Path, run: LocalRun) -> None:
    neighbour(tmp_path)
    source = tmp_path / "playlist.mp4"
    source.write_text(CONCAT)
    ended = run([program("ffprobe"), "-protocol_whitelist", "file", "-show_streams", str(source)])
    assert ended.returncode == 0
    assert "h264" in ended.stdout


def test_a_file_without_its_index_is_refused(clip: Path, tmp_path: Path, run: LocalRun) -> None:
    source = tmp_path / "no_index.mp4"
    source.write_bytes(clip.read_bytes())
    assert "its index, which is written last, is missing" in refusal(run, truncate(source, 0.6))


@pytest.mark.parametrize("extension", [".mp4", ".mkv", ".avi", ".flv"])
def test_a_file_cut_off_in_its_data_is_refused(extension: str, tmp_path: Path, run: LocalRun) -> None:
    options = ["-c:a", "aac", *(["-movflags", "+faststart"] if extension == ".mp4" else [])]
    source = make_clip(tmp_path / f"cut{extension}", seconds=3, options=options)
    assert "cut off" in refusal(run, truncate(source, 0.5))


def test_a_fragmented_file_cut_off_in_its_data_is_refused(tmp_path: Path, run: LocalRun) -> None:
    source = make_clip(tmp_path / "fragments.mp4", options=["-movflags", "frag_keyframe+empty_moov"])
    assert "cut off" in refusal(run, truncate(source, 0.7))


def test_a_stream_that_states_no_length_is_taken_with_what_is_there(tmp_path: Path, run: LocalRun) -> None:
    source = truncate(make_clip(tmp_path / "live.ts", seconds=3), 0.5)
    assert 1 < probe(run, source).duration_seconds < 2.5


def test_a_tiny_picture_is_refused(tmp_path: Path, run: LocalRun) -> None:
    source = make_clip(tmp_path / "tiny.mp4", size="8x8", seconds=0.5)
    assert "only 8 by 8 pixels" in refusal(run, source)


def test_many_tracks_are_refused(tmp_path: Path, run: LocalRun) -> None:
    source = make_clip(tmp_path / "many.mp4", seconds=0.5, options=["-map", "1"] * 16)
    assert "more than 16 tracks" in refusal(run, source)


def test_an_unknown_picture_format_is_refused(tmp_path: Path, run: LocalRun) -> None:
    source = make_clip(tmp_path / "unknown.mp4", seconds=0.5)
    source.write_bytes(source.read_bytes().replace(b"avc1", b"zzz9"))
    assert "cannot read" in refusal(run, source)


def test_a_probe_reads_only_the_file_and_only_as_a_film(clip: Path, run: LocalRun) -> None:
    probe(run, clip)
    for argv in run.calls:
        before = argv[: argv.index("-i")]
        assert before[before.index("-protocol_whitelist") + 1] == "file"
        assert not {"hls", "concat", "dash", "image2"} & set(before[before.index("-format_whitelist") + 1].split(","))
    assert [list(inputs) for inputs in run.inputs] == [[clip]] * len(run.calls)


def test_a_refusal_is_not_tried_again() -> None:
    assert issubclass(Refused, Permanent)


def test_a_refusal_names_no_path(tmp_path: Path, run: LocalRun) -> None:
    source = tmp_path / "letter.mp4"
    source.write_text("Dear Sir or Madam")
    assert str(tmp_path) not in refusal(run, source)


@pytest.mark.parametrize(("turned", "size"), [(90, (180, 320)), (180, (320, 180)), (270, (180, 320))])
def test_sizes_are_as_shown_when_the_picture_is_turned(
    turned: int, size: tuple[int, int], tmp_path: Path, run: LocalRun
) -> None:
    found = probe(run, make_clip(tmp_path / "turned.mp4", seconds=0.5, rotation=turned)).video
    assert (found.rotation, (found.width, found.height)) == (turned, size)


def test_sizes_are_as_shown_when_pixels_are_not_square(tmp_path: Path, run: LocalRun) -> None:
    found = probe(run, make_clip(tmp_path / "wide.mp4", seconds=0.5, pixel_shape="4/3")).video
    assert (found.width, found.height) == (427, 180)


@pytest.mark.parametrize("rate", ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "12"])
@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_a_standard_rate_is_recognised(rate: str, extension: str, tmp_path: Path, run: LocalRun) -> None:
    source = make_clip(tmp_path / f"rate{extension}", size="64x64", fps=rate, seconds=2, audio=None)
    assert probe(run, source).video.fps == Fraction(rate)


def test_a_rate_above_sixty_is_lowered_to_sixty(tmp_path: Path, run: LocalRun) -> None:
    source = make_clip(tmp_path / "fast.mp4", size="64x64", fps="120", seconds=0.5, audio=None)
    assert probe(run, source).video.fps == 60


def test_uneven_frames_are_noticed(tmp_path: Path, run: LocalRun) -> None:
    assert probe(run, make_clip(tmp_path / "vfr.mp4", vfr=True)).video.vfr


def test_high_dynamic_range_is_noticed(tmp_path: Path, run: LocalRun) -> None:
    found = probe(run, make_clip(tmp_path / "hdr.mp4", seconds=0.5, filters=HDR_FILTER, options=HDR_OPTIONS)).video
    assert (found.hdr, found.matrix) == ("smpte2084", "bt2020")


def test_the_default_sound_is_taken(tmp_path: Path, run: LocalRun) -> None:
    second = ["-map", "1", "-ac:a:1", "2", "-disposition:a:0", "0", "-disposition:a:1", "default"]
    found = probe(run, make_clip(tmp_path / "two.mp4", seconds=0.5, options=second)).audio
    assert found is not None
    assert (found.index, found.channels) == (2, 2)
