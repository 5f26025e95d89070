"""A comparison as text, Markdown and JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from db.schema.compare import Comparison

_ABSENT = "-"


def to_text(comparison: Comparison) -> str:
    """For a terminal."""
    lines = [f"A: {comparison.first}", f"B: {comparison.second}", "", headline(comparison)]
    for words, names in _groups(comparison):
        lines += ["", f"{words} ({len(names)})", *(f"  {name}" for name in names)]
    for table, differences in comparison.differing.items():
        lines += ["", f"{table}: A | B"]
        lines += [f"  {one.what:<11} {one.name}: {_shown(one.first)} | {_shown(one.second)}" for one in differences]
    return "\n".join(lines)


def to_markdown(comparison: Comparison) -> str:
    """For a document: one table of what is where, and one for each table that differs."""
    lines = ["# Schemas compared", "", f"A is `{comparison.first}`, B is `{comparison.second}`. {headline(comparison)}", ""]
    lines += _row("table", "in A", "in B", "differences")
    lines += _row("---", "---", "---", "---")
    for name in sorted({*comparison.tables, *comparison.only_first, *comparison.only_second}):
        here, there = name not in comparison.only_second, name not in comparison.only_first
        lines += _row(f"`{name}`", _yes(here), _yes(there), str(len(comparison.tables.get(name, ())) or ""))
    for table, differences in comparison.differing.items():
        lines += ["", f"## {table}", "", *_row("what", "name", "A", "B"), *_row("---", "---", "---", "---")]
        for one in differences:
            lines += _row(one.what, f"`{_safe(one.name)}`", _safe(_shown(one.first)), _safe(_shown(one.second)))
    return "\n".join(lines)


def to_json(comparison: Comparison) -> str:
    """For a program."""
    return json.dumps(to_document(comparison), indent=2, ensure_ascii=False)


def to_document(comparison: Comparison) -> dict[str, Any]:
    """What the JSON forms of the command line and of HTTP hold."""
    return {
        "first": comparison.first,
        "second": comparison.second,
        "in_both": list(comparison.tables),
        "only_in_first": list(comparison.only_first),
        "only_in_second": list(comparison.only_second),
        "differences": {name: [asdict(one) for one in found] for name, found in comparison.differing.items()},
    }


FORMATS = {"text": to_text, "markdown": to_markdown, "json": to_json}


def headline(comparison: Comparison) -> str:
    """The finding in one sentence."""
    same = len(comparison.tables) - len(comparison.differing)
    return (
        f"{_tables(len(comparison.tables))} in both ({same} of them the same), {len(comparison.only_first)} only in A, "
        f"{len(comparison.only_second)} only in B."
    )


def _groups(comparison: Comparison) -> Iterable[tuple[str, tuple[str, ...]]]:
    groups = (
        ("In both", tuple(comparison.tables)),
        ("Only in A", comparison.only_first),
        ("Only in B", comparison.only_second),
    )
    return (group for group in groups if group[1])


def _tables(count: int) -> str:
    return f"{count} {'table' if count == 1 else 'tables'}"


def _shown(side: str | None) -> str:
    return _ABSENT if side is None else side


def _yes(there: bool) -> str:  # noqa: FBT001
    return "yes" if there else "no"


def _safe(words: str) -> str:
    """What a dump names may hold anything: it stays one cell."""
    return " ".join(words.split()).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'").replace("<", "&lt;")


def _row(*cells: str) -> list[str]:
    return [f"| {' | '.join(cells)} |"]
