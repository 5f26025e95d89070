"""Listings from a CSV file: the source that needs no account. Without a file of one's own, the bundled sample, all of it invented."""

import csv
from collections.abc import Iterator
from pathlib import Path

from core.errors import Misconfigured
from core.settings import Settings
from pipelines.leads.listing import Listing
from pipelines.providers.listings import Page, Query

_SAMPLE = Path(__file__).parents[2] / "samples" / "businesses.csv"
_PAGE = 100


class Directory:
    """A file with a header; of its columns only `title` is needed."""

    name = "directory"
    provider = None
    price = None

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or _SAMPLE

    def search(self, query: Query, cursor: str | None) -> Page:
        first = int(cursor or 0)
        found = [row for row in self._read() if _fits(row, query)]
        after = first + _PAGE
        return Page([_listing(row) for row in found[first:after]], str(after) if len(found) > after else None)

    def _read(self) -> Iterator[dict[str, str]]:
        try:
            with self._path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
                rows = csv.DictReader(file)
                if "title" not in (rows.fieldnames or ()):
                    raise Misconfigured("LEADS_DIRECTORY names a file without a column `title` in its first line")
                yield from ({name: value or "" for name, value in row.items() if isinstance(name, str)} for row in rows)
        except (OSError, csv.Error) as error:
            raise Misconfigured(f"LEADS_DIRECTORY names a file that cannot be read: {type(error).__name__}") from None


def open_directory(config: Settings) -> Directory:
    """The file that the settings name."""
    return Directory(config.leads_directory)


LISTINGS = open_directory


def _fits(row: dict[str, str], query: Query) -> bool:
    told = f"{row.get('title', '')} {row.get('kind', '')}".lower().replace("_", " ")
    where = {row.get(name, "").strip().lower() for name in ("city", "zip", "state")} - {""}
    geo = query.geo.lower()
    return all(word in told for word in query.words.lower().split()) and (not where or any(place in geo for place in where))


def _listing(row: dict[str, str]) -> Listing:
    told = {name: value.strip() or None for name, value in row.items()}
    count = _number(row.get("reviews", ""))
    kind = told.get("kind")
    return Listing(
        title=row["title"].strip(),
        place_id=told.get("id"),
        address=told.get("address"),
        city=told.get("city"),
        state=told.get("state"),
        zip=told.get("zip"),
        phone=told.get("phone"),
        website=told.get("website"),
        email=told.get("email"),
        rating=_number(row.get("rating", "")),
        review_count=None if count is None else int(count),
        kinds=(kind,) if kind else (),
    )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None  # noqa: PLR2004  (neither NaN nor infinite)
