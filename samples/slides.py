"""Draws the slides of a clip: a warm page, one thought on each, type large enough to be read in a small player."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import fontpkg_figtree
import fontpkg_fraunces
import fontpkg_jetbrains_mono
from PIL import Image, ImageDraw, ImageFont
from script import Card, Script, Slide

WIDTH, HEIGHT = 1280, 720
_OVER = 2  # drawn larger and scaled down, since Pillow's shapes have hard edges
_LEFT, _TOP, _BASE = 96, 112, 652

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a clip."""

    page: str
    ink: str
    quiet: str
    accent: str
    deep: str  # the ground of a cover
    on_deep: str
    card: str
    petals: tuple[str, ...]  # from the outside in


THEMES = {
    "bakery": Theme(
        "#fbf6ec",
        "#33231a",
        "#75655a",
        "#b95f0a",
        "#4a2413",
        "#fdf3e0",
        "#f3e6cf",
        ("#c8680c", "#e0850f", "#f2a41f", "#f8c451"),
    ),
    "garden": Theme(
        "#f5f8ee",
        "#1e2d22",
        "#5f6f62",
        "#2f7a43",
        "#173f2a",
        "#f1f8e6",
        "#e2ecd3",
        ("#4f9a4b", "#79b653", "#a6cd62", "#f3cf58"),
    ),
}


def draw(script: Script, slide: Slide) -> Image.Image:
    """This slide of the script as a picture."""
    page = _Page(script, slide)
    {"cover": page.cover, "points": page.points, "chart": page.chart}[slide.layout]()
    return page.picture()


class _Page:
    def __init__(self, script: Script, slide: Slide) -> None:
        self.script, self.slide, self.theme = script, slide, THEMES[script.theme]
        ground = self.theme.deep if slide.layout == "cover" else self.theme.page
        self.image = Image.new("RGB", (WIDTH * _OVER, HEIGHT * _OVER), ground)
        self.pen = ImageDraw.Draw(self.image)

    def picture(self) -> Image.Image:
        return self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)

    def cover(self) -> None:
        self._flower((1130, 396), 384)
        self._kicker((_LEFT, 236), self.theme.petals[-1])
        title = _wrap(self.slide.title, "display", 76, 660)
        baseline = self._lines((_LEFT, 326), title, face="display", size=76, step=90, colour=self.theme.on_deep)
        self._lines((_LEFT, baseline - 14), self.slide.lines, face="text", size=30, step=44, colour=self.theme.on_deep)

    def points(self) -> None:
        self._heading()
        self._flower((1250, 60), 190)
        size, step = (36, 68) if self.slide.card else (40, 82)
        for number, line in enumerate(self.slide.lines):
            baseline = 318 + number * step
            self._flower((_LEFT + 13, baseline - size / 3), 16)
            self._text((_LEFT + 54, baseline), line, "text", size, self.theme.ink)
        if self.slide.card:
            self._card(self.slide.card, 304 + len(self.slide.lines) * step)
        self._footer()

    def chart(self) -> None:
        self._heading()
        self._flower((1250, 60), 190)
        self._text((_LEFT - 5, 420), self.slide.figure, "display", 116, self.theme.ink)
        self._lines((_LEFT, 478), self.slide.lines, face="text", size=30, step=42, colour=self.theme.quiet)
        self._bars((724, 590))
        self._footer()

    def _heading(self) -> None:
        self._kicker((_LEFT, _TOP + 14), self.theme.accent)
        self._text((_LEFT - 3, _TOP + 90), self.slide.title, "display", 62, self.theme.ink)

    def _footer(self) -> None:
        self._text((_LEFT, _BASE), self.script.footer, "strong", 20, self.theme.quiet)
        place = f"{self.script.slides.index(self.slide) + 1} / {len(self.script.slides)}"
        self._text((WIDTH - _LEFT, _BASE), place, "strong", 20, self.theme.quiet, anchor="rs")

    def _card(self, card: Card, top: float) -> None:
        width = max(520, _width(card.value, "mono", 36) + 64)
        box = [over * _OVER for over in (_LEFT, top, _LEFT + width, top + 128)]
        self.pen.rounded_rectangle(box, 16 * _OVER, fill=self.theme.card)
        self._text((_LEFT + 32, top + 48), card.label, "strong", 24, self.theme.quiet)
        self._text((_LEFT + 32, top + 98), card.value, "mono", 36, self.theme.ink)

    def _bars(self, corner: Point) -> None:
        left, bottom = corner
        tallest = max(value for _, value in self.slide.bars)
        for number, (label, value) in enumerate(self.slide.bars):
            x, height = left + number * 156, 270 * value / tallest
            last = number == len(self.slide.bars) - 1
            box = [over * _OVER for over in (x, bottom - 44 - height, x + 112, bottom - 44)]
            self.pen.rounded_rectangle(
                box, 10 * _OVER, fill=self.theme.petals[1 if last else 3], corners=(True, True, False, False)
            )
            self._text((x + 56, bottom), label, "strong", 22, self.theme.quiet, anchor="ms")

    def _kicker(self, place: Point, colour: str) -> None:
        x, baseline = place
        for letter in self.slide.kicker.upper():
            self._text((x, baseline), letter, "strong", 22, colour)
            x += _width(letter, "strong", 22) + 2.6

    def _lines(self, place: Point, lines: Sequence[str], *, face: str, size: int, step: int, colour: str) -> float:
        """The baseline after the last line."""
        x, baseline = place
        for line in lines:
            self._text((x, baseline), line, face, size, colour)
            baseline += step
        return baseline

    def _text(self, place: Point, text: str, face: str, size: int, colour: str, *, anchor: str = "ls") -> None:
        x, baseline = place
        self.pen.text((x * _OVER, baseline * _OVER), text, font=_font(face, size * _OVER), fill=colour, anchor=anchor)

    def _flower(self, centre: Point, radius: float) -> None:
        """A marigold seen from above: rings of petals, each turned by half a petal against the one below."""
        rings = len(self.theme.petals)
        for ring, colour in enumerate(self.theme.petals):
            reach, petals = radius * (1 - ring / (rings + 0.6)), 16 - 2 * ring
            for petal in range(petals):
                angle = 2 * math.pi * (petal + ring / 2) / petals
                self.pen.polygon(_petal(centre, reach, angle, math.pi / petals), fill=colour)
        self._disc(centre, radius * 0.13, self.theme.petals[0])

    def _disc(self, centre: Point, radius: float, colour: str) -> None:
        x, y = centre
        self.pen.ellipse([side * _OVER for side in (x - radius, y - radius, x + radius, y + radius)], fill=colour)


