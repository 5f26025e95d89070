"""Uploads to Dropbox: in one request, or as a session of pieces whose place must be named right."""

import secrets
from pathlib import Path
from typing import Any

from dropbox import files
from dropbox.content_hash import content_hash

from twins.dropbox.routes import Call, RouteError
from twins.dropbox.tree import Tree, metadata
from twins.store import Store


class Uploads:
    """Sessions by id; what has arrived of each is the length of its file."""

    def __init__(self, store: Store, tree: Tree) -> None:
        self._store = store
        self._tree = tree
        self._sessions = store.table("dropbox.sessions")

    def upload(self, call: Call) -> Any:  # noqa: ANN401  of the SDK
        _check_hash(call, files.UploadError.content_hash_mismatch)
        path = self._path(secrets.token_urlsafe(16))
        path.write_bytes(call.content)
        return self._commit(call, call.argument, path, _write_failed)

    def start(self, call: Call) -> Any:  # noqa: ANN401
        session_id = secrets.token_urlsafe(16)
        self._path(session_id).write_bytes(call.content)
        self._sessions[session_id] = {"closed": call.argument.close}
        return files.UploadSessionStartResult(session_id=session_id)

    def append(self, call: Call) -> None:
        self._add(call, call.argument.cursor, files.UploadSessionAppendError, closing=call.argument.close)

    def finish(self, call: Call) -> Any:  # noqa: ANN401
        cursor = call.argument.cursor
        if cursor.session_id in self._sessions and "done" in self._sessions[cursor.session_id]:
            raise RouteError(files.UploadSessionFinishError.lookup_failed(files.UploadSessionLookupError.not_found))
        path = self._add(call, cursor, _FinishLookup, closing=True)
        done = self._commit(call, call.argument.commit, path, files.UploadSessionFinishError.path)
        self._sessions[cursor.session_id] = {"closed": True, "done": True}
        return done

    def _add(self, call: Call, cursor: Any, error: Any, *, closing: bool) -> Path:  # noqa: ANN401
        """Append a piece. Raises RouteError with the place to go on from where the named one is wrong."""
        session, path = self._sessions.get(cursor.session_id), self._path(cursor.session_id)
        if session is None:
            raise RouteError(error.not_found)
        had = path.stat().st_size
        if cursor.offset != had:
            raise RouteError(error.incorrect_offset(files.UploadSessionOffsetError(correct_offset=had)))
        if session["closed"] and call.content:
            raise RouteError(error.closed)
        _check_hash(call, error.content_hash_mismatch)
        with path.open("ab") as file:
            file.write(call.content)
        self._sessions[cursor.session_id] = {"closed": closing}
        return path

    def _commit(self, call: Call, commit: Any, content: Path, failed: Any) -> Any:  # noqa: ANN401
        """Put the file into the tree, unless another one is there and the mode does not replace it."""
        path, there = commit.path, self._tree.find(call.account, commit.path)
        if there is not None and not commit.mode.is_overwrite():
            same = there["tag"] == "file" and content_hash(content.read_bytes()) == there["content_hash"]
            if commit.mode.is_update() and there.get("rev") == commit.mode.get_update():
                pass
            elif same and not commit.strict_conflict:
                return metadata(there)
            elif commit.autorename:
                path = self._free_name(call.account, path)
            else:
                raise RouteError(failed(files.WriteError.conflict(files.WriteConflictError.file)))
        modified = commit.client_modified
        return metadata(self._tree.write_file(call.account, path, content, client_modified=modified))

    def _free_name(self, account: str, path: str) -> str:
        stem, dot, suffix = path.rpartition(".")
        number = 1
        while self._tree.find(account, free := f"{stem} ({number}){dot}{suffix}") is not None:
            number += 1
        return free

    def _path(self, session_id: str) -> Path:
        return self._store.blob(f"dropbox-session-{session_id}")


class _FinishLookup:
    """The errors of a session, as `finish` wraps them."""

    not_found = files.UploadSessionFinishError.lookup_failed(files.UploadSessionLookupError.not_found)
    closed = files.UploadSessionFinishError.lookup_failed(files.UploadSessionLookupError.closed)
    content_hash_mismatch = files.UploadSessionFinishError.content_hash_mismatch

    @staticmethod
    def incorrect_offset(place: object) -> Any:  # noqa: ANN401
        return files.UploadSessionFinishError.lookup_failed(files.UploadSessionLookupError.incorrect_offset(place))


def _write_failed(reason: object) -> Any:  # noqa: ANN401
    return files.UploadError.path(files.UploadWriteFailed(reason=reason, upload_session_id="none"))


def _check_hash(call: Call, mismatch: object) -> None:
    if call.argument.content_hash is not None and call.argument.content_hash != content_hash(call.content):
        raise RouteError(mismatch)
