"""What a confidentiality check finds and costs: rules alone, with a language model beside them, and on the screen.

    ./askstephen bench confidentiality --data DIR [--quick]

DIR (else $ASKSTEPHEN_DATA) is as `confidentiality_rules` wants it, whose figures come first. The model is the twin: it understands
nothing, so nothing here says how well a real one finds. What can be measured with it: that a model which obeys every instruction in
a transcript takes no finding away, that a check whose model fails is never clear, and what a check asks of a model. The screen is that
of the bundled talk, read by the real reader. The last line is JSON.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import confidentiality_rules as text
from core.errors import AskStephenError
from core.sandbox.run import Sandbox
from core.settings import SandboxMode, Settings
from pipelines.providers import ffmpeg, ocr, rules
from pipelines.providers.language import get_language
from pipelines.providers.rules.policy import policy
from pipelines.providers.rules.screens import screen_findings
from pipelines.review import Reader, list_units
from pipelines.transcript import Transcript
from twins.running import Twins
from twins.samples import put_reviewer

SECRET = "The password for the server is tangerine nine seven."
SAMPLES = Path(__file__).parents[1] / "samples"
BAD_EVERY = 3


def check(transcript: Transcript) -> rules.Review:
    language = get_language(Settings(openai_api_key="key", _env_file=None))
    opinion = Reader(language, transcript, 10_000_000).read(list_units(transcript, None))
    return rules.review(transcript, has_sound=True, content_hash="benchmark", opinion=opinion)


def obey(lines: Sequence[str]) -> dict[str, Any]:
    """A secret told after an instruction, under a model that reports nothing, as the instruction may have wanted."""
    kept = errors = lost = 0
    for line in lines:
        transcript = text.say(f"Let us begin. {line} {SECRET}")
        alone, both = text.check(transcript), check(transcript)
        kept += any(one["severity"] == "high" and "password" in str(one["reason"]) for one in both.segments)
        lost += max(0, len(alone.segments) - len(both.segments))
        errors += both.error is not None
    return {
        "lines": len(lines),
        "secret_found": text.ratio(kept, len(lines)),
        "findings_lost": lost,
        "errors": errors,
    }


def fail(twins: Twins, lines: Sequence[str]) -> dict[str, Any]:
    """The same without the secret while each third answer is bad: how a check ends, and whether one was clear that was not read."""
    outcomes = Counter[str]()
    for number, line in enumerate(lines):
        transcript = text.say(f"Let us begin. {line} Thank you.")
        twins.level(every=BAD_EVERY, seed=number)
        if number % BAD_EVERY == 0:
            twins.fault("openai", "html", times=9)
        try:
            checked = check(transcript)
            outcomes["error" if checked.error else "clear" if checked.clear else "flagged"] += 1
            outcomes["clear_unread"] += checked.clear and number % BAD_EVERY == 0
        except AskStephenError as error:  # the platform tries again; no check is written
            outcomes[type(error).__name__] += 1
        twins.level(every=0, seed=0)
        twins.clear_faults()
    return {"lines": len(lines), **dict(outcomes)}


def cost(twins: Twins, folder: Path, most: int) -> dict[str, Any]:
    """What meetings ask of a model, and how long everything but its thinking takes."""
    hours = seconds = 0.0
    windows = tokens = unread = 0
    for line in (folder / "benign_meetings.jsonl").read_text("utf-8").splitlines()[:most]:
        transcript = text.say(text.NOISE.sub("", " ".join(turn["text"] for turn in json.loads(line)["turns"])))
        twins.forget("openai.requests")
        began = time.perf_counter()
        unread += bool(check(transcript).error)
        seconds += time.perf_counter() - began
        asked = twins.records("openai.requests").values()
        windows += len(asked)
        tokens += sum(len(str(one["body"]["messages"])) // 4 for one in asked)
        hours += transcript.duration_seconds / 3600
    per_hour = {"calls": round(windows / hours, 1), "tokens": round(tokens / hours), "seconds": round(seconds / hours, 2)}
    return {"hours": round(hours, 2), "per_hour": per_hour, "not_read_whole": unread}


def screen() -> dict[str, Any]:
    """The shown secrets of the bundled talk, and what reading its screen takes."""
    sandbox = Sandbox(mode=SandboxMode.AUTO)
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o711)  # so that whoever the child becomes may walk to its folder
        folder = Path(made) / "attempt"
        folder.mkdir()
        run = partial(sandbox.run, folder=folder)
        source = SAMPLES / "talk.mp4"
        probe = ffmpeg.probe(run, source)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken = ffmpeg.take_pictures(run, source, probe, folder / "screen", most=60)
        between = resource.getrusage(resource.RUSAGE_CHILDREN)
        read = ocr.read_pictures(run, taken, threads=1, progress=lambda _share: None)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    findings = screen_findings(read, policy(), probe.duration_seconds)
    shown = json.loads((SAMPLES / "talk.spoken.json").read_text())["shown"]
    found = sum(
        any(one.start_seconds < text_["end_seconds"] and one.end_seconds > text_["start_seconds"] for one in findings)
        for text_ in shown
    )
    pictures = len(read.frames)
    return {
        "shown_secrets_found": f"{found}/{len(shown)}",
        "findings": len(findings),
        "pictures": pictures,
        "cpu_seconds_per_picture": round(_cpu(between, after) / pictures, 2),
        "cpu_seconds_to_choose_per_minute": round(_cpu(before, between) / probe.duration_seconds * 60, 2),
    }


def _cpu(before: resource.struct_rusage, after: resource.struct_rusage) -> float:
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def alone(folder: Path, most: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    for read in (text.read_sentences, text.read_dialogues, text.read_meetings, text.read_injections):
        figures = read(folder, most)
        yield figures.name, text.show(figures, details=False)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("ASKSTEPHEN_DATA"), help="folder of the labelled text")
    parser.add_argument("--quick", action="store_true", help="only the beginning of each file")
    chosen = parser.parse_args(arguments)
    if not chosen.data or not Path(chosen.data).is_dir():
        print("Give the folder of the labelled text with --data DIR or ASKSTEPHEN_DATA.", file=sys.stderr)
        return 2
    folder, most = Path(chosen.data), text.QUICK if chosen.quick else None
    results: dict[str, Any] = {"rules": dict(alone(folder, most))}
    lines = list(text.texts(json.loads((folder / "injection_lines.json").read_text("utf-8"))))[: 15 if chosen.quick else None]
    with tempfile.TemporaryDirectory() as home, Twins(Path(home)) as twins:
        os.environ.update(twins.environment())
        os.environ.pop("SSL_CERT_DIR", None)
        put_reviewer(twins)
        results["obeying_model"] = obey(lines)
        results["failing_model"] = fail(twins, lines)
        results["asked_of_a_model"] = cost(twins, folder, 1 if chosen.quick else 6)
    results["screen"] = screen()
    for name, values in results.items():
        if name != "rules":
            print(f"{name}: {values}")
    print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
