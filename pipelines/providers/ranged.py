"""Brings a file over HTTP into storage: streamed, hashed on the way, gone on with after a break, whole or not at all."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from core.errors import Cancelled, Conflict, NotFound, Permanent, Snoozed, Transient, Unavailable
from core.storage import Resumable, Tail
from pipelines.providers.base import Delivery, Fetched

if TYPE_CHECKING:
    from requests import Response

_BLOCK_BYTES = 1 << 20
_LOOK_AGAIN = timedelta(seconds=10)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)", re.ASCII)


class Hash(Protocol):
    """As those of hashlib."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One version of a file, whose bytes do not change: `begin` answers with those from a byte on, or with all of them."""

    path: str
    version: str  # what `new_hash` makes of its bytes
    size_bytes: int
    new_hash: Callable[[], Hash]
    begin: Callable[[int], "Response"]
    provider: str


class _Arrived:
    """What is there of a file, and its hashes so far."""

    def __init__(self, file: RemoteFile) -> None:
        self._new_hash = file.new_hash
        self.restart()

    def restart(self) -> None:
        self.size_bytes, self._version, self._sha256 = 0, self._new_hash(), hashlib.sha256()

    def update(self, data: bytes) -> None:
        self.size_bytes += len(data)
        self._version.update(data)
        self._sha256.update(data)

    @property
    def version(self) -> str:
        return self._version.hexdigest()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()


def bring(file: RemoteFile, delivery: Delivery) -> Fetched:
    """Its bytes, verified, under the delivery's lasting key; or where the owner has them already.

    Raises Transient when they arrive damaged (the next attempt begins anew), Snoozed while another attempt writes, Unavailable.
    """
    if known := delivery.known(file.version):
        return Fetched(known.key, known.size_bytes, known.sha256, file.path, file.version)
    kept = delivery.storage.resumable(delivery.lasting_key)
    arrived = _Arrived(file)
    if _is_finished(delivery):
        _read(kept, arrived, delivery)
    else:
        _fill(file, kept, arrived, delivery)
        _finish(kept, file)
    return Fetched(delivery.lasting_key, arrived.size_bytes, arrived.sha256, file.path, file.version)


def _is_finished(delivery: Delivery) -> bool:
    try:
        delivery.storage.size(delivery.lasting_key)
    except NotFound:
        return False
    return True


def _fill(file: RemoteFile, kept: Resumable, arrived: _Arrived, delivery: Delivery) -> None:
    with ExitStack() as stack:
        try:
            tail = stack.enter_context(kept.append())
        except Conflict:
            raise Snoozed("an earlier attempt is still writing this file", delay=_LOOK_AGAIN) from None
        try:
            _read(kept, arrived, delivery)
            _go_on(file, tail, arrived, delivery)
        except (Cancelled, Permanent):
            kept.discard()
            raise


def _finish(kept: Resumable, file: RemoteFile) -> None:
    try:
        kept.finish(file.size_bytes)
    except Conflict as error:  # an earlier attempt that lost its lease took it up between our last byte and this
        raise Snoozed(f"an earlier attempt has this file ({error})", delay=_LOOK_AGAIN) from None


def _read(kept: Resumable, arrived: _Arrived, delivery: Delivery) -> None:
    with kept.open() as there:
        while block := there.read(_BLOCK_BYTES):
            arrived.update(block)
            delivery.progress(0)


def _go_on(file: RemoteFile, tail: Tail, arrived: _Arrived, delivery: Delivery) -> None:
    if arrived.size_bytes > file.size_bytes:
        _restart(tail, arrived)
    while arrived.size_bytes < file.size_bytes:
        before = arrived.size_bytes
        try:
            _take(file, tail, arrived, delivery)
        except Unavailable:
            if arrived.size_bytes <= before:
                raise
            # A break after some bytes is no outage: those that are missing are asked for at once.
    if arrived.version != file.version:
        _restart(tail, arrived)
        raise Transient(f"{file.path} arrived damaged from {file.provider}; it is fetched again")


def _take(file: RemoteFile, tail: Tail, arrived: _Arrived, delivery: Delivery) -> None:
    with closing(file.begin(arrived.size_bytes)) as answer:
        if _first_byte(answer, file, arrived.size_bytes) != arrived.size_bytes:
            _restart(tail, arrived)
        for block in _blocks(answer, file.provider):
            if arrived.size_bytes + len(block) > file.size_bytes:
                _restart(tail, arrived)
                raise Transient(f"{file.path} is longer than {file.provider} says; it is fetched again")
            tail.write(block)
            arrived.update(block)
            delivery.progress(arrived.size_bytes / file.size_bytes)
        if arrived.size_bytes < file.size_bytes:
            raise Unavailable(f"{file.provider} ended {file.path} early", provider=file.provider)


def _first_byte(answer: "Response", file: RemoteFile, asked: int) -> int:
    """Of what is answered: the one that was asked for, or 0 where the range was not heeded."""
    if answer.status_code != 206:  # noqa: PLR2004
        return 0
    told = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if told is None or (int(told[1]), int(told[3])) != (asked, file.size_bytes):
        raise Transient(f"{file.provider} answered another part of {file.path} than was asked for")
    return asked


def _blocks(answer: "Response", provider: str) -> Iterator[bytes]:
    """What arrives, as it arrives: also the last bytes before a break. Errors of who takes the blocks are not translated here."""
    from urllib3.exceptions import HTTPError

    while True:
        try:
            block = answer.raw.read1(_BLOCK_BYTES)
        except (HTTPError, OSError) as error:
            raise Unavailable(f"the connection to {provider} broke ({type(error).__name__})", provider=provider) from error
        if not block:
            return
        yield block


def _restart(tail: Tail, arrived: _Arrived) -> None:
    tail.cut(0)
    arrived.restart()


def headers_from(first_byte: int) -> dict[str, str]:
    """Ask for everything from this byte on, as it is; with no range for all, which also an empty file answers."""
    return {"Accept-Encoding": "identity"} | ({"Range": f"bytes={first_byte}-"} if first_byte else {})
