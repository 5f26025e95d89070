"""Parts of a video that may stand for themselves."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pipelines.drafts.metadata import mood
from pipelines.drafts.words import Sentence, score, sentences, shortened, weigh, words_of

INSTRUCTIONS = (
    "You propose up to five short clips of a video, from its sentences with their times in seconds. Each clip starts and ends with a "
    "sentence, is 15 to 60 seconds long, does not overlap another, and can be understood without the rest. Give a title, a "
    "description, hashtags, the sentiment, a priority from 1 to 10, and the reason. Say only what is in the evidence."
)
_SHORTEST_MS, _LONGEST_MS, _MOST = 15_000, 60_000, 5
_HOOK = re.compile(
    r"\?|\b(?:how|why|secret|mistake|never|always|best|tip|first|remember|important|imagine|here'?s)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A proposed clip; nothing of it is saved."""

    start_sec: int
    end_sec: int
    title: str
    description: str
    hashtags: list[str]
    sentiment: str
    priority: int  # 10 is the best
    reason: str


@dataclass(frozen=True, slots=True)
class Moments:
    """Proposed clips, the best first."""

    clips: list[Moment]


def by_rules(captions: Any, wish: str = "") -> Moments:  # noqa: ANN401  (a document)
    """Runs of whole sentences of a good length that tell the most, or that tell of what is wished for; never overlapping."""
    said = sentences(captions)
    weights = dict(weigh(said))
    most = max(weights.values(), default=1)
    for word in words_of(wish):
        weights[word] = weights.get(word, 0) + 5 * most
    runs = sorted(_runs(said), key=lambda run: _worth(run, weights), reverse=True)
    chosen: list[list[Sentence]] = []
    for run in runs:
        if all(run[-1].end_ms <= other[0].start_ms or run[0].start_ms >= other[-1].end_ms for other in chosen):
            chosen.append(run)
        if len(chosen) == _MOST:
            break
    best = _worth(chosen[0], weights) if chosen else 1.0
    return Moments([_moment(run, weights, max(1, round(10 * _worth(run, weights) / (best or 1.0)))) for run in chosen])


def _runs(said: list[Sentence]) -> list[list[Sentence]]:
    """Every run of sentences of a good length without a long silence; of a short video, all of it."""
    runs = []
    for first in range(len(said)):
        for last in range(first, len(said)):
            length = said[last].end_ms - said[first].start_ms
            if length > _LONGEST_MS or any(b.start_ms - a.end_ms > 4_000 for a, b in pairwise(said[first : last + 1])):  # noqa: PLR2004
                break
            if length >= _SHORTEST_MS:
                runs.append(said[first : last + 1])
    return runs or ([said] if said and said[-1].end_ms - said[0].start_ms <= _LONGEST_MS else [])


def _worth(run: list[Sentence], weights: dict[str, int]) -> float:
    told = sum(score(one, weights) for one in run) / len(run)
    return told * (1.3 if _HOOK.search(run[0].text) else 1.0)


def _moment(run: list[Sentence], weights: dict[str, int], priority: int) -> Moment:
    best = max(run, key=lambda one: score(one, weights))
    about = [word for word in weights if any(word in words_of(one.text) for one in run)][:3]
    hook = "It starts with a line that asks or promises something. " if _HOOK.search(run[0].text) else ""
    return Moment(
        run[0].start_ms // 1000,
        -(-run[-1].end_ms // 1000),
        shortened(best.text.rstrip("."), 90),
        shortened(" ".join(one.text for one in run), 400),
        [f"#{''.join(letter for letter in word if letter.isalnum())}" for word in about],
        mood(run),
        min(10, priority),
        f"{hook}By word counts, not by understanding: it tells of {', '.join(about) or 'little that is said elsewhere'}.",
    )
