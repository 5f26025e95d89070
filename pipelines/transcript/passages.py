"""A transcript as passages to search in: some sentences each, short enough to be shown and jumped to."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.transcript import Transcript, Word

_ENOUGH_WORDS, _MOST_WORDS = 25, 60
_PAUSE_SECONDS = 4.0
_ENDS = (".", "?", "!")


@dataclass(frozen=True, slots=True)
class Passage:
    """What was said from a time to another."""

    start_seconds: float
    end_seconds: float
    text: str


def make_passages(transcript: Transcript) -> list[Passage]:
    """The words in their order, cut at ends of sentences and long pauses where there are some."""
    return [
        Passage(words[0].start_seconds, words[-1].end_seconds, " ".join(word.text for word in words).replace("\0", ""))
        for words in _groups(transcript)
    ]


def _groups(transcript: Transcript) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in transcript.words:
        if group and (len(group) >= _MOST_WORDS or word.start_seconds - group[-1].end_seconds >= _PAUSE_SECONDS):
            yield group
            group = []
        group.append(word)
        if len(group) >= _ENOUGH_WORDS and word.text.endswith(_ENDS):
            yield group
            group = []
    if group:
        yield group
