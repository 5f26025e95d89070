from pathlib import Path

import pytest

from core.errors import Transient
from pipelines.providers.ffmpeg.playlist import avc_codec, read_master, read_media_playlist

HEAD = '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI="init.mp4"\n'


def write(folder: Path, *segments: tuple[float, int], tail: str = "#EXT-X-ENDLIST\n") -> Path:
    lines = []
    for number, (seconds, size) in enumerate(segments):
        (folder / f"s{number}").write_bytes(bytes(size))
        lines.append(f"#EXTINF:{seconds},\ns{number}\n")
    path = folder / "index.m3u8"
    path.write_text(HEAD + "".join(lines) + tail)
    return path


def test_segments_are_read_with_their_lengths_and_sizes(tmp_path: Path) -> None:
    listed = read_media_playlist(write(tmp_path, (4.0, 1000), (4.0, 3000), (1.5, 500)))
    assert (listed.target_seconds, listed.init, listed.ended) == (4, "init.mp4", True)
    assert listed.names == ["s0", "s1", "s2"]
    assert listed.cuts == [0.0, 4.0, 8.0]
    assert listed.seconds == 9.5


def test_the_average_rate_counts_every_segment(tmp_path: Path) -> None:
    assert read_media_playlist(write(tmp_path, (4.0, 1000), (4.0, 3000))).average == 4000


def test_the_peak_rate_is_that_of_the_heaviest_stretch(tmp_path: Path) -> None:
    assert read_media_playlist(write(tmp_path, (4.0, 1000), (4.0, 3000), (4.0, 1000))).peak == 6000


def test_a_stretch_that_is_too_short_makes_no_peak(tmp_path: Path) -> None:
    assert read_media_playlist(write(tmp_path, (4.0, 4000), (0.1, 4000))).peak == pytest.approx(8000 * 8 / 4.1, abs=1)


def test_an_open_playlist_is_told_from_an_ended_one(tmp_path: Path) -> None:
    assert not read_media_playlist(write(tmp_path, (4.0, 10), tail="")).ended


@pytest.mark.parametrize("text", ["", HEAD, HEAD + "#EXTINF:4,\n", HEAD + "#EXTINF:4,\nmissing\n", HEAD + "#EXTINF:x,\ninit\n"])
def test_a_playlist_that_is_not_whole_may_be_made_again(text: str, tmp_path: Path) -> None:
    (tmp_path / "index.m3u8").write_text(text)
    with pytest.raises(Transient, match="no complete playlist"):
        read_media_playlist(tmp_path / "index.m3u8")


def test_a_master_names_its_playlists(tmp_path: Path) -> None:
    path = tmp_path / "master.m3u8"
    path.write_text('#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI="a0/index.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv0/index.m3u8\n')
    assert read_master(path) == {"a0/index.m3u8", "v0/index.m3u8"}


def test_a_codec_is_named_by_its_profile_and_level(tmp_path: Path) -> None:
    path = tmp_path / "init.mp4"
    path.write_bytes(b"....avcC\x01\x64\x00\x1f....")
    assert avc_codec(path) == "avc1.64001F"


def test_an_init_segment_without_a_picture_may_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "init.mp4"
    path.write_bytes(b"....avcC\x01")
    with pytest.raises(Transient, match="announces no H"):
        avc_codec(path)
