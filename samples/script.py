"""What a clip shows and says, read from its JSON and checked before anything is made."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LAYOUTS = ("cover", "points", "chart")
CATEGORIES = ("proprietary", "financial", "personal_health", "company_secret", "other")
SEVERITIES = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said in one breath: as it is pronounced, and as a caption would write it."""

    say: str
    written: str


@dataclass(frozen=True, slots=True)
class Card:
    """A value on a slide with the name of what it is."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Slide:
    """One slide and what is said while it stands."""

    layout: str
    kicker: str
    title: str
    lines: tuple[str, ...]
    spoken: tuple[Sentence, ...]
    card: Card | None = None
    figure: str = ""
    bars: tuple[tuple[str, float], ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that can be read on it."""
        on_card = (self.card.label, self.card.value) if self.card else ()
        return (self.kicker, self.title, *self.lines, self.figure, *on_card, *(label for label, _ in self.bars))


@dataclass(frozen=True, slots=True)
class Planted:
    """A finding that is there on purpose: a part of one sentence, a text on one slide, or both."""

    id: str
    category: str
    severity: str  # the least that a check should give it
    phrase: str = ""  # as it is pronounced
    shown_as: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """A whole clip. Every planted phrase is in exactly one sentence, every planted text on exactly one slide."""

    title: str
    footer: str
    theme: str
    seed: int
    pace: float  # 1 is the voice's own; larger is slower
    slides: tuple[Slide, ...]
    planted: tuple[Planted, ...]

    def phrases_in(self, sentence: Sentence) -> tuple[Planted, ...]:
        """What is planted in this sentence."""
        return tuple(planted for planted in self.planted if planted.phrase and planted.phrase in sentence.say)


def load(path: Path) -> Script:
    """The script in this file. Raises ValueError where it contradicts itself."""
    plain = json.loads(path.read_text())
    slides = tuple(_slide(**slide) for slide in plain.pop("slides"))
    planted = tuple(Planted(**item) for item in plain.pop("planted"))
    script = Script(**plain, slides=slides, planted=planted)
    _check(script)
    return script


def _slide(
    *,
    spoken: Sequence[dict[str, str]],
    lines: Sequence[str],
    card: dict[str, str] | None = None,
    bars: Sequence[tuple[str, float]] = (),
    **rest: str,
) -> Slide:
    return Slide(
        **rest,
        lines=tuple(lines),
        spoken=tuple(Sentence(item["say"], item.get("written", item["say"])) for item in spoken),
        card=Card(**card) if card else None,
        bars=tuple((label, value) for label, value in bars),
    )


def _check(script: Script) -> None:
    for slide in script.slides:
        if slide.layout not in LAYOUTS or not slide.spoken:
            raise ValueError(f"{slide.title!r}: its layout must be one of {LAYOUTS}, and something must be said on it")
    sentences = [sentence.say for slide in script.slides for sentence in slide.spoken]
    for planted in script.planted:
        if planted.category not in CATEGORIES or planted.severity not in SEVERITIES:
            raise ValueError(f"{planted.id}: no such category or severity: {planted.category}, {planted.severity}")
        if not planted.phrase and not planted.shown_as:
            raise ValueError(f"{planted.id}: it is neither spoken nor shown")
        _once(planted.id, planted.phrase, sentences)
        _once(planted.id, planted.shown_as, ["\n".join(slide.texts) for slide in script.slides])


def _once(name: str, wanted: str, texts: Sequence[str]) -> None:
    found = sum(text.count(wanted) for text in texts)
    if wanted and found != 1:
        raise ValueError(f"{name}: {wanted!r} must be there once, and is there {found} times")
