"""The twin of Drive v3: files, revisions, the change log, watch channels."""

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, Response

from twins.faults import Fault
from twins.google import api
from twins.google.api import Call, GoogleApi, error, not_found, refused
from twins.google.discovery import Discovery
from twins.google.drive_query import parse_query
from twins.google.push import Channels
from twins.oauth import Tokens
from twins.store import Record, Store

FOLDER = "application/vnd.google-apps.folder"
_BRIEF = "kind,id,name,mimeType"  # what version 3 answers where `fields` is not given
_SETTABLE = (
    "name",
    "mimeType",
    "description",
    "starred",
    "trashed",
    "createdTime",
    "modifiedTime",
    "properties",
    "appProperties",
)


class Drive(GoogleApi):
    """Each account has a drive of its own."""

    name = "drive"
    hosts = ("www.googleapis.com",)
    refusals: Mapping[str, Callable[[Fault], Response]] = {
        **api.REFUSALS,
        "quota": lambda _: error(403, "downloadQuotaExceeded", "The download quota for this file has been exceeded."),
        "reset_cursor": lambda _: error(400, "invalid", "Invalid Value: pageToken"),
        "abusive": lambda _: error(403, "cannotDownloadAbusiveFile", "This file has been identified as malware or spam."),
    }

    def __init__(self, store: Store, tokens: Tokens, channels: Channels) -> None:
        self._files = store.table("drive.files")
        self._changes = store.table("drive.changes")
        self._revisions = store.table("drive.revisions")
        self._channels = channels
        handlers = {
            "drive.about.get": self._about,
            "drive.files.create": self._create,
            "drive.files.update": self._update,
            "drive.files.get": self._get,
            "drive.files.list": self._list,
            "drive.files.delete": self._delete,
            "drive.revisions.list": self._list_revisions,
            "drive.revisions.get": self._get_revision,
            "drive.changes.getStartPageToken": self._start_page_token,
            "drive.changes.list": self._list_changes,
            "drive.changes.watch": self._watch,
            "drive.channels.stop": self._stop,
            "drive.drives.list": lambda _: {"kind": "drive#driveList", "drives": []},
        }
        brief = {
            "drive.files.list": f"kind,incompleteSearch,nextPageToken,files({_BRIEF})",
            "drive.changes.list": f"kind,nextPageToken,newStartPageToken,changes(kind,type,changeType,time,removed,fileId,file({_BRIEF}))",
            **dict.fromkeys(("drive.files.create", "drive.files.update", "drive.files.get"), _BRIEF),
        }
        super().__init__(Discovery("drive", "v3"), store, tokens, handlers, name="drive", default_fields=brief)

    def _about(self, call: Call) -> Record:
        if not call.text("fields"):
            raise refused(400, "required", "The 'fields' parameter is required for this method.")
        user = {"kind": "drive#user", "me": True, "emailAddress": call.account, "displayName": call.account}
        return {"kind": "drive#about", "user": user, "storageQuota": {"limit": str(15 << 30), "usage": "0"}}

    def _create(self, call: Call) -> Record:
        now = _now()
        file: Record = {
            "kind": "drive#file",
            "id": call.body.get("id") or f"1{secrets.token_urlsafe(24)}",
            "name": "Untitled",
            "mimeType": call.media_type,
            "parents": [self._real_id(call, parent) for parent in call.body.get("parents", ["root"])],
            "createdTime": now,
            "trashed": False,
            "version": "0",
            "ownedByMe": True,
            "capabilities": {"canDownload": True, "canEdit": True},
            "owners": [{"kind": "drive#user", "me": True, "emailAddress": call.account, "displayName": call.account}],
        }
        for parent in file["parents"]:
            self._find(call, parent)
        if call.body.get("mimeType") != FOLDER:
            file |= self._take_media(file["id"], call.media)
        return self._write(call, file)

    def _update(self, call: Call) -> Record:
        file = self._find(call, call.text("fileId"))
        parents = [parent for parent in file["parents"] if parent not in call.listed("removeParents")]
        file["parents"] = [*parents, *(self._real_id(call, parent) for parent in call.listed("addParents"))]
        if call.media is not None:
            file |= self._take_media(file["id"], call.media)
        return self._write(call, file)

    def _write(self, call: Call, file: Record) -> Record:
        """Apply what the body sets, count the version, note the change, tell who watches."""
        file |= {"modifiedTime": _now()} | {name: call.body[name] for name in _SETTABLE if name in call.body}
        file["version"] = str(int(file["version"]) + 1)
        if file["mimeType"] != FOLDER:
            file["originalFilename"], file["fileExtension"] = file["name"], Path(file["name"]).suffix.lstrip(".")
        self._files[file["id"]] = {"account": call.account, "file": file}
        self._note_change(call.account, file["id"], removed=False)
        return file

    def _take_media(self, file_id: str, media: Path | None) -> Record:
        """Keep these bytes as the head revision; what is then known of the file."""
        revision = secrets.token_urlsafe(24)
        blob = self._store.blob(f"drive-{revision}")
        if media is None:
            blob.touch()
        else:
            blob.hardlink_to(media)  # an upload that is killed here finds its bytes again
        known: Record = {"size": str(blob.stat().st_size), "headRevisionId": revision}
        with blob.open("rb") as content:
            for name in ("md5", "sha1", "sha256"):
                content.seek(0)
                known[f"{name}Checksum"] = hashlib.file_digest(content, name).hexdigest()
        self._revisions[revision] = {"file": file_id, "modifiedTime": _now(), **known}
        return known

    def _get(self, call: Call) -> Record | Response:
        file = self._find(call, call.text("fileId"))
        return self._media(file, file.get("headRevisionId")) if call.text("alt") == "media" else file

    def _media(self, file: Record, revision: str | None) -> Response:
        if revision is None:
            raise refused(403, "fileNotDownloadable", "Only files with binary content can be directly downloaded.")
        if not file["capabilities"]["canDownload"]:
            raise refused(403, "cannotDownloadFile", "This file cannot be downloaded by the user.")
        return FileResponse(self._store.blob(f"drive-{revision}"), media_type=file["mimeType"])

    def _list(self, call: Call) -> Record:
        try:
            query = re.sub(r"'root'(?=\s+in\s+parents)", f"'{_root_id(call.account)}'", call.text("q"))
            matches = parse_query(query) if query else None
        except ValueError as wrong:
            raise refused(400, "invalid", str(wrong)) from None
        files = [kept["file"] for _, kept in self._files.rows() if kept["account"] == call.account]
        files = [file for file in files if matches is None or matches(file)]
        for key in reversed(call.listed("orderBy")):
            field, _, descending = key.partition(" ")
            files.sort(key=_sort_key(field), reverse=descending == "desc")
        first, size = _page(call), call.number("pageSize", 100)
        answer: Record = {"kind": "drive#fileList", "incompleteSearch": False, "files": files[first : first + size]}
        if first + size < len(files):
            answer["nextPageToken"] = str(first + size)
        return answer

    def _delete(self, call: Call) -> Response:
        file = self._find(call, call.text("fileId"))
        del self._files[file["id"]]
        self._note_change(call.account, file["id"], removed=True)
        return Response(status_code=204)

    def _list_revisions(self, call: Call) -> Record:
        file = self._find(call, call.text("fileId"))
        rows = [_revision(key, kept, file) for key, kept in self._revisions.rows() if kept["file"] == file["id"]]
        return {"kind": "drive#revisionList", "revisions": rows}

    def _get_revision(self, call: Call) -> Record | Response:
        file = self._find(call, call.text("fileId"))
        kept = self._revisions.get(call.text("revisionId"))
        if kept is None or kept["file"] != file["id"]:
            raise not_found("Revision", call.text("revisionId"))
        if call.text("alt") == "media":
            return self._media(file, call.text("revisionId"))
        return _revision(call.text("revisionId"), kept, file)

    def _start_page_token(self, _call: Call) -> Record:
        return {"kind": "drive#startPageToken", "startPageToken": str(len(self._changes) + 1)}

    def _list_changes(self, call: Call) -> Record:
        """Each changed file once, at its latest change, as it is now."""
        first, size = _page(call), call.number("pageSize", 100)
        rows = [(int(key), row) for key, row in self._changes.rows() if int(key) >= first and row["account"] == call.account]
        latest = {row["fileId"]: number for number, row in rows}
        chosen = [(number, row) for number, row in rows if latest[row["fileId"]] == number]
        answer: Record = {"kind": "drive#changeList", "changes": [self._change(row) for _, row in chosen[:size]]}
        if len(chosen) > size:
            answer["nextPageToken"] = str(chosen[size][0])
        else:
            answer["newStartPageToken"] = str(len(self._changes) + 1)
        return answer

    def _change(self, row: Record) -> Record:
        change = {"kind": "drive#change", "type": "file", "changeType": "file", "time": row["time"], "fileId": row["fileId"]}
        kept = self._files.get(row["fileId"])
        return {**change, "removed": True} if kept is None else {**change, "removed": False, "file": kept["file"]}

    def _note_change(self, account: str, file_id: str, *, removed: bool) -> None:
        self._changes.append({"account": account, "fileId": file_id, "removed": removed, "time": _now()})
        self._channels.tell(account)

    def _watch(self, call: Call) -> Record:
        _page(call)
        return self._channels.open(call.account, call.body, resource=str(call.request.url))

    def _stop(self, call: Call) -> Response:
        self._channels.stop(call.account, call.body)
        return Response(status_code=204)

    def _find(self, call: Call, file_id: str) -> Record:
        """The file of this account. Raises Refused 404."""
        file_id = self._real_id(call, file_id)
        kept = self._files.get(file_id)
        if kept is None and file_id == _root_id(call.account):
            return {
                "kind": "drive#file",
                "id": file_id,
                "name": "My Drive",
                "mimeType": FOLDER,
                "parents": [],
                "trashed": False,
                "version": "1",
                "capabilities": {"canDownload": False},
            }
        if kept is None or kept["account"] != call.account:
            raise not_found("File", file_id)
        file: Record = kept["file"]
        return file

    def _real_id(self, call: Call, file_id: str) -> str:
        return _root_id(call.account) if file_id == "root" else file_id


def _root_id(account: str) -> str:
    return f"0A{hashlib.sha256(account.encode()).hexdigest()[:17]}"


def _page(call: Call) -> int:
    token = call.text("pageToken", "0")
    if not token.isdigit():
        raise refused(400, "invalid", "Invalid Value: pageToken")
    return int(token)


def _sort_key(field: str) -> Callable[[Record], Any]:
    if field == "folder":
        return lambda file: file["mimeType"] != FOLDER
    return lambda file: str(file.get(field.removesuffix("_natural"), "")).casefold()


def _revision(key: str, kept: Record, file: Record) -> Record:
    return {
        "kind": "drive#revision",
        "id": key,
        "mimeType": file["mimeType"],
        "modifiedTime": kept["modifiedTime"],
        "size": kept["size"],
        "md5Checksum": kept["md5Checksum"],
    }


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
