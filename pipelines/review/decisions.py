"""Lets what people decided on findings outlive another check of the same content."""

from collections.abc import Mapping, Sequence
from typing import Any

from db.confidentiality import segment_times

_SAME_SHARE = 0.5  # of the time that two segments span together
_KEPT = ("resolutionStatus", "resolutionNote", "resolvedBy", "resolvedAt")
_GRAVITY = ("low", "medium", "high")


def carry_over(segments: Sequence[Mapping[str, Any]], earlier: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The segments, each with the decision on the same finding of an earlier check. What has become graver is open again."""
    decided = [one for one in earlier if one.get("resolutionStatus", "pending") != "pending"]
    return [_carried(dict(segment), decided) for segment in segments]


def _carried(segment: dict[str, Any], decided: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    same = next((one for one in decided if _is_same(segment, one)), None)
    return segment if same is None else segment | {name: same[name] for name in _KEPT if name in same}


def _is_same(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    if new["category"] != old["category"] or new.get("source") != old.get("source"):
        return False
    if _GRAVITY.index(new["severity"]) > _GRAVITY.index(old["severity"]) or new.get("excerpt") != old.get("excerpt"):
        return False
    (start, end), (old_start, old_end) = segment_times(new), segment_times(old)
    overlap = min(end, old_end) - max(start, old_start)
    spanned = max(end, old_end) - min(start, old_start)
    return new["id"] == old["id"] or (spanned > 0 and overlap / spanned >= _SAME_SHARE)
