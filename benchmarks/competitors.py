"""False alerts and recall on successive real versions of pages, beside "any visible text differs". Last line: one JSON object.

    ./askstephen bench competitors --data DIR

DIR holds `pairs.json` and `pages.tar.xz`: pairs of versions of which it is known whether the content changed (`text`), only
links did (`linkonly`), or nothing (`none`). Each pair is compared by itself: nothing is learned from earlier readings. An alert is a
change of any severity; told at once are those of medium and high severity only. The rule beside ours is changedetection.io's default: an alert whenever the visible text differs at all.
"""

import argparse
import io
import json
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lxml import html

from pipelines.competitors.compare import compare
from pipelines.providers.web.reader import read_page
from pipelines.steps.compete import GRAVE


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench competitors", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="no less is read: it takes half a minute")
    parser.add_argument(
        "--show", action="store_true", help="list what is wrong: false alerts with what they say, and what is missed"
    )
    wanted = parser.parse_args()
    pages = _pages(wanted.data / "pages.tar.xz")
    pairs = json.loads((wanted.data / "pairs.json").read_text())
    ours, at_once, peer, total = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    seconds = 0.0
    for pair in pairs:
        before, after = pages[pair["before"]], pages[pair["after"]]
        began = time.perf_counter()
        changes = compare(_read(before), _read(after))
        seconds += time.perf_counter() - began
        total[pair["kind"]] += 1
        ours[pair["kind"]] += bool(changes)
        at_once[pair["kind"]] += any(change.severity in GRAVE for change in changes)
        peer[pair["kind"]] += _text(before) != _text(after)
        if wanted.show and (bool(changes) != (pair["kind"] == "text")):
            print(pair["kind"], pair["page"], pair["before"], pair["after"], *(f"\n    {each.summary}" for each in changes[:4]))
    print(f"{'':12}{'ours':>16}{'told at once':>16}{'any text':>16}")
    for kind, name in (("none", "false alerts"), ("text", "found"), ("linkonly", "links only")):
        print(
            f"{name:12}{ours[kind]:>8} of {total[kind]:<5}{at_once[kind]:>8} of {total[kind]:<5}{peer[kind]:>8} of {total[kind]:<5}"
        )
    print(
        json.dumps(
            _figures({"ours": ours, "told_at_once": at_once, "any_text_differs": peer}, total)
            | {"ms_per_page": round(1000 * seconds / 2 / len(pairs), 1)}
        )
    )
    return 0


def _figures(by_rule: Mapping[str, Counter[str]], total: Counter[str]) -> dict[str, Any]:
    shares = {}
    for name, found in by_rule.items():
        shares[name] = {
            "false_alerts": round(found["none"] / total["none"], 4),
            "recall": round(found["text"] / total["text"], 4),
            "alerts_for_links_only": round(found["linkonly"] / max(1, total["linkonly"]), 4),
        }
    return {"benchmark": "competitors", "pairs": dict(total), **shares}


def _read(body: bytes) -> dict[str, Any]:
    return read_page(body, "utf-8")


def _text(body: bytes) -> str:
    root = html.document_fromstring(body, parser=html.HTMLParser(encoding="utf-8"))
    for element in root.xpath("//script|//style|//noscript|//head|//template"):
        element.drop_tree()
    return " ".join(root.text_content().split())


def _pages(archive: Path) -> dict[str, bytes]:
    pages = {}
    with tarfile.open(archive) as files:
        for member in files:
            file = files.extractfile(member)
            if file is not None:
                pages[Path(member.name).name.partition(".")[0]] = io.BytesIO(file.read()).getvalue()
    return pages


if __name__ == "__main__":
    sys.exit(main())
