"""What the bytes of a file say before any parser of ours touches it: playlists, and MP4 boxes that end too early."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEAD_BYTES = 4096
_MANY_BOXES = 200_000
_PLAYLIST_STARTS = (b"#extm3u", b"ffconcat", b"v=0\r", b"v=0\n", b"[playlist]", b"[reference]", b"<asx", b"<smil", b"rtsptext")
_PLAYLIST_MARKS = (b"<mpd", b"<smoothstreamingmedia", b"<playlist")
_FIRST_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp"}


@dataclass(frozen=True, slots=True)
class Box:
    """One top-level box of an MP4 or MOV file; `end` may lie beyond the file."""

    kind: bytes
    start: int
    end: int


def is_playlist(path: Path) -> bool:
    """Whether this text points at other files instead of holding pictures."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith(_PLAYLIST_STARTS) or (text.startswith(b"<") and any(mark in text for mark in _PLAYLIST_MARKS))


def list_boxes(path: Path) -> list[Box]:
    """The top-level boxes in order; empty when this is not an MP4 or MOV file. ISO/IEC 14496-12 §4.2."""
    boxes = list(_walk(path, path.stat().st_size))
    return boxes if boxes and boxes[0].kind in _FIRST_BOXES else []


def _walk(path: Path, size: int) -> Iterator[Box]:
    position = 0
    with path.open("rb") as file:
        for _ in range(_MANY_BOXES):
            file.seek(position)
            header = file.read(16)
            if len(header) < 8:  # noqa: PLR2004  (size and kind)
                return
            length = _length(header, size - position)
            if length < 8:  # noqa: PLR2004
                return
            yield Box(header[4:8], position, position + length)
            position += length


def _length(header: bytes, rest: int) -> int:
    """A box's length: 1 means that it follows as 64 bits, 0 that the box runs to the end of the file."""
    short = int.from_bytes(header[:4])
    if short == 1:
        return int.from_bytes(header[8:16])
    return short or rest


def lacks_index(boxes: list[Box]) -> bool:
    """Whether this is an MP4 whose `moov`, without which nothing plays, is missing or incomplete."""
    return bool(boxes) and not any(box.kind == b"moov" for box in boxes)


def lacks_end(path: Path, boxes: list[Box]) -> bool:
    """Whether an MP4 box that holds pictures or their index, or an AVI's first chunk, ends beyond the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"RIFF"):
        return int.from_bytes(head[4:8], "little") + 8 > size
    return any(box.end > size and box.kind in {b"moov", b"moof", b"mdat"} for box in boxes)


def is_faststart(path: Path) -> bool:
    """Whether the index comes before the data, so that playing starts before the whole file is there."""
    kinds = [box.kind for box in list_boxes(path)]
    return b"moov" in kinds and b"mdat" in kinds and kinds.index(b"moov") < kinds.index(b"mdat")
