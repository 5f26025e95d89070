"""What was said in videos, as passages that can be searched by their words and, where vectors are there, by meaning."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import ARRAY, REAL
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Text

_INSERT = text("""
INSERT INTO video_passages (video_id, number, start_seconds, end_seconds, text)
VALUES (:video_id, :number, :start_seconds, :end_seconds, :text)
""")
_UNINDEXED = text("""
SELECT v.id FROM videos v
WHERE v.id > :after AND (btrim(coalesce(v.transcript, '')) <> '' OR jsonb_path_exists(v.captions, '$[*]'))
  AND NOT EXISTS (SELECT 1 FROM video_passages p WHERE p.video_id = v.id)
ORDER BY v.id LIMIT :limit
""")
_UNPLACED = text("""
SELECT id, text FROM video_passages
WHERE embedded_by IS DISTINCT FROM :label AND (CAST(:video_id AS integer) IS NULL OR video_id = :video_id)
ORDER BY id LIMIT :limit
""")
_PLACE = text("UPDATE video_passages SET embedding = :vector, embedded_by = :label WHERE id = :id").bindparams(
    bindparam("vector", type_=ARRAY(REAL))
)
# Stemmed, and without words that say nothing.
_LEXEMES = text("SELECT unnest(tsvector_to_array(to_tsvector('english', :query)))")
_BY_WORDS = text("""
WITH asked AS MATERIALIZED (
    SELECT CAST(:lexemes AS text[]) AS lexemes, to_tsquery('simple', :any_of) AS any_of, phraseto_tsquery('english', :query) AS phrase)
SELECT p.id, p.video_id, p.start_seconds, p.end_seconds, p.text, p.words @@ a.phrase AS is_phrase,
    ARRAY(SELECT unnest(a.lexemes) INTERSECT SELECT unnest(tsvector_to_array(p.words))) AS found,
    ts_rank_cd(p.words, a.any_of) AS rank
FROM asked a JOIN video_passages p ON p.words @@ a.any_of
ORDER BY cardinality(ARRAY(SELECT unnest(a.lexemes) INTERSECT SELECT unnest(tsvector_to_array(p.words)))) DESC, rank DESC, p.id
LIMIT :most
""").bindparams(bindparam("lexemes", type_=ARRAY(Text)))
# Both are of length 1, so that the sum of products is the cosine of the angle between them.
_BY_MEANING = text("""
SELECT * FROM (
    SELECT p.id, p.video_id, p.start_seconds, p.end_seconds, p.text,
        (SELECT sum(x.a * x.b) FROM unnest(p.embedding, CAST(:vector AS real[])) x(a, b)) AS nearness
    FROM video_passages p WHERE p.embedded_by = :label AND cardinality(p.embedding) = :dimensions
) near WHERE nearness >= :least ORDER BY nearness DESC, id LIMIT :most
""").bindparams(bindparam("vector", type_=ARRAY(REAL)))


def replace_passages(session: Session, video_id: int, passages: Sequence[Mapping[str, Any]]) -> None:
    """Make these (`start_seconds`, `end_seconds`, `text`) the passages of a video."""
    session.execute(text("DELETE FROM video_passages WHERE video_id = :id"), {"id": video_id})
    rows = [{**passage, "video_id": video_id, "number": number} for number, passage in enumerate(passages)]
    if rows:
        session.execute(_INSERT, rows)


def list_unindexed(session: Session, *, after: int = 0, limit: int = 50) -> list[int]:
    """Videos with words and without passages, from `after` (exclusive) on."""
    return list(session.execute(_UNINDEXED, {"after": after, "limit": limit}).scalars())


def list_unplaced(session: Session, label: str, *, video_id: int | None = None, limit: int) -> list[RowMapping]:
    """Passages, of one video or all, that have no vector of this label."""
    return list(session.execute(_UNPLACED, {"label": label, "video_id": video_id, "limit": limit}).mappings())


def place_passages(session: Session, vectors: Mapping[int, Sequence[float]], label: str) -> None:
    """Keep the vectors of these passages; those of another label are gone."""
    session.execute(_PLACE, [{"id": key, "vector": list(vector), "label": label} for key, vector in vectors.items()])


def list_lexemes(session: Session, query: str) -> list[str]:
    """The stems of a query's words that say something."""
    return list(session.execute(_LEXEMES, {"query": query}).scalars())


def search_by_words(session: Session, query: str, lexemes: Collection[str], *, most: int) -> list[RowMapping]:
    """Passages with any of these stems, those with most of them first; `found` are those that a passage has."""
    if not lexemes:
        return []
    any_of = " | ".join("'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'" for lexeme in lexemes)
    values = {"lexemes": list(lexemes), "any_of": any_of, "query": query, "most": most}
    return list(session.execute(_BY_WORDS, values).mappings())


def search_by_meaning(session: Session, vector: Sequence[float], label: str, *, least: float, most: int) -> list[RowMapping]:
    """Passages whose vectors are at least so near, the nearest first. Those of another model or size are passed over."""
    values = {"vector": list(vector), "label": label, "dimensions": len(vector), "least": least, "most": most}
    return list(session.execute(_BY_MEANING, values).mappings())
