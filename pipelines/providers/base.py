"""What an ingest needs of the place where a video lies, and how such places are found: each is one module of this package."""

import hashlib
import importlib
import pkgutil
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from core.errors import NotFound, Refused
from core.storage import Storage
from pipelines import providers

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as its ingest request names it."""

    path: str
    file_name: str
    size_bytes: int | None
    version: str | None  # the very bytes that were asked for, where the provider can tell; None: what is there now


@dataclass(frozen=True, slots=True)
class Fetched:
    """Where the bytes are now, and what they are."""

    key: str
    size_bytes: int
    sha256: str


class VideoProvider(Protocol):
    """A place that videos come from. A module of this package that has one as PROVIDER serves the requests of its name."""

    def fetch(self, wanted: Wanted, storage: Storage, key: str, *, progress: Callable[[float], None]) -> Fetched:
        """Bring the bytes into storage, under `key` unless they are there already. May be repeated.

        `progress` gets 0 to 1 and may raise to end it. Raises Refused when the owner has to act, NotFound when the file is
        gone, Unavailable when the provider is away or says when to come again, Transient when it may work later otherwise.
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
