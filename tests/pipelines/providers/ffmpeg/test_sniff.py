import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.providers.ffmpeg import sniff
from tests.media import make_clip

MOVIE = [(b"ftyp", 24), (b"free", 8), (b"mdat", 5000), (b"moov", 900)]


def boxes(kinds: list[tuple[bytes, int]]) -> bytes:
    return b"".join((struct.pack(">I", length) + kind).ljust(length, b"\0") for kind, length in kinds)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.mp4"


def test_boxes_are_listed_in_order(file: Path) -> None:
    listed = sniff.list_boxes(written(file, boxes(MOVIE)))
    assert [(box.kind, box.end - box.start) for box in listed] == MOVIE


def test_a_box_may_state_its_length_in_64_bits(file: Path) -> None:
    wide = struct.pack(">I4sQ", 1, b"mdat", 20) + b"data"
    listed = sniff.list_boxes(written(file, boxes(MOVIE[:1]) + wide + boxes(MOVIE[3:])))
    assert [box.kind for box in listed] == [b"ftyp", b"mdat", b"moov"]


def test_a_box_may_run_to_the_end_of_the_file(file: Path) -> None:
    listed = sniff.list_boxes(written(file, boxes(MOVIE[:1]) + struct.pack(">I4s", 0, b"mdat") + b"data"))
    assert listed[-1].end == file.stat().st_size


@pytest.mark.parametrize("content", [b"", b"short", b"Dear Sir or Madam", b"\x1aE\xdf\xa3" * 9])
def test_what_is_no_mp4_has_no_boxes(content: bytes, file: Path) -> None:
    assert sniff.list_boxes(written(file, content)) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_can_be_looked_at(file: Path, content: bytes) -> None:
    listed = sniff.list_boxes(written(file, boxes(MOVIE[:1]) + content))
    assert listed[0].kind == b"ftyp"
    assert all(later.start == earlier.end for earlier, later in pairwise(listed))
    assert not sniff.is_playlist(file)


def test_an_mp4_whose_index_never_came_lacks_it(file: Path) -> None:
    assert sniff.lacks_index(sniff.list_boxes(written(file, boxes(MOVIE[:3]))))
    assert not sniff.lacks_index(sniff.list_boxes(written(file, boxes(MOVIE))))


@pytest.mark.parametrize(("kept", "lacking"), [(5931, True), (5932, False), (4000, True)])
def test_a_box_that_ends_beyond_the_file_is_noticed(kept: int, lacking: bool, file: Path) -> None:
    listed = sniff.list_boxes(written(file, boxes(MOVIE)[:kept]))
    assert sniff.lacks_end(file, listed) is lacking


def test_an_index_before_the_data_is_noticed(tmp_path: Path) -> None:
    late = make_clip(tmp_path / "late.mp4", seconds=0.2)
    early = make_clip(tmp_path / "early.mp4", seconds=0.2, options=["-movflags", "+faststart"])
    assert (sniff.is_faststart(late), sniff.is_faststart(early)) == (False, True)


@pytest.mark.parametrize(
    ("text", "playlist"),
    [
        ("#EXTM3U\n", True),
        ("\n  #extm3u\n", True),
        ("\ufeffffconcat version 1.0", True),
        ("[playlist]\nFile1=a.mp4", True),
        ("<asx version='3'>", True),
        ("<?xml version='1.0'?><SmoothStreamingMedia/>", True),
        ("<p>my playlist</p>", False),
        ("Dear #EXTM3U", False),
        ("", False),
    ],
)
def test_playlists_are_told_from_letters(text: str, playlist: bool, file: Path) -> None:
    assert sniff.is_playlist(written(file, text.encode())) is playlist
