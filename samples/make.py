"""Makes the bundled clips from their scripts: NAME.json becomes NAME.mp4 and NAME.spoken.json, the truth of what is in it when.

Run it in an environment of its own (README.md): `python samples/make.py [NAME …]`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from film import Film, encode, record
from script import Planted, load
from voice import Span

FOLDER = Path(__file__).parent
NAMES = ("talk", "clear")
LIMIT_BYTES = 3_000_000  # of this folder: it is in every clone


def main(names: Sequence[str]) -> int:
    """Make these clips, or all."""
    for name in names or NAMES:
        film = record(load(FOLDER / f"{name}.json"))
        clip = FOLDER / f"{name}.mp4"
        encode(film, clip)
        (FOLDER / f"{name}.spoken.json").write_text(json.dumps(truth(film), indent=1, ensure_ascii=False) + "\n")
        print(f"{clip.name}: {film.duration_seconds:.1f} s, {clip.stat().st_size / 1000:.0f} kB")
    size = sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file())
    print(f"the folder: {size / 1000:.0f} kB of {LIMIT_BYTES / 1000:.0f} kB")
    return 0 if size <= LIMIT_BYTES else 1


def truth(film: Film) -> dict[str, Any]:
    """What is said and shown when: the measured spans, with the script's own words."""
    return {
        "duration_seconds": round(film.duration_seconds, 3),
        "sentences": [
            {"slide": take.slide + 1, "say": take.sentence.say, "written": take.sentence.written, **_times(take.span)}
            for take in film.takes
        ],
        "spoken": [
            {**_finding(planted), "phrase": planted.phrase, **_times(span)}
            for take in film.takes
            for planted, span in take.planted
        ],
        "shown": [
            {**_finding(planted), "text": planted.shown_as, "slide": number, **_times(span)}
            for number, (slide, span) in enumerate(zip(film.script.slides, film.shown, strict=True), 1)
            for planted in film.script.planted
            if planted.shown_as and any(planted.shown_as in text for text in slide.texts)
        ],
    }


def _finding(planted: Planted) -> dict[str, str]:
    return {"id": planted.id, "category": planted.category, "severity": planted.severity}


def _times(span: Span) -> dict[str, float]:
    return {"start_seconds": round(span[0], 3), "end_seconds": round(span[1], 3)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
