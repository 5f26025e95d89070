"""What is in a Drive, what is new there, and its bytes pinned to a revision."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import NotFound, Refused
from pipelines.providers.base import Delivery, Fetched, Wanted, check_file_name, is_video_name
from pipelines.providers.clouds import Changes, Channel, Channels, Entry, Token
from pipelines.providers.google_drive.client import NAME, Drive, cursor_may_be_void, open_drive
from pipelines.providers.ranged import RemoteFile, bring, headers_from

_FOLDER = "application/vnd.google-apps.folder"
_NATIVE = "application/vnd.google-apps."
_FIELDS = (
    "id,name,mimeType,size,md5Checksum,headRevisionId,modifiedTime,parents,trashed,webViewLink,"
    "capabilities(canDownload,canReadRevisions)"
)
_PAGE = 200
_PARENTS_OF_A_QUERY = 20
_EVERYWHERE = {"supportsAllDrives": True, "includeItemsFromAllDrives": True}


class _Channels:
    """Drive tells of an account's changes for at most a week, then has to be asked again under another id."""

    def open(self, token: Token, *, cursor: str, address: str, channel_id: str, secret: str, lifetime: timedelta) -> Channel:
        ends_at = datetime.now(UTC) + lifetime
        body = {
            "id": channel_id,
            "type": "web_hook",
            "address": address,
            "token": secret,
            "expiration": str(int(ends_at.timestamp() * 1000)),  # left out, it would be an hour
        }
        with open_drive(token) as drive:
            made = drive.ask(drive.service.changes().watch(pageToken=cursor, body=body, **_EVERYWHERE))
        return Channel(made["id"], made["resourceId"], datetime.fromtimestamp(int(made["expiration"]) / 1000, UTC))

    def stop(self, token: Token, channel: Channel) -> None:
        with open_drive(token) as drive:
            try:
                drive.ask(drive.service.channels().stop(body={"id": channel.id, "resourceId": channel.resource}))
            except NotFound:
                return


class GoogleDrive:
    """Files by their id; folders too, `root` or nothing for the top one."""

    is_outside = True
    channels: Channels = _Channels()

    def fetch(self, wanted: Wanted, delivery: Delivery) -> Fetched:
        """The revision that was asked for, also after the file has changed; its MD5 is verified."""
        check_file_name(wanted.file_name)
        with open_drive(delivery.token) as drive:
            file = drive.ask(drive.service.files().get(fileId=wanted.path, fields=_FIELDS, supportsAllDrives=True))
            _check_downloadable(file)
            if wanted.version not in {None, file["md5Checksum"]}:
                file |= _get_revision(drive, wanted)
            return bring(_remote(drive, file), delivery)

    def list_folder(self, token: Token, folder: str) -> Iterator[Entry]:
        """Folders and videos, folders first, by name."""
        with open_drive(token) as drive:
            files = _search(drive, f"{_in([folder or 'root'])} and trashed = false", order="folder,name")
            yield from (_entry(file) for file in files if _is_folder(file) or _is_video(file))

    def list_videos(self, token: Token, folder: str, words: str = "") -> Iterator[Entry]:
        """As Drive searches: a name has a word that begins so."""
        named = f" and name contains '{_quoted(words)}'" if words else ""
        with open_drive(token) as drive:
            yield from (_entry(file) for file in _below(drive, [folder or "root"], named) if _is_video(file))

    def list_changes(self, token: Token, folder: str, cursor: str | None) -> Iterator[Changes]:
        """Drive's change log is of the whole account: what is in another folder is passed over."""
        with open_drive(token) as drive:
            if cursor is None:  # taken before the listing: what comes meanwhile is found after it
                cursor = drive.ask(drive.service.changes().getStartPageToken(supportsAllDrives=True))["startPageToken"]
                yield from _pages(_below(drive, [folder or "root"]))
            yield from _since(drive, folder or "root", cursor)

    def link(self, token: Token, path: str) -> str:
        """Drive's own page of the file, for who may see it there."""
        with open_drive(token) as drive:
            file = drive.ask(drive.service.files().get(fileId=path, fields="webViewLink", supportsAllDrives=True))
        return str(file.get("webViewLink") or f"https://drive.google.com/file/d/{path}/view")


def _check_downloadable(file: dict[str, Any]) -> None:
    if file.get("trashed"):
        raise NotFound("This file is in the trash of Google Drive. Please restore it, then ask for it again.")
    if "md5Checksum" not in file:
        raise Refused("This is no file that can be downloaded, but a document of Google's. Please export it as a video.")
    if not file.get("capabilities", {}).get("canDownload", True):
        raise Refused("Its owner does not let this file be downloaded. Please ask for that, or ask for a copy.")


def _get_revision(drive: Drive, wanted: Wanted) -> dict[str, Any]:
    """What differs in the revision that was asked for. Raises Refused when it is no longer there."""
    changed = "This file has changed since. Its new version is taken in by itself."
    if wanted.revision is None:
        raise Refused(changed)
    revisions = drive.service.revisions()
    try:
        kept = drive.ask(revisions.get(fileId=wanted.path, revisionId=wanted.revision, fields="id,size,md5Checksum"))
    except NotFound:
        raise Refused(changed) from None
    if kept["md5Checksum"] != wanted.version:
        raise Refused(changed)
    return {"size": kept["size"], "md5Checksum": kept["md5Checksum"], "headRevisionId": kept["id"]}


