"""A video whose picture is enormous: a PNG of one bit per pixel in an MP4, small on disk and terrible once decoded."""

import struct
import zlib
from functools import cache
from pathlib import Path

from tests.media import ffmpeg


def make_bomb(path: Path, side: int, *, lying: bool = False) -> Path:
    """Make a clip of one frame, `side` by `side` pixels; `lying` says 16 by 16 in its header."""
    ffmpeg("-f", "lavfi", "-i", "color=s=16x16:r=1:d=1,format=rgb24", "-c:v", "png", "-f", "mov", f"file:{path}")
    content, picture = path.read_bytes(), _png(side)
    start = content.index(b"mdat") - 4
    index = bytearray(content[start + int.from_bytes(content[start : start + 4]) :])
    _write(index, b"stsz", 8, ">I", len(picture))
    if not lying:
        _write(index, b"tkhd", 80, ">II", side << 16, side << 16)
        _write(index, b"stsd", 44, ">HH", side, side)
    path.write_bytes(content[:start] + struct.pack(">I", len(picture) + 8) + b"mdat" + picture + index)
    return path


def _write(index: bytearray, box: bytes, offset: int, layout: str, *values: int) -> None:
    struct.pack_into(layout, index, index.index(box) + offset, *values)


@cache
def _png(side: int) -> bytes:
    packer = zlib.compressobj(9)
    rows = b"\0" * (((side + 7) // 8 + 1) * 100)
    data = b"".join(packer.compress(rows) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