def _petal(centre: Point, reach: float, angle: float, half: float) -> list[Point]:
    """A wedge with a round, slightly notched end, in the enlarged picture's pixels."""
    outline = [(0.0, 0.0)]
    for step in range(-20, 21):
        share = step / 20
        length = reach * (0.80 + 0.20 * math.sqrt(1 - share * share) - 0.045 * math.exp(-((share / 0.22) ** 2)))
        turn = angle + share * half * 0.96
        outline.append((length * math.cos(turn), length * math.sin(turn)))
    return [((centre[0] + x) * _OVER, (centre[1] + y) * _OVER) for x, y in outline]


@cache
def _font(face: str, size: int) -> ImageFont.FreeTypeFont:
    package, name, axes = {
        "display": (fontpkg_fraunces, "Fraunces[SOFT,WONK,opsz,wght].ttf", [72, 560, 60, 0]),
        "text": (fontpkg_figtree, "Figtree[wght].ttf", [450]),
        "strong": (fontpkg_figtree, "Figtree[wght].ttf", [600]),
        "mono": (fontpkg_jetbrains_mono, "JetBrainsMono[wght].ttf", [500]),
    }[face]
    font = ImageFont.truetype(package.ROOT / "files" / name, size)
    font.set_variation_by_axes(axes)
    return font


def _width(text: str, face: str, size: int) -> float:
    return _font(face, size * _OVER).getlength(text) / _OVER


def _wrap(text: str, face: str, size: int, width: float) -> list[str]:
    """As few lines as hold the text, none wider than `width` unless one word is, and of even length."""
    words = text.split()
    lines = _fill(words, face, size, width)
    narrower = width
    while (
        len(_fill(words, face, size, narrower - 10)) == len(lines) and narrower > _width(max(words, key=len), face, size) + 20
    ):
        narrower -= 10
    return _fill(words, face, size, narrower)


def _fill(words: Sequence[str], face: str, size: int, width: float) -> list[str]:
    lines = [words[0]]
    for word in words[1:]:
        if _width(f"{lines[-1]} {word}", face, size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
