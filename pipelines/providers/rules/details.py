"""Makes one grave finding of words such as "not public" and the figure, deal or client that they are said about."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from pipelines.providers.rules.spoken import Evidence

_SECRECY = "not_public"
_TOGETHER = "not_public_with_detail"
_DETAILS = frozenset({"business_figure", "money_amount", "deal_talk", "unreleased_work", "client_named"})
_NEAR_SECONDS = 4.0
_NEIGHBOURS = 4  # details looked at on either side


def join_details(evidence: Iterable[Evidence]) -> list[Evidence]:
    """The evidence, with words of secrecy raised to what spans them and the details near them."""
    everything = list(evidence)
    details = sorted((piece for piece in everything if piece.rule in _DETAILS), key=_start)
    starts = [piece.start_seconds for piece in details]
    return [_raised(piece, details, starts) if piece.rule == _SECRECY else piece for piece in everything]


def _start(piece: Evidence) -> float:
    return piece.start_seconds


def _raised(piece: Evidence, details: Sequence[Evidence], starts: Sequence[float]) -> Evidence:
    at = bisect_left(starts, piece.start_seconds)
    near = [detail for detail in details[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS] if _are_near(piece, detail)]
    if not near:
        return piece
    start = min(piece.start_seconds, *(detail.start_seconds for detail in near))
    end = max(piece.end_seconds, *(detail.end_seconds for detail in near))
    return Evidence(_TOGETHER, start, end, piece.quoted)


def _are_near(one: Evidence, other: Evidence) -> bool:
    return other.start_seconds - one.end_seconds <= _NEAR_SECONDS and one.start_seconds - other.end_seconds <= _NEAR_SECONDS
