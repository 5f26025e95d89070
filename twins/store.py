"""What the twins know, in a directory: it is on disk before an answer leaves, so a killed twin goes on where it was."""

import json
import sqlite3
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Store:
    """Tables of JSON records, and files for bytes."""

    def __init__(self, home: Path) -> None:
        self._blobs = home / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True)
        # What is written outlives the process, not a power cut: no twin promises more.
        self._connection = sqlite3.connect(home / "twins.sqlite", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS records (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL,"
            " body TEXT NOT NULL, UNIQUE (kind, id))"
        )

    def table(self, kind: str) -> "Table":
        return Table(self._connection, kind)

    def blob(self, key: str) -> Path:
        """Where the bytes of this key are or will be."""
        return self._blobs / key

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Keep everything that is written inside, or, killed in between, nothing. Not across an await."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:  # a refusal is an answer too: what was counted on the way to it counts
            self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class Table(MutableMapping[str, Record]):
    """Records of one kind by id, oldest first. What is read is a copy: a change counts once it is assigned."""

    def __init__(self, connection: sqlite3.Connection, kind: str) -> None:
        self._connection = connection
        self._kind = kind

    def __getitem__(self, key: str) -> Record:
        found = self._connection.execute("SELECT body FROM records WHERE kind = ? AND id = ?", (self._kind, key)).fetchone()
        if found is None:
            raise KeyError(key)
        record: Record = json.loads(found[0])
        return record

    def __setitem__(self, key: str, record: Record) -> None:
        self._connection.execute(
            "INSERT INTO records (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (self._kind, key, json.dumps(record)),
        )

    def __delitem__(self, key: str) -> None:
        if not self._connection.execute("DELETE FROM records WHERE kind = ? AND id = ?", (self._kind, key)).rowcount:
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        rows = self._connection.execute("SELECT id FROM records WHERE kind = ? ORDER BY number", (self._kind,)).fetchall()
        return (row[0] for row in rows)

    def __len__(self) -> int:
        count: int = self._connection.execute("SELECT count(*) FROM records WHERE kind = ?", (self._kind,)).fetchone()[0]
        return count

    def rows(self) -> list[tuple[str, Record]]:
        """Every record with its id, in one read."""
        found = self._connection.execute("SELECT id, body FROM records WHERE kind = ? ORDER BY number", (self._kind,))
        return [(key, json.loads(body)) for key, body in found.fetchall()]

    def append(self, record: Record) -> int:
        """Add a record under the next number (1, 2, 3 …), which it returns."""
        highest = self._connection.execute("SELECT max(CAST(id AS INTEGER)) FROM records WHERE kind = ?", (self._kind,))
        number: int = 1 + (highest.fetchone()[0] or 0)
        self[str(number)] = record
        return number
