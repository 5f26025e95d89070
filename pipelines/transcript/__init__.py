"""What was said in a video, word by word: made by a speech provider, read by captions, checks and search."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word with its punctuation, on the video's clock; longer than nothing."""

    text: str  # as written, without surrounding white space
    start_seconds: float
    end_seconds: float
    probability: float  # 0 to 1: how sure the speech model is


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the video's time."""

    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """Every word in the order of time, none over the next, all within the duration.

    `speech` is where a voice was detected, also where no word was understood: stretches that rise and do not touch.
    """

    words: tuple[Word, ...]
    speech: tuple[Stretch, ...]
    duration_seconds: float  # of the sound that was listened to
    language: str  # ISO 639-1
    engine: str  # what made it, with its model: for the record of a check

    @property
    def text(self) -> str:
        """All words as one line."""
        return " ".join(word.text for word in self.words)

    def as_json(self) -> dict[str, Any]:
        """Itself as JSON values; `from_json` reads it back unchanged."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Transcript":
        """The transcript that `as_json` wrote."""
        words = tuple(Word(**word) for word in plain["words"])
        speech = tuple(Stretch(**stretch) for stretch in plain["speech"])
        return cls(words, speech, plain["duration_seconds"], plain["language"], plain["engine"])
