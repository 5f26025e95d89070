"""Everybody's videos, page by page, and as a table for a spreadsheet."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import RowMapping, text

from db import people
from db.engine import Database

_PAGE = 500
_EVERY = text("SELECT * FROM jobs.every_video(:before, :most)")
COLUMNS = (
    *("id", "user_id", "email", "title", "original_filename", "status", "confidentiality_status", "privacy_status"),
    *("duration_ms", "file_size", "youtube_url", "published_at", "error_message", "created_at", "updated_at"),
)
# A spreadsheet reads a cell that begins so as a formula, which may fetch and send; behind an apostrophe it is text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def list_every_video(database: Database, user: str, *, before: int | None, limit: int) -> list[RowMapping]:
    """Videos of everybody, newest first; none for who is no administrator."""
    with database.tenant(user) as session:
        return list(session.execute(_EVERY, {"before": before, "most": limit}).mappings())


def every_video(database: Database, user: str) -> Iterator[list[RowMapping]]:
    """All of them, page by page: no transaction is open while the client reads."""
    before: int | None = None
    while page := list_every_video(database, user, before=before, limit=_PAGE):
        yield page
        before = page[-1]["id"]


def as_csv(database: Database, user: str) -> Iterator[str]:
    """A line of names, and a line for each."""
    yield _lines([COLUMNS])
    for page in every_video(database, user):
        with database.jobs() as session:
            emails = people.list_emails(session, {row["user_id"] for row in page})
        yield _lines([_cell({**row, "email": emails.get(row["user_id"])}[name]) for name in COLUMNS] for row in page)


def _cell(value: object) -> str:
    """What a spreadsheet shows as it stands."""
    if value is None:
        return ""
    words = value.isoformat() if isinstance(value, datetime) else value if isinstance(value, str) else json.dumps(value)
    return f"'{words}" if words.startswith(_FORMULA) else words


def _lines(rows: Iterable[Iterable[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)
    return written.getvalue()
