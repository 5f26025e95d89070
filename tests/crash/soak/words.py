"""What a soak says, and how."""

import json
import sys
from collections.abc import Sequence
from typing import Any


def tell(words: str) -> None:
    """To standard error: standard output is for the figures."""
    sys.stderr.write(f"{words}\n")


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """How many there are, their median, 99th percentile and maximum, to hundredths."""
    if not seconds:
        return {"count": 0}
    ordered = sorted(seconds)
    at = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in (("p50", 0.5), ("p99", 0.99))}
    return {"count": len(ordered), **{name: round(value, 2) for name, value in at.items()}, "max": round(ordered[-1], 2)}


def show(figures: dict[str, Any]) -> str:
    """A table, and the same in one line of JSON."""
    lines = [f"{name:<24} {value}" for name, value in figures.items() if name != "violations"]
    lines += [
        f"{'VIOLATED':<24} {promise}: {len(found)}, such as {found[:3]}" for promise, found in figures["violations"].items()
    ]
    lines.append("everything held" if not figures["violations"] else "NOT everything held")
    return "\n".join([*lines, json.dumps(figures)]) + "\n"
