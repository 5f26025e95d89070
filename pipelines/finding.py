"""Finds what was said in a user's videos: passages with times, how well each video fits, and why."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from core.errors import AskStephenError
from core.log import get_logger
from core.settings import Settings
from db import passages
from db.engine import Database
from pipelines.providers.language.embeddings import find_embedder

_log = get_logger(__name__)
LEAST_RELEVANCE = 20  # what fits less is not shown, as earlier clients know it
_MOST_PASSAGES = 200  # looked at
_SHOWN_PASSAGES = 5  # of one video
_SECONDS = 5.0  # for the model, then words alone decide
# The cosines of texts that have nothing to do with each other, and of those that say the same, as OpenAI's models place them.
_FAR, _NEAR = 0.15, 0.6
_QUOTED = 140


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that fits."""

    start_seconds: float
    end_seconds: float
    relevance: float  # 0 to 100
    reason: str


@dataclass(slots=True)
class Found:
    """A video with its best passages, in the order of time."""

    video_id: int
    relevance: int = 0
    summary: str = ""
    hits: list[Hit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search came to; `note` tells what it could not do."""

    found: Sequence[Found]
    note: str | None


def find(database: Database, config: Settings, user: str, query: str, *, limit: int) -> Answer:
    """The user's videos that fit a query, best first. Without a model, or where it does not answer in time, words decide."""
    vector, label, note = _place(config, query)  # before the transaction: it is a call outside
    with database.tenant(user) as session:
        hits = _by_words(session, query)
        if vector:
            _add_meaning(session, hits, vector, label)
    videos = [_video(video_id, list(passages.values())) for video_id, passages in hits.items()]
    best = sorted((one for one in videos if one.relevance > LEAST_RELEVANCE), key=lambda one: (-one.relevance, -one.video_id))
    return Answer(best[:limit], note)


def _place(config: Settings, query: str) -> tuple[list[float], str, str | None]:
    embedder = find_embedder(config)
    if embedder is None:
        return [], "", None
    try:
        [vector] = embedder.embed([query], seconds=_SECONDS)
    except AskStephenError as error:
        _log.warning("search.without_meaning", error=type(error).__name__)
        return [], "", "Searched by words only: the model that knows meanings did not answer."
    return vector, embedder.label(vector), None


_Hits = dict[int, dict[int, Hit]]  # by video and passage


def _by_words(session: Session, query: str) -> _Hits:
    lexemes = passages.list_lexemes(session, query)
    found: _Hits = {}
    for row in passages.search_by_words(session, query, lexemes, most=_MOST_PASSAGES):
        share = 1.0 if row["is_phrase"] else 0.9 * len(row["found"]) / len(lexemes)
        how = "says it in these words" if row["is_phrase"] else f"has {_words(row['text'], row['found'])}"
        hit = Hit(row["start_seconds"], row["end_seconds"], 100 * share, f"{how}: “{_quote(row['text'], row['found'])}”")
        found.setdefault(row["video_id"], {})[row["id"]] = hit
    return found


def _add_meaning(session: Session, hits: _Hits, vector: Sequence[float], label: str) -> None:
    """Passages that are near in meaning; where one was found by its words too, the better reason counts."""
    least = _FAR + (_NEAR - _FAR) * LEAST_RELEVANCE / 100
    for row in passages.search_by_meaning(session, vector, label, least=least, most=_MOST_PASSAGES):
        relevance = 100 * min(1.0, (row["nearness"] - _FAR) / (_NEAR - _FAR))
        known = hits.setdefault(row["video_id"], {})
        if row["id"] not in known or known[row["id"]].relevance < relevance:
            reason = f"is near in meaning ({row['nearness']:.2f}): “{_quote(row['text'], ())}”"
            known[row["id"]] = Hit(row["start_seconds"], row["end_seconds"], relevance, reason)


def _video(video_id: int, hits: Sequence[Hit]) -> Found:
    best = sorted(hits, key=lambda hit: (-hit.relevance, hit.start_seconds))[:_SHOWN_PASSAGES]
    more = f", and {len(hits) - 1} more {'passage' if len(hits) == 2 else 'passages'}" if len(hits) > 1 else ""  # noqa: PLR2004
    shown = sorted(best, key=lambda hit: hit.start_seconds)
    return Found(video_id, round(best[0].relevance), f"The best passage {best[0].reason}{more}.", shown)


def _words(passage: str, stems: Sequence[str]) -> str:
    """The words of the passage that have these stems, as they were said; the stems themselves where that cannot be told."""
    said: Mapping[str, None] = dict.fromkeys(
        word.lower() for word in re.findall(r"\w[\w'-]*", passage) if any(word.lower().startswith(stem[:-1]) for stem in stems)
    )
    return ", ".join(list(said)[:6] or list(stems)[:6])


def _quote(passage: str, stems: Sequence[str]) -> str:
    """A piece of the passage around the first word that was found."""
    places = [at for stem in stems if (at := passage.lower().find(stem[:-1] or stem)) >= 0]
    start = max(0, min(places, default=0) - _QUOTED // 3)
    start = passage.rfind(" ", 0, start) + 1 if start else 0
    piece = passage[start : start + _QUOTED]
    whole = piece if start + _QUOTED >= len(passage) else piece.rsplit(" ", 1)[0] + "…"
    return f"…{whole}" if start else whole
