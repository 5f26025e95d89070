"""What one decode of the source really gave: the truth that an output is checked against."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Decoded:
    """The frames of one stream that could be decoded."""

    frames: int
    end_seconds: float


def read_ledger(path: Path) -> Decoded:
    """The sum of a `framecrc` file: lines `stream, dts, pts, duration, size, crc` after `#tb 0: 1/90000`; removes it."""
    clock, frames, end, step, last = Fraction(1), 0, 0, 0, 0
    if not path.exists():
        return Decoded(0, 0.0)
    with path.open() as lines:
        for line in lines:
            if line.startswith("#"):
                clock = Fraction(line.split()[-1]) if line.startswith("#tb") else clock
                continue
            shown, duration = (int(part) for part in line.split(",")[2:4])
            step, last = duration or shown - last, shown
            frames, end = frames + 1, max(end, shown + step)
    path.unlink()
    return Decoded(frames, float(end * clock))
