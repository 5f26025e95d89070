"""Runs the rules over what stood on the screen: each frame is a text of its own, and what stays from one to the next is one finding."""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.providers.rules.finders import list_evidence
from pipelines.providers.rules.policy import Policy
from pipelines.providers.rules.segments import SCREEN, Finding, mask
from pipelines.providers.rules.spoken import Evidence, spoken
from pipelines.transcript import Transcript, Word
from pipelines.transcript.screen import Frame, Screen

_SAME_LETTERS = 24  # that begin a quote: some rules quote to the end of the sentence, and a screen has other words behind


def screen_findings(screen: Screen, policy: Policy, duration_seconds: float) -> list[Finding]:
    """What the rules find on the screen, as long as it stood there, not yet merged."""
    return [_finding(piece, policy, duration_seconds) for piece in _continued(screen.frames)]


def _continued(frames: Sequence[Frame]) -> list[Evidence]:
    """The evidence of all frames; the same in frames that follow each other once, over their whole time."""
    standing: dict[tuple[str, str], Evidence] = {}
    gone: list[Evidence] = []
    for frame in frames:
        for piece in _evidence(frame):
            key = piece.rule, "".join(piece.quoted.lower().split())[:_SAME_LETTERS]
            before = standing.get(key)
            if before is not None and piece.start_seconds <= before.end_seconds:
                standing[key] = replace(before, end_seconds=max(before.end_seconds, piece.end_seconds))
                continue
            if before is not None:
                gone.append(before)
            standing[key] = piece
    return sorted([*gone, *standing.values()], key=lambda piece: (piece.start_seconds, piece.rule))


def _evidence(frame: Frame) -> list[Evidence]:
    """What is found in one frame: all of its words stand there at the same time."""
    words = tuple(Word(text, frame.start_seconds, frame.end_seconds, 1.0) for text in frame.text.split())
    found = list_evidence(spoken(Transcript(words, (), frame.end_seconds, "en", "screen")))
    return [replace(piece, end_seconds=min(piece.end_seconds, frame.end_seconds)) for piece in found]


def _finding(piece: Evidence, policy: Policy, duration_seconds: float) -> Finding:
    rule = policy.rules[piece.rule]
    end = min(piece.end_seconds, duration_seconds)
    confidence = rule.confidence if piece.confidence is None else piece.confidence
    return Finding(min(piece.start_seconds, end), end, (rule,), confidence, (mask(piece.quoted),), SCREEN)
