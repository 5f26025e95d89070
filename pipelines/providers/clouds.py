"""What is asked of a place where a person keeps files, besides a file's bytes: what is there, and what is new. Found as `CLOUD` of a module."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from core.errors import NotFound, Transient
from db.base.connections import CloudProvider
from pipelines.providers.base import list_video_providers

Token = Callable[[str | None], str]  # an access token; told which one was refused, a newer one


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder. `id` stays when it is renamed or moved, `version` is a hash of the bytes, `revision` asks for them."""

    id: str
    name: str
    path: str  # what people see, or the id where a place has no paths
    is_folder: bool = False
    size_bytes: int | None = None
    version: str | None = None
    revision: str | None = None
    mime_type: str | None = None
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of videos that are new or changed. Once they are kept, the next look begins at `cursor`; None: as this one did."""

    videos: tuple[Entry, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Channel:
    """Where a place was asked to tell of changes."""

    id: str
    resource: str
    expires_at: datetime


class CursorReset(Transient):
    """The cursor is void: look at everything again."""


class Channels(Protocol):
    """Telling of changes, where it has to be asked for account by account."""

    def open(self, token: Token, *, cursor: str, address: str, channel_id: str, secret: str, lifetime: timedelta) -> Channel:
        """Ask to be told at `address`, with `secret`."""
        ...

    def stop(self, token: Token, channel: Channel) -> None:
        """Ask no longer; one that is over already is fine."""
        ...


class Cloud(Protocol):
    """A place where a person keeps files. Folders are named by `path` of their entry, the top one by nothing. Raises as `fetch` does."""

    @property
    def channels(self) -> Channels | None:
        """None where one address is told of all accounts, or there is no telling."""
        ...

    def list_folder(self, token: Token, folder: str) -> Iterator[Entry]:
        """Folders and videos in this folder."""
        ...

    def list_videos(self, token: Token, folder: str, words: str = "") -> Iterator[Entry]:
        """Videos in this folder and below; with `words`, those whose names have them."""
        ...

    def list_changes(self, token: Token, folder: str, cursor: str | None) -> Iterator[Changes]:
        """What is new in this folder and below since `cursor`; without one, everything. Raises CursorReset."""
        ...

    def link(self, token: Token, path: str) -> str:
        """An address from which a browser may fetch this file, for some hours or to who may see it."""
        ...


def cloud_name(stored: str) -> str:
    """The module's name for what a row of `cloud_connections` says."""
    return CloudProvider.GOOGLE_DRIVE.value if stored == CloudProvider.GDRIVE else stored


def get_cloud(name: str) -> Cloud:
    """The place of that name. Raises NotFound."""
    known, name = list_video_providers(), cloud_name(name)
    found = getattr(importlib.import_module(f"pipelines.providers.{name}"), "CLOUD", None) if name in known else None
    if found is None:
        raise NotFound(f"{name!r} is no place that can be connected; there are: {', '.join(list_clouds())}")
    cloud: Cloud = found
    return cloud


def list_clouds() -> list[str]:
    """Their names."""
    return [name for name in list_video_providers() if hasattr(importlib.import_module(f"pipelines.providers.{name}"), "CLOUD")]
