"""From evidence to segments: times with a guard band, merging, masking, ids that stay the same."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from pipelines.providers.rules.policy import Category, Policy, Rule, Severity
from pipelines.providers.rules.spoken import Evidence
from pipelines.transcript import Stretch

PAD_SECONDS = 0.35  # covers every measured alignment error of tiny.en's word times (0.30 s at most)
SNAP_SECONDS = 0.3  # a voice that begins or ends this near belongs to the segment
MERGE_GAP_SECONDS = 1.5
LONGEST_SECONDS = 30.0
AUDIO, SCREEN = "audio", "screen"  # where something was found
_SAME_SHARE = 0.5  # of the shorter of two findings: overlapping so far, they tell of the same thing
_SHORTEST_SHOWN = 9  # characters: of less, two at either end would be half the secret
_SHOWN_MASKS = 3
_NAMESPACE = UUID("5b1c1f0e-6d0f-5c43-9a53-0d3c7a0f4b21")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the video that somebody has to decide on."""

    id: str
    start_seconds: float
    end_seconds: float
    category: Category
    severity: Severity
    reason: str
    confidence: float
    rule: str
    excerpt: str  # of what was said, masked
    source: str

    def as_json(self) -> dict[str, object]:
        """The product's shape of a segment, and what this reviewer adds to it."""
        return {
            "id": self.id,
            "startTime": _clock(math.floor(self.start_seconds)),
            "endTime": _clock(max(math.ceil(self.end_seconds), math.floor(self.start_seconds) + 1)),
            "category": self.category.value,
            "severity": self.severity.value,
            "reason": self.reason,
            "confidence": self.confidence,
            "resolutionStatus": "pending",
            "startSeconds": self.start_seconds,
            "endSeconds": self.end_seconds,
            "source": self.source,
            "rule": self.rule,
            "excerpt": self.excerpt,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One or more pieces of evidence of one category that stand together."""

    start_seconds: float
    end_seconds: float
    rules: tuple[Rule, ...]  # the gravest first
    confidence: float
    masks: tuple[str, ...]
    source: str = AUDIO


def findings(evidence: Iterable[Evidence], policy: Policy, speech: Sequence[Stretch], duration: float) -> list[Finding]:
    """Evidence as findings within the duration: padded, snapped outward to where the voice begins and ends, not yet merged."""
    begins = [stretch.start_seconds for stretch in speech]
    return [_finding(piece, policy.rules[piece.rule], speech, begins, duration) for piece in evidence]


def _finding(piece: Evidence, rule: Rule, speech: Sequence[Stretch], begins: Sequence[float], duration: float) -> Finding:
    start = min(max(piece.start_seconds - PAD_SECONDS, 0.0), max(0.0, duration - PAD_SECONDS))
    end = min(max(piece.end_seconds, piece.start_seconds) + PAD_SECONDS, duration)
    start, end = _snap(start, max(start, end), speech, begins)
    confidence = rule.confidence if piece.confidence is None else piece.confidence
    bounds = round(max(start, 0.0), 3), round(min(end, duration), 3)
    return Finding(*bounds, (rule,), confidence, (mask(piece.quoted),))


def _snap(start: float, end: float, speech: Sequence[Stretch], begins: Sequence[float]) -> tuple[float, float]:
    before, after = bisect_right(begins, start) - 1, bisect_right(begins, end) - 1
    if before >= 0 and start - speech[before].start_seconds <= SNAP_SECONDS:
        start = speech[before].start_seconds
    if after >= 0 and 0 <= speech[after].end_seconds - end <= SNAP_SECONDS:
        end = speech[after].end_seconds
    return start, end


def merge(found: Iterable[Finding]) -> list[Finding]:
    """Findings of one category and source that nearly touch made one, up to thirty seconds; sorted. Merging again changes nothing."""
    merged: list[Finding] = []
    current: dict[tuple[str, Category], Finding] = {}
    for finding in sorted(found, key=_place):
        category = finding.source, finding.rules[0].category
        before = current.get(category)
        if before is not None and _belongs(before, finding):
            current[category] = _join(before, finding)
            continue
        if before is not None:
            merged.append(before)
        current[category] = finding
    return sorted([*merged, *current.values()], key=_place)


def _place(finding: Finding) -> tuple[float, float, int, tuple[str, ...]]:
    return finding.start_seconds, finding.end_seconds, finding.rules[0].order, finding.masks


def _belongs(before: Finding, after: Finding) -> bool:
    end = max(before.end_seconds, after.end_seconds)
    return after.start_seconds - before.end_seconds <= MERGE_GAP_SECONDS and end - before.start_seconds <= LONGEST_SECONDS


def absorb(found: Sequence[Finding], more: Iterable[Finding]) -> list[Finding]:
    """`found`, with `more` added: one that tells of the same span as another only adds its reason, and may make it graver."""
    kept = list(found)
    for finding in more:
        same = next((index for index, other in enumerate(kept) if _is_same(other, finding)), None)
        if same is None:
            kept.append(finding)
        else:
            kept[same] = _join(kept[same], finding)
    return kept


def _is_same(one: Finding, other: Finding) -> bool:
    overlap = min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
    shorter, longer = sorted((one.end_seconds - one.start_seconds, other.end_seconds - other.start_seconds))
    spanned = max(one.end_seconds, other.end_seconds) - min(one.start_seconds, other.start_seconds)
    is_short = spanned <= max(LONGEST_SECONDS, longer)
    return one.source == other.source and overlap > 0 and overlap >= _SAME_SHARE * shorter and is_short


def _join(before: Finding, after: Finding) -> Finding:
    rules = sorted({*before.rules, *after.rules}, key=lambda rule: (-rule.severity.rank, rule.order))
    return Finding(
        min(before.start_seconds, after.start_seconds),
        max(before.end_seconds, after.end_seconds),
        tuple(rules),
        max(before.confidence, after.confidence),
        tuple(dict.fromkeys([*before.masks, *after.masks]))[:_SHOWN_MASKS],
        before.source,
    )


def segments(found: Iterable[Finding], content_hash: str) -> tuple[Segment, ...]:
    """Findings as segments. The same content and rules give the same ids, so that decisions outlive a second run."""
    counted: Counter[str] = Counter()
    made = []
    for finding in found:
        rule = finding.rules[0]
        where = "" if finding.source == AUDIO else f"{finding.source}:"
        name = f"{content_hash}:{where}{rule.category}:{rule.name}:{round(finding.start_seconds)}"
        counted[name] += 1
        made.append(_segment(finding, uuid5(_NAMESPACE, f"{name}:{counted[name]}")))
    return tuple(made)


def _segment(finding: Finding, identity: UUID) -> Segment:
    rule = finding.rules[0]
    return Segment(
        str(identity),
        finding.start_seconds,
        finding.end_seconds,
        rule.category,
        rule.severity,
        "; ".join(dict.fromkeys(one.reason for one in finding.rules)),
        finding.confidence,
        rule.name,
        ", ".join(filter(None, finding.masks)),
        finding.source,
    )


def mask(text: str) -> str:
    """What may be shown of a secret: two characters at either end, or nothing of a short one."""
    if not text:
        return ""
    return f"{text[:2]}…{text[-2:]}" if len(text) >= _SHORTEST_SHOWN else "…"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
