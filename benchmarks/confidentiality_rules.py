"""How much the confidentiality rules find, and how often they cry wolf, on labelled text.

    .venv/bin/python -m benchmarks.confidentiality_rules --data DIR [--quick]

DIR (else $ASKSTEPHEN_DATA) holds `pii_sentences.json` (presidio-research), `clinical_dialogues.csv` (MTS-Dialog),
`benign_meetings.jsonl` (QMSum) and `injection_lines.json` (BIPIA). The text is read as if said at 150 words a minute;
the dialogues also as a bare speech model writes it: lower case, no punctuation. The last line is JSON.
"""

import argparse
import csv
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.providers.rules import Review, review
from pipelines.providers.rules.policy import Severity
from pipelines.transcript import Stretch, Transcript, Word

SECONDS_PER_WORD = 0.4
QUICK = 60  # items of each file
# What presidio's labels mean to our policy. Names, places, dates and titles alone are no findings.
SEVERITIES = {
    "CREDIT_CARD": "high",
    "US_SSN": "high",
    "IBAN_CODE": "high",
    "US_DRIVER_LICENSE": "high",
    "PHONE_NUMBER": "medium",
    "EMAIL_ADDRESS": "medium",
    "STREET_ADDRESS": "medium",
    "IP_ADDRESS": "low",
}
NOISE = re.compile(r"\{[^}]*\}")  # {vocalsound} and the like


@dataclass(frozen=True)
class Figures:
    """Results of one data set: names and numbers, printed and put into the JSON."""

    name: str
    values: dict[str, Any]


def say(text: str, *, bare: bool = False) -> Transcript:
    """The text as a transcript of perfect times."""
    said = [bare_word(word) if bare else word for word in text.split()]
    words = [word for word in said if word]
    times = [index * SECONDS_PER_WORD for index in range(len(words) + 1)]
    spoken = tuple(Word(word, start, start + SECONDS_PER_WORD, 1.0) for word, start in zip(words, times, strict=False))
    return Transcript(spoken, (Stretch(0.0, times[-1]),) if words else (), times[-1] + 1, "en", "text")


def bare_word(word: str) -> str:
    return word.lower().strip(".,!?;:\"'()[]")


def check(transcript: Transcript) -> Review:
    return review(transcript, has_sound=True, content_hash="benchmark")


def read_sentences(folder: Path, most: int | None) -> Figures:
    """Of every labelled value, whether a segment of at least its severity touches it."""
    rows = json.loads((folder / "pii_sentences.json").read_text("utf-8"))[:most]
    found, total, missed = Counter[str](), Counter[str](), []
    benign = flagged = 0
    for row in rows:
        spans = [span for span in row["spans"] if span["entity_type"] in SEVERITIES]
        transcript = say(row["full_text"])
        segments = check(transcript).segments
        benign += not spans
        flagged += not spans and bool(segments)
        for span in spans:
            kind = span["entity_type"]
            total[kind] += 1
            if touches(row["full_text"], span, segments):
                found[kind] += 1
            else:
                missed.append((kind, row["full_text"]))
    severities = {severity: [kind for kind in total if SEVERITIES[kind] == severity] for severity in ("high", "medium", "low")}
    by_severity = {
        name: ratio(sum(found[kind] for kind in kinds), sum(total[kind] for kind in kinds))
        for name, kinds in severities.items()
    }
    values = {"recall": by_severity, "by_kind": {kind: f"{found[kind]}/{total[kind]}" for kind in sorted(total)}}
    return Figures("sentences", {**values, "flagged_without_label": ratio(flagged, benign), "missed": missed})


def touches(text: str, span: dict[str, Any], segments: Sequence[dict[str, Any]]) -> bool:
    start = len(text[: span["start_position"]].split()) * SECONDS_PER_WORD
    end = max(start + SECONDS_PER_WORD, len(text[: span["end_position"]].split()) * SECONDS_PER_WORD)
    least = Severity(SEVERITIES[span["entity_type"]]).rank
    return any(
        segment["startSeconds"] < end and start < segment["endSeconds"] and Severity(segment["severity"]).rank >= least
        for segment in segments
    )


