"""Sentences and telling words of what is said."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_COMMON = frozenset(
    """a about after again all also always am an and another any are as at away back be because been before being between both but by
    came can come could day did do does doing done down each even every few first for from get gets getting give go goes going gone
    good got great had has have he her here hers him his how however i if in into is it its just keep kind know last least let like
    little long look lot made make makes making many may maybe me mean might mine more most much must my need never new next no not
    nothing now of off often okay on once one only or other our out over own people put quite rather really right said same say says
    see she should show since so some something still such sure take tell than thank thanks that the their them then there these they
    thing things think this those though three through time to today together too two under until up us use used using very video want
    was way we well went were what when where which while who why will with within without would yes yet you your yours""".split()  # noqa: SIM905
)
_WORD = re.compile(r"[^\W\d_][\w'-]*[^\W_]|[^\W\d_]")
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+")
_LONGEST_SENTENCE = 240


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and when it is said."""

    text: str
    start_ms: int
    end_ms: int


def sentences(captions: Any) -> list[Sentence]:  # noqa: ANN401  (a document)
    """The sentences of captions, in order; without a full stop one ends with a cue of many characters."""
    made: list[Sentence] = []
    text, start = "", 0
    for cue in captions if isinstance(captions, list) else ():
        parts = _END.split(" ".join(str(cue["text"]).split()))
        for number, part in enumerate(parts):
            start = start if text else cue["startMs"]
            text = f"{text} {part}".strip()
            is_over = number < len(parts) - 1 or text.endswith((".", "!", "?", "…")) or len(text) > _LONGEST_SENTENCE
            if text and is_over:
                made.append(Sentence(text, start, cue["endMs"]))
                text = ""
    if text:
        made.append(Sentence(text, start, captions[-1]["endMs"]))
    return made


def words_of(text: str) -> Iterator[str]:
    """Words that tell something, in lower case."""
    for word in _WORD.findall(text):
        plain = word.casefold().removesuffix("'s")
        if len(plain) > 2 and plain not in _COMMON and not plain.endswith(("n't", "'re", "'ll", "'ve")):  # noqa: PLR2004
            yield plain


def weigh(said: Sequence[Sentence]) -> Mapping[str, int]:
    """How often each telling word is said, the most frequent first, ties in the order of their first time."""
    counts: Counter[str] = Counter()
    for sentence in said:
        counts.update(words_of(sentence.text))
    return dict(counts.most_common())


def score(sentence: Sentence, weights: Mapping[str, int]) -> float:
    """How much of what the whole is about a sentence tells, for its length."""
    told = set(words_of(sentence.text))
    return sum(weights.get(word, 0) for word in told) / (6 + len(sentence.text.split())) if told else 0.0


def shortened(text: str, characters: int) -> str:
    """The text, or as many whole words of it as fit, with an ellipsis."""
    if len(text) <= characters:
        return text
    return f"{text[: characters - 1].rpartition(' ')[0].rstrip(' ,;:–-')}…"  # noqa: RUF001
