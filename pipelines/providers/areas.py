"""How a search that meets a source's most results is split: its area into quarters, those again, until each holds fewer."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Self

_SMALLEST_DEGREES = 0.004  # some four hundred metres


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of the map."""

    south: float
    west: float
    north: float
    east: float

    @property
    def is_small(self) -> bool:
        """Splitting it tells nothing apart any more."""
        return max(self.north - self.south, self.east - self.west) <= _SMALLEST_DEGREES

    def quarters(self) -> list["Area"]:
        """The four that cover it; one that reaches over the date line as it is."""
        if self.east < self.west:
            return [Area(self.south, self.west, self.north, 180.0), Area(self.south, -180.0, self.north, self.east)]
        middle, centre = (self.south + self.north) / 2, (self.west + self.east) / 2
        return [
            Area(self.south, self.west, middle, centre),
            Area(self.south, centre, middle, self.east),
            Area(middle, self.west, self.north, centre),
            Area(middle, centre, self.north, self.east),
        ]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search is: the page of the present area, and the areas that are left. Without an area, the words say where."""

    area: Area | None = None
    token: str | None = None
    found: int = 0  # in the present area
    left: tuple[Area, ...] = ()
    full: int = 0  # small areas that hold more than a search tells
    looks_for_area: bool = False

    @classmethod
    def read(cls, cursor: str | None) -> Self:
        """Of a cursor that `cursor` made."""
        if cursor is None:
            return cls()
        told = json.loads(cursor)
        area = Area(*told.pop("area")) if told["area"] else told.pop("area")
        return cls(area=area, left=tuple(Area(*one) for one in told.pop("left")), **told)

    def cursor(self) -> str:
        """For the next page."""
        told = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        area = None if self.area is None else dataclasses.astuple(self.area)
        return json.dumps({**told, "area": area, "left": [dataclasses.astuple(one) for one in self.left]})

    def after(self, found: int, token: str | None, *, most: int) -> Self | None:
        """The next page, or area; None at the end of all."""
        total = self.found + found
        if token:
            return dataclasses.replace(self, token=token, found=total)
        if total < most:
            return self._next(self.left, self.full)
        if self.area is None:
            return dataclasses.replace(self, token=None, found=0, looks_for_area=True)
        if self.overflows(found, token, most=most):
            return self._next(self.left, self.full + 1)
        return self.within(self.area)

    def overflows(self, found: int, token: str | None, *, most: int) -> bool:
        """Whether this page ends an area that is too small to be split, and may hold more."""
        return not token and self.found + found >= most and self.area is not None and self.area.is_small

    def within(self, area: Area) -> Self | None:
        """The first quarter of this area, the others to come."""
        return self._next((*area.quarters(), *self.left), self.full)

    def _next(self, left: tuple[Area, ...], full: int) -> Self | None:
        return (
            dataclasses.replace(self, area=left[0], left=left[1:], token=None, found=0, full=full, looks_for_area=False)
            if left
            else None
        )
