"""Which sizes a video is offered in."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

_STEPS = ((1080, 5000), (720, 2800), (480, 1400), (360, 800))  # short side in pixels, most kbit/s up to 30 frames a second
_LONGEST_SIDE = 4096
_WORTH = Fraction(85, 100)  # a rung nearer than this to the one above saves too little to be encoded
_FAST = 32


@dataclass(frozen=True, slots=True)
class Rung:
    """One size of the picture, in the folder `name`. Sizes are even, as 4:2:0 needs."""

    name: str
    width: int
    height: int
    max_kilobits: int

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Rung":
        """The rung that `asdict` wrote."""
        return cls(**plain)


def plan_rungs(width: int, height: int, fps: Fraction) -> list[Rung]:
    """The rungs of a picture, best first; never larger than the picture, and always at least one."""
    short = min(width, height)
    fit = min(Fraction(_STEPS[0][0], short), Fraction(_LONGEST_SIDE, max(width, height)), Fraction(1))
    sides = [short * fit]
    for side, _ in _STEPS:
        if side < sides[-1] * _WORTH:
            sides.append(Fraction(side))
    return [_rung(index, side / short, (width, height), fps) for index, side in enumerate(sides)]


def _rung(index: int, ratio: Fraction, size: tuple[int, int], fps: Fraction) -> Rung:
    width, height = (max(2, round(length * ratio / 2) * 2) for length in size)
    width, height = (min(length, limit - limit % 2) for length, limit in zip((width, height), size, strict=True))
    most = next((rate for step, rate in reversed(_STEPS) if step >= min(width, height)), _STEPS[0][1])
    return Rung(f"v{index}", width, height, most * 3 // 2 if fps > _FAST else most)
