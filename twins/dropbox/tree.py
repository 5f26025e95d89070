"""The folders and files of Dropbox accounts, and the log of what changed in them."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from dropbox import files
from dropbox.content_hash import DropboxContentHasher

from twins.store import Record, Store

_BLOCK_BYTES = 1 << 20


class Tree:
    """Entries by path, without regard to case."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries = store.table("dropbox.entries")
        self._log = store.table("dropbox.changes")
        self._revisions = store.table("dropbox.revisions")

    def find(self, account: str, path: str) -> Record | None:
        """The entry at a path, `id:…` or `rev:…`."""
        if path.startswith("id:"):
            return next((entry for entry in self.under(account, "", recursive=True) if entry.get("id") == path), None)
        if path.startswith("rev:"):  # also one that the file had before, or had before it was deleted
            kept = self._revisions.get(path.removeprefix("rev:"))
            return kept if kept and kept["account"] == account else None
        return self._entries.get(f"{account} {path.lower()}")

    def under(self, account: str, folder: str, *, recursive: bool) -> Iterator[Record]:
        """Entries below a folder in the order of their paths."""
        rows = [entry for _, entry in self._entries.rows() if entry["account"] == account]
        for entry in sorted(rows, key=lambda entry: str(entry["path_lower"])):
            if is_under(entry["path_lower"], folder, recursive=recursive):
                yield entry

    def write_file(self, account: str, path: str, content: Path, *, client_modified: datetime | None) -> Record:
        """Put a file there, or its next revision, making the folders above it. `content` stays where it is."""
        before = self.find(account, path)
        hasher = DropboxContentHasher()
        with content.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                hasher.update(block)
        self.make_folder(account, str(PurePosixPath(path).parent))
        now = _now()
        rev = secrets.token_hex(8)
        entry = {
            **self._placed(account, path),
            "tag": "file",
            "id": before["id"] if before and before["tag"] == "file" else f"id:{secrets.token_urlsafe(16)}",
            "rev": rev,
            "size": content.stat().st_size,
            "content_hash": hasher.hexdigest(),
            "client_modified": (client_modified or now).isoformat(),
            "server_modified": now.isoformat(),
        }
        self.blob(rev).hardlink_to(content)  # an upload that is killed here finds its bytes again
        self._revisions[rev] = entry
        self._put(entry)
        return entry

    def blob(self, rev: str) -> Path:
        return self._store.blob(f"dropbox-{rev}")

    def make_folder(self, account: str, path: str) -> Record | None:
        """The folder at this path, and those above it; None for the root."""
        if path in {"", "/"}:
            return None
        kept = self.find(account, path)
        if kept is not None:
            return kept
        self.make_folder(account, str(PurePosixPath(path).parent))
        entry = {**self._placed(account, path), "tag": "folder", "id": f"id:{secrets.token_urlsafe(16)}"}
        self._put(entry)
        return entry

    def remove(self, account: str, entry: Record) -> None:
        """Take an entry away with what is below it."""
        for gone in [*self.under(account, entry["path_lower"], recursive=True), entry]:
            del self._entries[f"{account} {gone['path_lower']}"]
        self._log.append({**self._placed(account, entry["path_display"]), "tag": "deleted"})

    def move(self, account: str, entry: Record, path: str) -> Record:
        """Give an entry another path; what is below it moves along."""
        below = list(self.under(account, entry["path_lower"], recursive=True))
        self.remove(account, entry)
        self.make_folder(account, str(PurePosixPath(path).parent))
        moved = {**entry, **self._placed(account, path)}
        self._put(moved)
        for inner in below:
            self._put({**inner, **self._placed(account, path + inner["path_display"][len(entry["path_display"]) :])})
        return moved

    def latest_change(self) -> int:
        return len(self._log)

    def changes(self, account: str, folder: str, after: int, *, recursive: bool) -> list[tuple[int, Record]]:
        """What changed below a folder since, by number."""
        rows = [(int(key), row) for key, row in self._log.rows() if int(key) > after and row["account"] == account]
        return [(number, row) for number, row in rows if is_under(row["path_lower"], folder, recursive=recursive)]

    def _put(self, entry: Record) -> None:
        self._entries[f"{entry['account']} {entry['path_lower']}"] = entry
        self._log.append(entry)

    def _placed(self, account: str, path: str) -> Record:
        return {"account": account, "name": PurePosixPath(path).name, "path_display": path, "path_lower": path.lower()}


def is_under(path: str, folder: str, *, recursive: bool) -> bool:
    """Whether a path is in a folder, or anywhere below it."""
    prefix = folder.lower().rstrip("/") + "/"
    return path.startswith(prefix) and (recursive or "/" not in path[len(prefix) :])


def metadata(entry: Record) -> Any:  # noqa: ANN401  of the SDK
    """An entry as the SDK's own type, which validates it."""
    placed = {"name": entry["name"], "path_lower": entry["path_lower"], "path_display": entry["path_display"]}
    match entry["tag"]:
        case "deleted":
            return files.DeletedMetadata(**placed)
        case "folder":
            return files.FolderMetadata(id=entry["id"], **placed)
        case _:
            return files.FileMetadata(
                id=entry["id"],
                rev=entry["rev"],
                size=entry["size"],
                content_hash=entry["content_hash"],
                is_downloadable=True,
                client_modified=datetime.fromisoformat(entry["client_modified"]),
                server_modified=datetime.fromisoformat(entry["server_modified"]),
                **placed,
            )


def _now() -> datetime:
    """To the second and without a zone, as the SDK's types have it."""
    return datetime.now(UTC).replace(microsecond=0, tzinfo=None)