def _remote(drive: Drive, file: dict[str, Any]) -> RemoteFile:
    """By its revision where the account may read those: an edit meanwhile cannot mix with it. The MD5 decides in any case."""
    if file.get("capabilities", {}).get("canReadRevisions", True):
        request = drive.service.revisions().get_media(fileId=file["id"], revisionId=file["headRevisionId"])
    else:
        request = drive.service.files().get_media(fileId=file["id"], supportsAllDrives=True)
    return RemoteFile(
        path=file["id"],
        version=file["md5Checksum"],
        size_bytes=int(file["size"]),
        new_hash=lambda: hashlib.md5(usedforsecurity=False),
        begin=lambda first_byte: drive.stream(request, headers_from(first_byte)),
        provider=NAME,
    )


def _below(drive: Drive, folders: Sequence[str], named: str = "") -> Iterator[dict[str, Any]]:
    """Every file in these folders and below, in each once; with `named`, folders are looked through all the same."""
    seen, level = set(folders), list(folders)
    while level:
        together, level = level[:_PARENTS_OF_A_QUERY], level[_PARENTS_OF_A_QUERY:]
        wanted = f" and (mimeType = '{_FOLDER}' or (mimeType != '{_FOLDER}'{named}))" if named else ""
        for file in _search(drive, f"{_in(together)} and trashed = false{wanted}"):
            if not _is_folder(file):
                yield file
            elif file["id"] not in seen:
                seen.add(file["id"])
                level.append(file["id"])


def _search(drive: Drive, query: str, *, order: str | None = None) -> Iterator[dict[str, Any]]:
    files = drive.service.files()
    request = files.list(
        q=query, orderBy=order, pageSize=_PAGE, fields=f"nextPageToken,files({_FIELDS})", spaces="drive", **_EVERYWHERE
    )
    while request is not None:
        page = drive.ask(request)
        yield from page.get("files", ())
        request = files.list_next(request, page)


def _pages(files: Iterator[dict[str, Any]]) -> Iterator[Changes]:
    """Without a cursor: a listing that is not at its end begins anew."""
    page: list[Entry] = []
    for file in files:
        if _is_video(file):
            page.append(_entry(file))
        if len(page) == _PAGE:
            yield Changes(tuple(page), None)
            page = []
    yield Changes(tuple(page), None)


def _since(drive: Drive, folder: str, cursor: str) -> Iterator[Changes]:
    home = _Home(drive, folder)
    fields = f"nextPageToken,newStartPageToken,changes(fileId,removed,file({_FIELDS}))"
    while True:
        with cursor_may_be_void():
            request = drive.service.changes().list(pageToken=cursor, pageSize=_PAGE, fields=fields, **_EVERYWHERE)
            page = drive.ask(request)
        files = [change["file"] for change in page.get("changes", ()) if "file" in change and not change.get("removed")]
        videos = [_entry(file) for file in home.new_in(files) if _is_video(file)]
        cursor = page.get("nextPageToken") or page["newStartPageToken"]
        yield Changes(tuple(videos), cursor)
        if "nextPageToken" not in page:
            return


class _Home:
    """Tells what is below the chosen folder, asking for each folder on the way up once."""

    def __init__(self, drive: Drive, folder: str) -> None:
        self._drive = drive
        self._folder = folder
        self._is_below: dict[str, bool] = {folder: True}

    def new_in(self, files: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Those below. Of a folder that came to be below, everything in it: a move is logged of the folder alone."""
        for file in files:
            if file.get("trashed") or not any(self._has(parent) for parent in file.get("parents", ())):
                continue
            if _is_folder(file):
                yield from _below(self._drive, [file["id"]])
            else:
                yield file

    def _has(self, folder: str) -> bool:
        if self._folder == "root" and len(self._is_below) == 1:
            top = self._drive.ask(self._drive.service.files().get(fileId="root", fields="id"))
            self._is_below[top["id"]] = True
        if folder not in self._is_below:
            self._is_below[folder] = False  # also while it is looked at: a circle ends
            self._is_below[folder] = any(self._has(parent) for parent in self._parents(folder))
        return self._is_below[folder]

    def _parents(self, folder: str) -> list[str]:
        request = self._drive.service.files().get(fileId=folder, fields="parents", supportsAllDrives=True)
        try:
            return list(self._drive.ask(request).get("parents", ()))
        except NotFound:
            return []


def _entry(file: dict[str, Any]) -> Entry:
    return Entry(
        id=file["id"],
        name=file["name"],
        path=file["id"],
        is_folder=_is_folder(file),
        size_bytes=int(file["size"]) if "size" in file else None,
        version=file.get("md5Checksum"),
        revision=file.get("headRevisionId"),
        mime_type=file.get("mimeType"),
        modified_at=datetime.fromisoformat(file["modifiedTime"]),
    )


def _is_folder(file: dict[str, Any]) -> bool:
    return bool(file["mimeType"] == _FOLDER)


def _is_video(file: dict[str, Any]) -> bool:
    """By its type, or its name where the type says nothing; not one of Google's documents, and not one without bytes yet."""
    kind = file["mimeType"]
    if kind.startswith(_NATIVE) or int(file.get("size", 0)) == 0:
        return False
    return kind.startswith("video/") or (kind == "application/octet-stream" and is_video_name(file["name"]))


def _in(folders: Sequence[str]) -> str:
    return "(" + " or ".join(f"'{_quoted(folder)}' in parents" for folder in folders) + ")"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
