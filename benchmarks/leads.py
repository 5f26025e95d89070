"""How well listings of one business are recognised as one, on labelled listings; how long a big search takes to recognise, and to keep.

    .venv/bin/python -m benchmarks.leads --data DIR [--quick]

DIR (else $ASKSTEPHEN_DATA) holds `sites_with_true_ids.csv` (child-care sites of Chicago, dedupe-examples). The threshold was set by hand
before these figures were taken; nothing is fitted on them. The last line is JSON.
"""

import argparse
import csv
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from core.local_stack.servers import Servers
from db import migrations, users
from db.base.leads import business_leads
from db.engine import Database
from db.leads.clients import insert_client
from db.leads.searches import complete_search, insert_search
from pipelines.leads.keeping import keep
from pipelines.leads.listing import Listing
from pipelines.leads.normalise import make_card
from pipelines.leads.recognise import Known, resolve


def measure_pairs(path: Path) -> dict[str, float]:
    """Precision, recall and F1 over pairs of listings of one business."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [row for row in csv.DictReader(file) if row["Site name"].strip()]
    cards = [
        make_card(Listing(row["Site name"], address=row["Address"], zip=row["Zip"], phone=row["Phone"], website=row["Website"]))
        for row in rows
    ]
    began = time.perf_counter()
    numbers = resolve(cards)
    seconds = time.perf_counter() - began
    told, true = _pairs(numbers), _pairs([row["True Id"] for row in rows])
    right = len(told & true)
    precision, recall = right / max(1, len(told)), right / max(1, len(true))
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    figures = {"precision": precision, "recall": recall, "f1": f1, "seconds": seconds}
    return {"listings": len(rows), "pairs": len(true), **{name: round(value, 4) for name, value in figures.items()}}


def _pairs(labels: Sequence[object]) -> set[tuple[int, int]]:
    members: dict[object, list[int]] = {}
    for number, label in enumerate(labels):
        members.setdefault(label, []).append(number)
    return {pair for group in members.values() for pair in combinations(group, 2)}


def make_listings(number: int) -> list[Listing]:
    """Businesses that are all different; the same ones every time."""
    dice = random.Random(1)
    words = ["".join(dice.choices("abcdefghijklmnoprstuvwy", k=7)) for _ in range(4000)]
    return [
        Listing(
            f"{' '.join(dice.sample(words, 2))} {dice.choice(['plumbing', 'bakery', 'dental', 'law'])}",
            address=f"{dice.randint(1, 9999)} {dice.choice(words)} street",
            zip=str(dice.randint(60000, 60999)),
            phone=f"217{dice.randint(2_000_000, 9_999_999)}",
        )
        for _ in range(number)
    ]


def measure_search(*, found: int, stored: int) -> dict[str, float]:
    """Seconds to remember the stored leads and to recognise what was found, half of it stored already; no database."""
    listings = make_listings(stored + found // 2)
    began = time.perf_counter()
    known = Known()
    for number, listing in enumerate(listings[:stored]):
        known.add(number, make_card(listing))
    remembered = time.perf_counter()
    outcomes = Counter(known.find(make_card(listing)) is None for listing in listings[stored - found // 2 :])
    ended = time.perf_counter()
    return {
        "found": found,
        "stored": stored,
        "new": outcomes[True],
        "remember_seconds": round(remembered - began, 2),
        "recognise_seconds": round(ended - remembered, 2),
    }


def measure_kept(*, found: int, stored: int) -> dict[str, float]:
    """Seconds of the transaction that keeps what was found, half of it stored already, among leads in the database."""
    client = {"name": "Ours", "address": "1 Mill Lane", "keyword": "plumber"}
    with tempfile.TemporaryDirectory(prefix="askstephen-leads-") as folder:
        Path(folder).chmod(0o711)
        with Servers(Path(folder)) as servers, Database(servers.environment["DATABASE_URL"]) as database:
            migrations.upgrade(servers.environment["DATABASE_URL"])
            with database.jobs() as session:
                users.ensure_local_owner(session)
            with database.tenant(users.LOCAL_OWNER) as session:
                client_id = insert_client(session, client, user_id=users.LOCAL_OWNER)["id"]
                listings = make_listings(stored + found // 2)
                whose = {"user_id": users.LOCAL_OWNER, "client_id": client_id}
                told = ("title", "address", "zip", "phone")
                rows = [whose | {name: getattr(one, name) for name in told} for one in listings[:stored]]
                session.execute(business_leads.insert(), rows)
            seconds, new = [], []
            for _ in range(2):
                began = time.perf_counter()
                with database.tenant(users.LOCAL_OWNER) as session:
                    search = insert_search(session, client_id, user_id=users.LOCAL_OWNER, keyword="plumber", geo="here")
                    results = keep(session, search, listings[stored - found // 2 :], provider="bench")
                    complete_search(session, search["id"], results)
                seconds.append(round(time.perf_counter() - began, 2))
                new.append(sum(result["isNew"] for result in results))
    return {
        "found": found,
        "stored": stored,
        "new": new[0],
        "seconds": seconds[0],
        "new_again": new[1],
        "seconds_again": seconds[1],
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Pairs of listings, and the time of a big search.")
    parser.add_argument("--data", default=os.environ.get("ASKSTEPHEN_DATA"), help="folder of the labelled listings")
    parser.add_argument("--quick", action="store_true", help="a tenth of the big search")
    chosen = parser.parse_args(arguments)
    path = Path(chosen.data or ".") / "sites_with_true_ids.csv"
    if not path.is_file():
        print("Give the folder of the labelled listings with --data DIR or ASKSTEPHEN_DATA.", file=sys.stderr)
        return 2
    scale = 10 if chosen.quick else 1
    size = {"found": 5_000 // scale, "stored": 50_000 // scale}
    results = {"pairs": measure_pairs(path), "search": measure_search(**size), "kept": measure_kept(**size)}
    print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
