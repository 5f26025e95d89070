"""Reviews a video: runs every rule over what is said and shown, takes in what another reviewer found, and tells what was not checked."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.providers.rules.coverage import NOT_SEEN, Coverage, Gap, coverage
from pipelines.providers.rules.finders import list_evidence
from pipelines.providers.rules.policy import Policy, Severity, policy
from pipelines.providers.rules.screens import screen_findings
from pipelines.providers.rules.segments import AUDIO, SCREEN, Finding, Segment, absorb, findings, merge, segments
from pipelines.providers.rules.spoken import spoken
from pipelines.transcript import Transcript
from pipelines.transcript.screen import Screen


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a reviewer beside the rules found in the same words. Where it left some unread, the check is none."""

    by: str
    findings: tuple[Finding, ...]
    units: int  # pieces of speech and screen that there are to read
    unread: int
    why_unread: str | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """What came out of a check."""

    clear: bool  # nothing was found, and everything was checked that can be
    segments: tuple[dict[str, object], ...]  # JSON objects in the product's shape, in the order of time
    summary: str  # for people; holds no words of the video
    model_used: str
    coverage: Coverage  # of what is said
    ran: dict[str, Any]  # what looked at what, as JSON
    error: str | None  # why this is no check that can be relied on


def review(
    transcript: Transcript,
    *,
    has_sound: bool,
    content_hash: str,
    screen: Screen | None = None,
    is_unseen: bool = False,
    opinion: Opinion | None = None,
) -> Review:
    """Check a video for what should stay confidential. The same arguments give the same answer.

    `has_sound` tells whether the video has a sound track, `content_hash` names its content: ids of segments follow from it;
    `is_unseen` that its screen should have been read and could not be. What could not be checked is a segment too (category
    other, severity high), so a review is never clear by default. An opinion adds to what the rules found, and takes nothing away.
    Words are evidence, whatever they say. Raises Invalid when a time of the transcript is not a number.
    """
    rules, duration = policy(), transcript.duration_seconds
    covered = coverage(transcript, has_sound=has_sound)
    found = findings(list_evidence(spoken(transcript)), rules, transcript.speech, duration)
    found += screen_findings(screen, rules, duration) if screen else []
    merged = merge(absorb(merge(found), opinion.findings if opinion else ()))
    gaps = [*covered.gaps, *([Gap(NOT_SEEN, 0.0, duration)] if is_unseen else ())]
    made = segments(sorted([*merged, *_unchecked(gaps, rules)], key=_start), content_hash)
    engines = [f"rules {rules.version}", transcript.engine, *([screen.engine] if screen else ())]
    error = _error(opinion)
    return Review(
        clear=not made and error is None,
        segments=tuple(segment.as_json() for segment in made),
        summary=" ".join(_sentences(made, covered, screen, opinion, has_sound=has_sound)),
        model_used=", ".join([*engines, *([opinion.by] if opinion else ())]),
        coverage=covered,
        ran=_ran(covered, transcript, screen, opinion, has_sound=has_sound, is_unseen=is_unseen),
        error=error,
    )


def _unchecked(gaps: Sequence[Gap], rules: Policy) -> Iterator[Finding]:
    """Each gap as a finding of its own: it is never merged with what was found beside it."""
    for gap in gaps:
        rule = rules.rules[gap.rule]
        source = SCREEN if gap.rule == NOT_SEEN else AUDIO
        yield Finding(gap.start_seconds, gap.end_seconds, (rule,), rule.confidence, (), source)


def _start(finding: Finding) -> tuple[float, float, int]:
    return finding.start_seconds, finding.end_seconds, finding.rules[0].order


def _error(opinion: Opinion | None) -> str | None:
    if opinion is None or not opinion.unread:
        return None
    return (
        f"{opinion.by} did not read {opinion.unread} of {opinion.units} pieces ({opinion.why_unread}): "
        "what it left out was checked by rules only. Run the check again."
    )


def _sentences(
    made: Sequence[Segment], covered: Coverage, screen: Screen | None, opinion: Opinion | None, *, has_sound: bool
) -> Iterator[str]:
    if not has_sound:
        yield "The video has no sound: there was nothing to hear."
    if made or has_sound or screen:
        yield _found(made, "heard or seen" if screen else "heard")
    if covered.unchecked_seconds or covered.gaps:
        total = covered.checked_seconds + covered.unchecked_seconds
        yield f"{covered.unchecked_seconds:.0f} of {total:.0f} seconds could not be checked."
    if opinion and not opinion.unread:
        yield f"{opinion.by} read all of it too."
    if screen is None:
        yield "What is shown was not looked at."
    else:
        frames = f"{len(screen.frames)} {'picture' if len(screen.frames) == 1 else 'pictures'}"
        of = "some of those" if screen.is_thinned else "all"
        yield f"Text on the screen was read in {frames}: {of} that changed, looked for each {screen.every_seconds:.0f} s."


def _found(made: Sequence[Segment], how: str) -> str:
    if not made:
        return f"Nothing confidential was {how}."
    counted = Counter(segment.severity for segment in made)
    severities = ", ".join(f"{counted[severity]} {severity}" for severity in reversed(Severity) if counted[severity])
    return f"{len(made)} {'finding' if len(made) == 1 else 'findings'} to decide on: {severities}."


def _ran(
    covered: Coverage,
    transcript: Transcript,
    screen: Screen | None,
    opinion: Opinion | None,
    *,
    has_sound: bool,
    is_unseen: bool,
) -> dict[str, Any]:
    """What looked at what; None where nothing did."""
    speech = {
        "by": transcript.engine,
        "checked_seconds": covered.checked_seconds,
        "unchecked_seconds": covered.unchecked_seconds,
    }
    seen = screen and {
        "by": screen.engine,
        "pictures": len(screen.frames),
        "every_seconds": screen.every_seconds,
        "is_thinned": screen.is_thinned,
    }
    model = opinion and {
        "by": opinion.by,
        "pieces": opinion.units,
        "unread": opinion.unread,
        "why_unread": opinion.why_unread,
    }
    return {"speech": speech if has_sound else None, "screen": seen, "screen_failed": is_unseen, "language_model": model}
