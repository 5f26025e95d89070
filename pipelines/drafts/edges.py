"""Where a video's content starts and ends: what is said before and after it, and silence, can go."""

import re
from dataclasses import dataclass
from typing import Any

from pipelines.drafts.words import Sentence, sentences

_LEAD_MS, _TAIL_MS = 300, 700  # of air before the first word, and after the last
_WORTH_MS = 1_500  # a shorter cut is not worth a jump
_MOST = 0.3  # of a video is never proposed to go at one end
_SETTING_UP = re.compile(
    r"""^(?:(?:um+|uh+|er+|okay|ok|alright|all\ right|right|so|well|hang\ on|hold\ on|one\ sec(?:ond)?|just\ a\ (?:sec(?:ond)?|moment|minute)
    |let\ me\ (?:just\ )?(?:see|check|start|share|fix|get|move|turn|hit)[^.!?]*|(?:can|do)\ you\ (?:hear|see)\ (?:me|it|this|that)[^.!?]*
    |is\ (?:this|it)\ (?:on|working|recording)[^.!?]*|(?:we(?:'re|\ are)|i(?:'m|\ am)|it(?:'s|\ is))\ (?:now\ )?(?:recording|rolling|live)
    |test(?:ing)?(?:\ test)?|one\ two(?:\ three)?|check|recording)[\s,.!?…-]*)+$""",
    re.VERBOSE,
)
_WINDING_UP = re.compile(
    r"""^(?:(?:um+|uh+|okay|ok|alright|all\ right|right|so|well|yeah|cool|great
    |(?:let\ me|i(?:'ll|\ will)|i(?:'m|\ am)\ going\ to|how\ do\ i)\ (?:just\ )?(?:stop|end|turn|switch)[^.!?]*|stop(?:ping)?(?:\ the)?\ recording
    |(?:did|was)\ (?:that|it)\ (?:work|record|recording|okay|ok)[^.!?]*|(?:is\ it|are\ we)\ (?:still\ )?(?:recording|on)|cut|we(?:'re|\ are)\ (?:done|off)
    |where(?:'s|\ is)\ the\ button)[\s,.!?…-]*)+$""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Edge:
    """Where content starts, or ends; `ms` is None where nothing is worth cutting."""

    ms: int | None
    reason: str
    confidence: float  # 0 to 1


def _plain(sentence: Sentence) -> str:
    return sentence.text.casefold().replace("’", "'").strip()  # noqa: RUF001


def find_start(captions: Any, duration_ms: int) -> Edge:  # noqa: ANN401  (a document)
    """The first moment that is content: after silence, and after what is said to set the recording up."""
    said = sentences(captions)
    if not said:
        return Edge(None, "Nothing is spoken, so nothing tells where the content starts.", 0.0)
    limit, skipped = int(duration_ms * _MOST), 0
    while skipped < len(said) - 1 and _SETTING_UP.match(_plain(said[skipped])) and said[skipped].end_ms <= limit:
        skipped += 1
    first = said[skipped]
    start = max(0, first.start_ms - _LEAD_MS)
    if skipped == 0 and (start < _WORTH_MS or start > limit):
        words = "The content starts at once." if start < _WORTH_MS else "It is long silent, which may be meant."
        return Edge(None, words, 0.6 if start < _WORTH_MS else 0.3)
    if skipped:
        return Edge(start, f"What is said before sets the recording up: “{said[0].text[:60]}”.", 0.85 if skipped > 1 else 0.75)
    return Edge(start, f"Nobody speaks for the first {first.start_ms / 1000:.1f} seconds.", 0.6)


def find_end(captions: Any, duration_ms: int) -> Edge:  # noqa: ANN401  (a document)
    """The last moment that is content: before what is said to end the recording, and before silence."""
    said = sentences(captions)
    if not said:
        return Edge(None, "Nothing is spoken, so nothing tells where the content ends.", 0.0)
    limit, last = int(duration_ms * (1 - _MOST)), len(said) - 1
    while last > 0 and _WINDING_UP.match(_plain(said[last])) and said[last].start_ms >= limit:
        last -= 1
    end = min(duration_ms, said[last].end_ms + _TAIL_MS)
    if last < len(said) - 1:
        # Not into the next word, where it follows closely.
        end = min(end, said[last + 1].start_ms)
        return Edge(end, f"What is said after ends the recording: “{said[last + 1].text[:60]}”.", 0.85)
    if duration_ms - end < _WORTH_MS:
        return Edge(None, "The content lasts to the end.", 0.6)
    if end < limit:
        return Edge(None, "It is long silent at the end, which may be meant.", 0.3)
    return Edge(end, f"Nobody speaks for the last {(duration_ms - said[last].end_ms) / 1000:.1f} seconds.", 0.6)
