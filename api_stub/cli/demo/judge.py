"""Judges what an ingest made of a clip by the script that was spoken in it, and by nothing else."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.confidentiality import segment_times

TOLERANCE_SECONDS = 1.0
MOST_WORD_ERRORS = 0.15  # of the words that were spoken
FEWEST_WORDS_IN_TIME = 0.75  # of a sentence, in the captions that stand while it is spoken
_FRAME_SECONDS = 0.045  # of 25 frames a second, and rounding to milliseconds
_SEVERITIES = ("low", "medium", "high")
_CUE = re.compile(r"^(\d+):(\d\d):(\d\d\.\d{3}) --> (\d+):(\d\d):(\d\d\.\d{3}).*\n((?:.+\n?)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that was looked at."""

    passed: bool
    words: str


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption as a player shows it."""

    start_seconds: float
    end_seconds: float
    words: tuple[str, ...]


def judge(
    truth: Mapping[str, Any], *, video: Mapping[str, Any], check: Mapping[str, Any] | None, captions: str
) -> Iterator[Verdict]:
    """Everything that has to hold for a clip: `video` and `check` as the API shows them, `captions` as WebVTT."""
    yield Verdict(video["status"] == "ready_to_edit", f"status is {video['status']}")
    off = abs((video["durationMs"] or 0) / 1000 - truth["duration_seconds"])
    yield Verdict(off <= _FRAME_SECONDS, f"duration differs by {off * 1000:.0f} ms")
    cues = read_cues(captions)
    yield from _judge_words(truth["sentences"], cues)
    yield from _judge_findings(truth["spoken"], truth.get("shown", ()), truth["sentences"], check)


def read_cues(captions: str) -> list[Cue]:
    """The cues of a WebVTT file."""
    found = []
    for match in _CUE.finditer(captions):
        hours, minutes, seconds, end_hours, end_minutes, end_seconds, text = match.groups()
        start = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        end = int(end_hours) * 3600 + int(end_minutes) * 60 + float(end_seconds)
        found.append(Cue(start, end, tuple(split(text))))
    return found


def split(text: str) -> list[str]:
    """Words without case and punctuation."""
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?", text.lower())


def _judge_words(sentences: Sequence[Mapping[str, Any]], cues: Sequence[Cue]) -> Iterator[Verdict]:
    heard = [word for cue in cues for word in cue.words]
    spoken = [_spelling(sentence, heard) for sentence in sentences]
    share = word_errors([word for words in spoken for word in words], heard)
    yield Verdict(share <= MOST_WORD_ERRORS, f"captions: {share:.1%} of the spoken words are wrong")
    late = [
        sentence["say"][:40]
        for sentence, words in zip(sentences, spoken, strict=True)
        if not _is_in_time(sentence, words, cues)
    ]
    in_time = len(sentences) - len(late)
    yield Verdict(
        not late, f"captions: {in_time} of {len(sentences)} sentences stand when they are spoken {late or ''}".strip()
    )


def _spelling(sentence: Mapping[str, Any], heard: Sequence[str]) -> list[str]:
    """The sentence as it was spoken or as it would be written, whichever is nearer to what was heard."""
    known = set(heard)
    spellings = [split(sentence["say"]), split(sentence["written"])]
    return max(spellings, key=lambda words: sum(word in known for word in words) / max(1, len(words)))


def _is_in_time(sentence: Mapping[str, Any], words: Sequence[str], cues: Sequence[Cue]) -> bool:
    first, last = sentence["start_seconds"] - TOLERANCE_SECONDS, sentence["end_seconds"] + TOLERANCE_SECONDS
    shown = Counter(word for cue in cues if cue.end_seconds > first and cue.start_seconds < last for word in cue.words)
    return (Counter(words) & shown).total() >= FEWEST_WORDS_IN_TIME * len(words)


def word_errors(spoken: Sequence[str], heard: Sequence[str]) -> float:
    """The word error rate: insertions, deletions and substitutions, as a share of what was spoken."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(spoken, 1):
        diagonal, row[0] = row[0], count
        for index, other in enumerate(heard, 1):
            diagonal, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, diagonal + (word != other))
    return row[-1] / max(1, len(spoken))


def _judge_findings(
    planted: Sequence[Mapping[str, Any]],
    shown: Sequence[Mapping[str, Any]],
    sentences: Sequence[Mapping[str, Any]],
    check: Mapping[str, Any] | None,
) -> Iterator[Verdict]:
    if check is None or check["status"] != "completed":
        yield Verdict(passed=False, words="no confidentiality check was completed")
        return
    wanted = "flagged" if planted or shown else "clear"
    yield Verdict(check["overallStatus"] == wanted, f"confidentiality: {check['overallStatus']}")
    segments = check["segments"]
    for phrase in planted:
        found = [segment for segment in segments if _is_of(segment, phrase) and _covers(segment, phrase, sentences)]
        what = f"{phrase['category']}, {phrase['severity']}"
        yield Verdict(
            bool(found), f"{clock(phrase['start_seconds'])} {phrase['id']} ({what}): {'found' if found else 'missed'}"
        )
    for text in shown:
        seen = [one for one in segments if one.get("source") == "screen" and _is_of(one, text) and _overlap(one, text)]
        what = f"on the screen, {text['category']}, {text['severity']}"
        yield Verdict(bool(seen), f"{clock(text['start_seconds'])} {text['id']} ({what}): {'found' if seen else 'missed'}")
    stray = [segment for segment in segments if not any(_overlap(segment, one) for one in [*planted, *shown])]
    yield Verdict(not stray, f"{len(stray)} findings where nothing was planted")


def _is_of(segment: Mapping[str, Any], phrase: Mapping[str, Any]) -> bool:
    """Tell whether the segment is of the phrase's category and no less severe."""
    severe_enough = _SEVERITIES.index(segment["severity"]) >= _SEVERITIES.index(phrase["severity"])
    return severe_enough and bool(segment["category"] == phrase["category"])


def _overlap(segment: Mapping[str, Any], phrase: Mapping[str, Any]) -> bool:
    start, end = segment_times(segment)
    return (
        start <= float(phrase["end_seconds"]) + TOLERANCE_SECONDS and end >= float(phrase["start_seconds"]) - TOLERANCE_SECONDS
    )


def _covers(segment: Mapping[str, Any], phrase: Mapping[str, Any], sentences: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether the segment begins with the phrase, or with the sentence it is in, and ends no earlier than it."""
    start, end = segment_times(segment)
    beginnings = [phrase["start_seconds"]]
    beginnings += [
        one["start_seconds"] for one in sentences if one["start_seconds"] <= phrase["start_seconds"] <= one["end_seconds"]
    ]
    on_time = any(abs(start - beginning) <= TOLERANCE_SECONDS for beginning in beginnings)
    return on_time and end >= phrase["end_seconds"] - TOLERANCE_SECONDS


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds // 60):02}:{int(seconds % 60):02}"
