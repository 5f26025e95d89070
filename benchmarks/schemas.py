"""What the generations of this product share and how they differ, told by `schema compare` itself.

    ./askstephen bench schemas [--write] [--data FOLDER]

Makes a database of each generation, dumps it, and has the real command compare the dumps with each other and with `models`.
`--data` keeps the dumps and the reports there; `--write` puts what came out into docs/schema.md, which a test keeps true.
The last line is JSON: for each pair how many tables are in both, in the first and in the second only.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from core.local_stack.programs import find_postgres
from core.local_stack.scratch import scratch_server
from db.schema.scratch import scratch_database
from db.schema.sources import MODELS
from tests.db.schema.generations import build

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "schema.md"
MARKED = r"(?<=<!-- {0} -->\n).*(?=<!-- /{0} -->)"
DUMPED = ("production", "replit", "live copy", "older names")
PAIRS = (
    ("production", "replit"),
    ("replit", MODELS),
    ("production", MODELS),
    ("replit", "live copy"),
    ("live copy", MODELS),
    ("older names", "live copy"),
)
# The tables as the first comparison grouped them, and where it found them: in production, in the rebuild.
SEED = (
    ("accounts", "users sessions", "yes", "yes"),
    (
        "video studio",
        "videos video_ingest_requests cloud_connections confidentiality_checks youtube_channels user_channels",
        "yes",
        "yes",
    ),
    ("chat and search", "conversations messages search_queries", "yes", "yes"),
    (
        "workbook",
        "workbook_progress action_plans ai_coach_conversations core_values root_cause_charts time_audits workbook_swot_analyses",
        "yes",
        "yes",
    ),
    ("companies", "companies company_memberships", "no", "yes"),
    (
        "leads",
        "business_leads leads_clients leads_searches leads_search_schedules leads_swot_analyses referral_partner_categories",
        "no",
        "yes",
    ),
    ("competitors", "competitor_snapshots competitor_changes", "no", "yes"),
    ("OAuth", "user_social_accounts oauth_states", "no", "in some copies"),
)
ENDINGS = {"text": "txt", "markdown": "md", "json": "json"}
_MOST = 8  # names in one cell
Documents = Mapping[tuple[str, str], Mapping[str, Any]]  # of each pair what `--format json` says


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put it into docs/schema.md")
    parser.add_argument("--data", type=Path, help="keep the dumps and the reports in this folder")
    parser.add_argument("--quick", action="store_true", help="not used: it takes half a minute")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="askstephen-schemas-") as folder:
        dumps = dump_generations(options.data or Path(folder))
        documents = {pair: json.loads(told(dumps, pair, "json")) for pair in PAIRS}
    if options.data:
        for pair, (form, ending) in product(PAIRS, ENDINGS.items()):
            (options.data / f"{'--'.join(pair).replace(' ', '_')}.{ending}").write_text(told(dumps, pair, form))
    made = {"compared": compared(documents), "counted": counted(documents)}
    print(*made.values(), sep="\n")
    if options.write:
        for mark, part in made.items():
            PAGE.write_text(re.sub(MARKED.format(mark), part.replace("\\", r"\\"), PAGE.read_text(), flags=re.DOTALL))
    print(json.dumps({f"{first}, {second}": counts(document) for (first, second), document in documents.items()}))
    return 0


def dump_generations(folder: Path) -> dict[str, Path]:
    """A plain dump of each generation, without rows."""
    folder.mkdir(parents=True, exist_ok=True)
    dumps = {name: folder / f"{name.replace(' ', '_')}.sql" for name in DUMPED}
    with scratch_server() as server:
        for name, file in dumps.items():
            with scratch_database(server) as url:
                build(url, name, rows=0)
                argv = ["--schema-only", "--no-owner", f"--file={file}", f"--dbname={url.replace('+psycopg', '')}"]
                subprocess.run([find_postgres() / "pg_dump", *argv], check=True)
    return dumps


def told(dumps: Mapping[str, Path], pair: tuple[str, str], form: str) -> str:
    """What the command says of a pair."""
    sources = [str(dumps.get(name, name)) for name in pair]
    argv = [sys.executable, "-m", "api_stub.cli", "schema", "compare", *sources, "--format", form]
    return subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def counts(document: Mapping[str, Any]) -> dict[str, int]:
    """How many tables are where."""
    return {name: len(document[name]) for name in ("in_both", "only_in_first", "only_in_second")}


def compared(documents: Documents) -> str:
    """The part of docs/schema.md that holds until there is another table."""
    between = documents["production", "replit"]
    lines = ["| A | B | in both | of them the same | only in A | only in B |", "|---|---|---|---|---|---|"]
    for (first, second), document in documents.items():
        same = len(document["in_both"]) - len(document["differences"])
        sides = (_listed(document[f"only_in_{side}"]) for side in ("first", "second"))
        lines.append(f"| {first} | {second} | {len(document['in_both'])} | {same} | {' | '.join(sides)} |")
    lines += ["", "| group | tables | production: the finding | found | replit: the finding | found | live copy | models |"]
    lines += ["|---|---|---|---|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in _rows(documents))]
    lines += ["", "**production and replit**, what differs in the tables of both:", ""]
    lines += ["| table | what | name | production | replit |", "|---|---|---|---|---|"]
    lines += [
        f"| {table} | {one['what']} | `{one['name']}` | {_shown(one['first'])} | {_shown(one['second'])} |"
        for table, differences in between["differences"].items()
        for one in differences
    ]
    return "\n".join([*lines, ""])


def counted(documents: Documents) -> str:
    """The part that every migration changes: how the rebuild's tables differ from those of this version."""
    lines = ["| what | replit | models | times | where |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *_summary(documents["replit", MODELS]["differences"]), ""])


def _rows(documents: Documents) -> Iterator[tuple[str, ...]]:
    production = _tables(documents["production", "replit"], "first")
    others = (
        _tables(documents["production", "replit"], "second"),
        _tables(documents["replit", "live copy"], "second"),
        _tables(documents["replit", MODELS], "second"),
    )

    def row(group: str, tables: list[str], in_production: str, in_replit: str) -> tuple[str, ...]:
        found, *rest = (f"{len(there & {*tables})} of {len(tables)}" for there in (production, *others))
        return group, _names(tables), in_production, found, in_replit, *rest

    for group, tables, in_production, in_replit in SEED:
        yield row(group, tables.split(), in_production, in_replit)
    known = {table for _, tables, *_ in SEED for table in tables.split()}
    yield row("of this version", sorted(others[-1] - known), "", "")
    yield "all", "", "18", str(len(production)), "28, or 30", *(str(len(there)) for there in others)


def _tables(document: Mapping[str, Any], side: str) -> set[str]:
    return {*document["in_both"], *document[f"only_in_{side}"]}


def _summary(differences: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Those of one kind together: which columns, of rules and indexes in how many tables."""
    tables: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    columns: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for table, found in differences.items():
        for one in found:
            is_rule = one["what"] in {"index", "constraint"}
            sides = [_rule(one[side]) if is_rule and one[side] else _shown(one[side]) for side in ("first", "second")]
            kind = (one["what"], sides[0], sides[1])
            tables[kind].add(table)
            columns[kind][f"a {one['what']}" if is_rule else f"`{one['name']}`"] += 1
    for kind in sorted(tables, key=lambda kind: (kind[0], -columns[kind].total(), kind)):
        most = [f"{name}{f' ({times})' if times > 1 else ''}" for name, times in columns[kind].most_common(_MOST)]
        where = (
            f"{', '.join(most)}{' …' if len(columns[kind]) > _MOST else ''}"
            if "`" in most[0]
            else f"of {len(tables[kind])} tables"
        )
        yield f"| {' | '.join(kind)} | {columns[kind].total()} | {where} |"


def _rule(definition: str) -> str:
    """Its kind, and what happens to its rows when the row that they name goes."""
    kind = definition.partition("(")[0].replace("btree", "").strip() or "index"
    deed = re.search(r"ON DELETE [A-Z ]+", definition)
    return f"{kind} {deed[0].strip()}" if deed else kind


def _shown(side: str | None) -> str:
    return "-" if side is None else side.replace("|", "\\|")


def _listed(tables: list[str]) -> str:
    return f"{len(tables)}: {_names(tables)}" if 0 < len(tables) < _MOST else str(len(tables))


def _names(tables: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in tables)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