def read_dialogues(folder: Path, most: int | None) -> Figures:
    """The share of talks with a doctor in which health is found."""
    with (folder / "clinical_dialogues.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:most]
    talks = [re.sub(r"(?m)^[\w ]{1,20}:", "", row["dialogue"]) for row in rows]
    values: dict[str, Any] = {}
    for name, bare in (("recall", False), ("recall_bare", True)):
        reviews = [check(say(talk, bare=bare)) for talk in talks]
        values[name] = ratio(sum(has_category(one, "personal_health") for one in reviews), len(reviews))
        values["missed" if not bare else "missed_bare"] = [
            talk for talk, one in zip(talks, reviews, strict=True) if not has_category(one, "personal_health")
        ]
    return Figures("dialogues", values)


def has_category(one: Review, category: str) -> bool:
    return any(segment["category"] == category for segment in one.segments)


def read_meetings(folder: Path, most: int | None) -> Figures:
    """Flags per hour of meetings that hold nothing confidential, or little."""
    lines = (folder / "benign_meetings.jsonl").read_text("utf-8").splitlines()[: 3 if most else None]
    seconds = spent = flagged_seconds = 0.0
    severities, rules, examples = Counter[str](), Counter[str](), []
    for line in lines:
        meeting = json.loads(line)
        text = NOISE.sub("", " ".join(turn["text"] for turn in meeting["turns"]))
        transcript = say(re.sub(r" (?=[.,?!;:])|(?<=\w) (?='\w)", "", text))
        began = time.perf_counter()
        segments = check(transcript).segments
        spent += time.perf_counter() - began
        seconds += transcript.duration_seconds
        flagged_seconds += sum(float(str(one["endSeconds"])) - float(str(one["startSeconds"])) for one in segments)
        severities.update(str(one["severity"]) for one in segments)
        rules.update(str(one["rule"]) for one in segments)
        examples += [(one["rule"], meeting["domain"], heard(transcript, one)) for one in segments]
    hours = seconds / 3600
    per_hour = {severity: round(severities[severity] / hours, 2) for severity in ("high", "medium", "low")}
    values = {"hours": round(hours, 2), "flags_per_hour": per_hour, "rules": dict(rules.most_common())}
    return Figures(
        "meetings",
        {
            **values,
            "flagged_share": round(flagged_seconds / seconds, 4),
            "seconds_per_hour": round(spent / hours, 3),
            "flags": examples,
        },
    )


def heard(transcript: Transcript, segment: dict[str, Any]) -> str:
    start, end = segment["startSeconds"], segment["endSeconds"]
    return " ".join(word.text for word in transcript.words if word.end_seconds > start and word.start_seconds < end)


def read_injections(folder: Path, most: int | None) -> Figures:
    """Whether instructions in a talk hide a password that is told after them, and how many are noticed themselves."""
    lines = list(texts(json.loads((folder / "injection_lines.json").read_text("utf-8"))))[:most]
    secret = "The password for the server is tangerine nine seven."
    kept = noticed = 0
    missed = []
    for line in lines:
        segments = check(say(f"Let us begin. {line} {secret}")).segments
        kept += any("password" in str(one["reason"]) and one["severity"] == "high" for one in segments)
        is_noticed = any(one["rule"] == "instruction_to_reviewer" or "steer" in str(one["reason"]) for one in segments)
        noticed += is_noticed
        missed += [] if is_noticed else [line]
    return Figures(
        "injections", {"secret_found": ratio(kept, len(lines)), "noticed": ratio(noticed, len(lines)), "missed": missed}
    )


def texts(plain: object) -> Iterator[str]:
    """Every text in nested lists and objects."""
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, dict | list):
        for inner in plain.values() if isinstance(plain, dict) else plain:
            yield from texts(inner)


def ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def show(figures: Figures, *, details: bool) -> dict[str, Any]:
    """Print the figures and return them without the lists of what was missed or flagged."""
    short = {name: value for name, value in figures.values.items() if not isinstance(value, list)}
    print(f"{figures.name}: " + ", ".join(f"{name} {value}" for name, value in short.items()))
    for name, value in figures.values.items():
        for item in value if details and isinstance(value, list) else ():
            print(f"  {name}: {item}")
    return short


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Recall and flags per hour of the confidentiality rules.")
    parser.add_argument("--data", default=os.environ.get("ASKSTEPHEN_DATA"), help="folder of the labelled text")
    parser.add_argument("--quick", action="store_true", help="only the beginning of each file")
    parser.add_argument("--details", action="store_true", help="also print what was missed and what was flagged")
    chosen = parser.parse_args(arguments)
    if not chosen.data or not Path(chosen.data).is_dir():
        print("Give the folder of the labelled text with --data DIR or ASKSTEPHEN_DATA.", file=sys.stderr)
        return 2
    folder, most = Path(chosen.data), QUICK if chosen.quick else None
    readers: Iterable[Any] = (read_sentences, read_dialogues, read_meetings, read_injections)
    results = {}
    for read in readers:
        figures = read(folder, most)
        results[figures.name] = show(figures, details=chosen.details)
    print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
