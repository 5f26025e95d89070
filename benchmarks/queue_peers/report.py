"""What a run of the benchmark says: a table for people, and the object of its last line."""

import os
import statistics
from collections.abc import Sequence
from typing import Any

Rounds = dict[str, list[dict[str, float | None]]]  # the figures of each round, by system


def median(rounds: Sequence[dict[str, float | None]], name: str) -> float | None:
    values = [value for figures in rounds if (value := figures[name]) is not None]
    return statistics.median(values) if values else None


COLUMNS = {
    "drain": "drain/s",
    "enqueue_1_thread": "enqueue/s",
    "enqueue_8_threads": "8 threads/s",
    "enqueue_bulk": "bulk/s",
    "idle_p50_ms": "idle p50 ms",
    "idle_p99_ms": "idle p99 ms",
    "half_p50_ms": "half p50 ms",
    "half_p99_ms": "half p99 ms",
    "half_rate": "at rate/s",
}


def table(rounds: Rounds) -> str:
    """Medians, with the least and the most where there were several rounds."""
    lines = [["system", "vs dramatiq", *COLUMNS.values()]]
    for name, figures in rounds.items():
        against = ratio(rounds, name, "dramatiq")
        lines.append([name, f"{against:.2f}" if against else "-", *(cell(figures, column) for column in COLUMNS)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(word.rjust(width) for word, width in zip(line, widths, strict=True)) for line in lines)


def cell(rounds: Sequence[dict[str, float | None]], name: str) -> str:
    values = [value for figures in rounds if (value := figures[name]) is not None]
    if not values:
        return "-"
    digits = 1 if name.endswith("_ms") else 0
    spread = f" ({min(values):,.{digits}f}-{max(values):,.{digits}f})" if len(values) > 1 else ""
    return f"{statistics.median(values):,.{digits}f}{spread}"


def ratio(rounds: Rounds, name: str, other: str) -> float | None:
    """The median over rounds of the drain rate of one system by that of another in the same round."""
    pairs = zip(rounds.get(name, []), rounds.get(other, []), strict=False)
    ratios = [mine["drain"] / theirs["drain"] for mine, theirs in pairs if mine["drain"] and theirs["drain"]]
    return statistics.median(ratios) if ratios else None


def summary(rounds: Rounds, not_measured: dict[str, str], jobs: int) -> dict[str, Any]:
    """What the last line says."""
    medians = {name: {column: median(figures, column) for column in COLUMNS} for name, figures in rounds.items()}
    peers = [name for name in rounds if not name.startswith("ours")]
    fastest = max(peers, key=lambda name: medians[name]["drain"] or 0.0, default=None)
    ratios = {f"vs_{peer}": ratio(rounds, "ours", peer) for peer in peers}
    ratios["vs_fastest"] = ratio(rounds, "ours", fastest) if fastest else None
    ratios["rows_vs_dramatiq"] = ratio(rounds, "ours_rows", "dramatiq")
    ratios["full_vs_empty"] = ratio(rounds, "ours_full", "ours")
    rounded = {name: {key: value and round(value, 2) for key, value in each.items()} for name, each in medians.items()}
    return {
        **{name: round(value, 3) for name, value in ratios.items() if value is not None},
        "fastest": fastest,
        "systems": rounded,
        "not_measured": {name: words[:300] for name, words in not_measured.items()},
        "jobs": jobs,
        "rounds": max((len(figures) for figures in rounds.values()), default=0),
        "cores": os.cpu_count(),
    }
