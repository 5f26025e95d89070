"""What is in a Dropbox, what is new there, and its bytes pinned to a revision."""

from collections.abc import Callable, Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Any

from core.errors import NotFound, Refused
from pipelines.providers.base import Delivery, Fetched, Wanted, check_file_name, is_video_name
from pipelines.providers.clouds import Changes, Entry, Token
from pipelines.providers.dropbox.client import NAME, Box, open_box
from pipelines.providers.ranged import RemoteFile, bring, headers_from

if TYPE_CHECKING:
    from dropbox import Dropbox
    from dropbox.files import FileMetadata, ListFolderResult

_PAGE = 500


class DropboxFiles:
    """Files by their id, or by their path as people name them; folders by their path."""

    is_outside = True
    channels = None  # one webhook is told of all accounts

    def fetch(self, wanted: Wanted, delivery: Delivery) -> Fetched:
        """The revision that was asked for, also after the file has changed; its content hash is verified."""
        check_file_name(wanted.file_name)
        with open_box(delivery.token) as box:
            found = _get_file(box, wanted.path)
            file_id = found.id
            if wanted.version not in {None, found.content_hash}:
                found = _get_revision(box, wanted)
            return bring(_remote(box, file_id, found), delivery)

    def list_folder(self, token: Token, folder: str) -> Iterator[Entry]:
        """Folders and videos, folders first, by name."""
        with open_box(token) as box:
            found = [entry for page in _list(box, folder, recursive=False) for entry in _entries(page)]
        yield from sorted(found, key=lambda entry: (not entry.is_folder, entry.name.casefold()))

    def list_videos(self, token: Token, folder: str, words: str = "") -> Iterator[Entry]:
        """By the names as they are listed: Dropbox's own search lags behind changes."""
        wanted = words.casefold().split()
        with open_box(token) as box:
            for page in _list(box, folder, recursive=True):
                for entry in _entries(page):
                    if not entry.is_folder and all(word in entry.name.casefold() for word in wanted):
                        yield entry

    def list_changes(self, token: Token, folder: str, cursor: str | None) -> Iterator[Changes]:
        """A listing's own cursor tells, once it is through, what changed since; a broken one goes on by it as well."""
        with open_box(token) as box:
            for page in _list(box, folder, recursive=True, cursor=cursor):
                yield Changes(tuple(entry for entry in _entries(page) if not entry.is_folder and entry.size_bytes), page.cursor)

    def link(self, token: Token, path: str) -> str:
        """For four hours, for whoever has it."""
        with open_box(token) as box:
            return str(box.ask(lambda client: client.files_get_temporary_link(_path(path))).link)


def _path(path: str) -> str:
    """As Dropbox wants them: the top folder is nothing, everything else begins with a slash, or is an id."""
    path = path.rstrip("/")
    return path if not path or path.startswith(("/", "id:", "rev:")) else f"/{path}"


def _get_file(box: Box, path: str) -> "FileMetadata":
    from dropbox.files import FileMetadata

    found = box.ask(lambda client: client.files_get_metadata(_path(path)))
    if not isinstance(found, FileMetadata):
        raise Refused("This is a folder of Dropbox, and not a file. Please choose a video in it.")
    if not found.is_downloadable:
        raise Refused("Dropbox does not offer this file for download. Please export it there, or send another file.")
    return found


def _get_revision(box: Box, wanted: Wanted) -> "FileMetadata":
    """The revision that was asked for, although the file has another now. Raises Refused when it is no longer there."""
    changed = "This file has changed since. Its new version is taken in by itself."
    if wanted.revision is None:
        raise Refused(changed)
    try:
        kept = _get_file(box, f"rev:{wanted.revision}")
    except NotFound:
        raise Refused(changed) from None
    if kept.content_hash != wanted.version:
        raise Refused(changed)
    return kept


def _remote(box: Box, file_id: str, found: "FileMetadata") -> RemoteFile:
    from dropbox.content_hash import DropboxContentHasher

    def begin(first_byte: int) -> Any:  # noqa: ANN401  (the client's answer)
        headers = headers_from(first_byte)
        return box.ask(lambda client: client.files_download(f"rev:{found.rev}", extra_headers=headers))[1]

    return RemoteFile(
        path=file_id,
        version=found.content_hash,
        size_bytes=found.size,
        new_hash=DropboxContentHasher,
        begin=begin,
        provider=NAME,
    )


def _list(box: Box, folder: str, *, recursive: bool, cursor: str | None = None) -> "Iterator[ListFolderResult]":
    def first(client: "Dropbox") -> "ListFolderResult":
        return client.files_list_folder(_path(folder), recursive=recursive, limit=_PAGE)

    def after(at: str) -> "Callable[[Dropbox], ListFolderResult]":
        return lambda client: client.files_list_folder_continue(at)

    page = box.ask(first if cursor is None else after(cursor))
    yield page
    while page.has_more:
        page = box.ask(after(page.cursor))
        yield page


def _entries(page: "ListFolderResult") -> Iterator[Entry]:
    """Folders, and files that look like videos and can be downloaded; what is gone is passed over."""
    from dropbox.files import FileMetadata, FolderMetadata

    for found in page.entries:
        if isinstance(found, FolderMetadata):
            yield Entry(found.id, found.name, found.path_display, is_folder=True)
        elif isinstance(found, FileMetadata) and is_video_name(found.name) and found.is_downloadable:
            yield Entry(
                id=found.id,
                name=found.name,
                path=found.path_display,
                size_bytes=found.size,
                version=found.content_hash,
                revision=found.rev,
                modified_at=found.server_modified.replace(tzinfo=UTC),
            )
