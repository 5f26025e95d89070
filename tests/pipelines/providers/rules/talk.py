"""Text as the transcript of somebody who says it, and what the rules make of it."""

from pipelines.providers.rules import Review, review
from pipelines.transcript import Stretch, Transcript, Word

WORD_SECONDS = 0.4


def say(text: str, *, starts: float = 1.0, probability: float = 0.95) -> Transcript:
    """One word after the other, with a second of silence at either end."""
    said = text.split()
    ends = starts + len(said) * WORD_SECONDS
    words = tuple(
        Word(word, starts + index * WORD_SECONDS, starts + (index + 1) * WORD_SECONDS, probability)
        for index, word in enumerate(said)
    )
    return Transcript(words, (Stretch(starts, ends),) if words else (), ends + 1.0, "en", "a person")


def check(talk: str | Transcript, *, has_sound: bool = True, content_hash: str = "0" * 64) -> Review:
    transcript = say(talk) if isinstance(talk, str) else talk
    return review(transcript, has_sound=has_sound, content_hash=content_hash)


def rules(text: str) -> set[str]:
    """The rules that lead a segment each."""
    return {str(segment["rule"]) for segment in check(text).segments}
