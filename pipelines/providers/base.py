"""What an ingest needs of the place where a video lies, and how such places are found: each is one module of this package."""

import hashlib
import importlib
import os
import pkgutil
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from core.children import Run
from core.errors import NotFound, Refused
from core.storage import Storage
from pipelines import providers

_BLOCK_BYTES = 1 << 20
_VIDEO_ENDINGS = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .mts .m2ts .ts .wmv .flv .3gp .ogv .mxf .vob".split()  # noqa: SIM905
)
_UNFINISHED_ENDINGS = (".part", ".partial", ".crdownload", ".tmp", ".download")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as its ingest request names it."""

    path: str
    file_name: str
    size_bytes: int | None
    version: str | None  # the very bytes that were asked for, where the provider can tell; None: what is there now
    revision: str | None = None  # by what name to ask for that version, where it is another than the file's


@dataclass(frozen=True, slots=True)
class Fetched:
    """Where the bytes are now, and what they are."""

    key: str
    size_bytes: int
    sha256: str
    path: str | None = None  # the file's lasting name and its version, where the provider told them: this one was taken in
    version: str | None = None


def _no_token(_refused: str | None) -> str:
    raise Refused("No account is connected for this file. Please connect one, then ask for the file again.")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a provider is to bring a file, and with what.

    `key` is this attempt's alone. `lasting_key` is that of every attempt at the file: what one that was killed left under
    `storage.resumable(lasting_key)` is there for the next, which may find the other still writing.
    """

    storage: Storage
    key: str
    lasting_key: str
    progress: Callable[[float], None]  # takes 0 to 1; raises to end the fetch
    run: Run
    folder: Callable[[], Path]  # scratch of this attempt, made when it is asked for
    token: Callable[[str | None], str] = _no_token  # for the account that has the file; told which one was refused, a newer one
    known: Callable[[str], Fetched | None] = lambda _version: None  # what the owner has of this version already


class VideoProvider(Protocol):
    """A place that videos come from. A module of this package that has one as PROVIDER serves the requests of its name."""

    @property
    def is_outside(self) -> bool:
        """Whether it calls another service, whose limits and breakers then hold under the module's name."""
        ...

    def fetch(self, wanted: Wanted, delivery: Delivery) -> Fetched:
        """Bring the bytes into storage, under one of the delivery's keys unless they are there already. May be repeated.

        Raises Refused when the owner has to act, NotFound when the file is gone, Unavailable when the provider is away or says
        when to come again, Transient when it may work later otherwise, and what `progress` raises. Leaves nothing behind
        unless the next attempt can use it: after Cancelled and Permanent there is none.
        """
        ...


def get_video_provider(name: str) -> VideoProvider:
    """The provider of that name. Raises NotFound."""
    known = sorted(module.name for module in pkgutil.iter_modules(providers.__path__))
    found = getattr(importlib.import_module(f"{providers.__name__}.{name}"), "PROVIDER", None) if name in known else None
    if found is None:
        raise NotFound(f"no provider {name!r} brings videos; there are: {', '.join(list_video_providers())}")
    provider: VideoProvider = found
    return provider


def list_video_providers() -> list[str]:
    """Their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(providers.__path__))
    return [name for name in names if hasattr(importlib.import_module(f"{providers.__name__}.{name}"), "PROVIDER")]


def check_file_name(name: str) -> str:
    """The name, if it can be shown and kept. Raises Refused with what its owner should do."""
    if not name.strip(" ."):
        raise Refused("This file has no name. Please give it one and send it again.")
    if any(unicodedata.category(mark) in {"Cc", "Cs", "Zl", "Zp"} or mark == "\N{REPLACEMENT CHARACTER}" for mark in name):
        raise Refused("The name of this file holds a line break or another character that cannot be shown. Please rename it.")
    if "/" in name or "\\" in name:
        raise Refused("The name of this file is a path. Please send it under a name without / or \\.")
    if len(name.encode()) > 255:  # noqa: PLR2004  (what file systems take)
        raise Refused("The name of this file is longer than 255 bytes. Please give it a shorter one.")
    return name


def is_video_name(name: str) -> bool:
    """Tell whether a file of this name is likely a finished video; what is in it, `probe` says."""
    lower = name.lower()
    return os.path.splitext(lower)[1] in _VIDEO_ENDINGS and not lower.endswith(_UNFINISHED_ENDINGS)  # noqa: PTH122


def copy_hashed(
    source: BinaryIO, target: BinaryIO | None, size_bytes: int, *, progress: Callable[[float], None]
) -> tuple[int, str]:
    """Copy to the end of `source` (only read it when there is no target); returns bytes and their SHA-256."""
    digest, done = hashlib.sha256(), 0
    while block := source.read(_BLOCK_BYTES):
        digest.update(block)
        if target is not None:
            target.write(block)
        done += len(block)
        progress(min(1.0, done / max(1, size_bytes)))
    return done, digest.hexdigest()
