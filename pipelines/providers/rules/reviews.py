"""Reviews a transcript: runs every rule, tells what could not be checked, and says in words what came out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.providers.rules.clients import find_clients
from pipelines.providers.rules.contact import find_contacts
from pipelines.providers.rules.coverage import Coverage, Gap, coverage
from pipelines.providers.rules.credentials import find_credentials
from pipelines.providers.rules.details import join_details
from pipelines.providers.rules.health import find_health
from pipelines.providers.rules.identifiers import find_identifiers
from pipelines.providers.rules.money import find_money
from pipelines.providers.rules.phrases import find_phrases
from pipelines.providers.rules.policy import Policy, Severity, policy
from pipelines.providers.rules.segments import Finding, Segment, findings, merge, segments
from pipelines.providers.rules.spoken import Evidence, Spoken, spoken
from pipelines.transcript import Transcript

_FINDERS = (
    find_clients,
    find_contacts,
    find_credentials,
    find_health,
    find_identifiers,
    find_money,
    find_phrases,
)
_ONLY_SPEECH = "What is shown was not looked at."


@dataclass(frozen=True, slots=True)
class Review:
    """What came out of a check."""

    clear: bool  # nothing was found, and everything that can be heard was checked
    segments: tuple[dict[str, object], ...]  # JSON objects in the product's shape, in the order of time
    summary: str  # for people; holds no words of the video
    model_used: str
    coverage: Coverage


def review(transcript: Transcript, *, has_sound: bool, content_hash: str) -> Review:
    """Check what is said in a video for what should stay confidential. The same arguments give the same answer.

    `has_sound` tells whether the video has a sound track, `content_hash` names its content: ids of segments follow from it.
    What could not be checked is a segment too (category other, severity high), so a review is never clear by default.
    Words are evidence, whatever they say. Raises Invalid when a time of the transcript is not a number.
    """
    rules, said = policy(), spoken(transcript)
    covered = coverage(transcript, has_sound=has_sound)
    evidence = join_details(_evidence(said))
    found = merge(findings(evidence, rules, transcript.speech, transcript.duration_seconds))
    made = segments(sorted([*found, *_unchecked(covered.gaps, rules)], key=_start), content_hash)
    return Review(
        clear=not made,
        segments=tuple(segment.as_json() for segment in made),
        summary=_summary(made, covered, has_sound=has_sound),
        model_used=f"rules {rules.version}, {transcript.engine}",
        coverage=covered,
    )


def _evidence(said: Spoken) -> Iterator[Evidence]:
    for find in _FINDERS:
        yield from find(said)


def _unchecked(gaps: Sequence[Gap], rules: Policy) -> Iterator[Finding]:
    """Each gap as a finding of its own: it is never merged with what was heard beside it."""
    for gap in gaps:
        rule = rules.rules[gap.rule]
        yield Finding(gap.start_seconds, gap.end_seconds, (rule,), rule.confidence, ())


def _start(finding: Finding) -> tuple[float, float, int]:
    return finding.start_seconds, finding.end_seconds, finding.rules[0].order


def _summary(made: Sequence[Segment], covered: Coverage, *, has_sound: bool) -> str:
    parts = [_found(made)]
    if not has_sound:
        parts = ["The video has no sound: there was nothing to hear."] + parts * bool(made)
    if covered.unchecked_seconds or covered.gaps:
        total = covered.checked_seconds + covered.unchecked_seconds
        parts.append(f"{covered.unchecked_seconds:.0f} of {total:.0f} seconds could not be checked.")
    return " ".join([*parts, _ONLY_SPEECH])


def _found(made: Sequence[Segment]) -> str:
    if not made:
        return "Nothing confidential was heard."
    counted = Counter(segment.severity for segment in made)
    severities = ", ".join(f"{counted[severity]} {severity}" for severity in reversed(Severity) if counted[severity])
    return f"{len(made)} {'finding' if len(made) == 1 else 'findings'} to decide on: {severities}."
