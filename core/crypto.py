"""Secrets at rest: sealed with AES-GCM, each bound to the place where it is kept, under a ring of keys that can be turned."""

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from core.errors import Misconfigured, Permanent
from core.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION, _KEY_BYTES, _NONCE_BYTES = "v1", 32, 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed text is kept. Copied to another place it does not open."""

    table: str
    row: str
    column: str

    @property
    def bound(self) -> bytes:
        """What is sealed along with the text."""
        return f"{self.table}\0{self.row}\0{self.column}".encode()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by their ids; the first seals, all of them open."""

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The ring that `kid:base64,…` tells, newest first. Raises Misconfigured."""
        keys = {}
        for part in text.replace("\n", ",").split(","):
            kid, separator, encoded = part.strip().partition(":")
            if not kid and not encoded:
                continue
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                key = b""
            if not separator or not kid or len(key) != _KEY_BYTES:
                raise Misconfigured("SECRET_KEYS is kid:base64,… with 32 bytes each; `openssl rand -base64 32` makes one")
            keys[kid] = key
        if not keys:
            raise Misconfigured("SECRET_KEYS holds no key; unset it to let this home make its own")
        return cls(keys)

    @classmethod
    def of(cls, config: Settings) -> Self:
        """The ring of the settings, or else that of the home, which is made at its first use. Raises Misconfigured."""
        told = config.secret_keys.get_secret_value()
        return cls.parse(told or _home_ring(config.home / "keys" / "secret_keys"))

    def seal(self, text: str, place: Place) -> str:
        """`v1:kid:nonce:text`, which opens at this place only."""
        kid, key = next(iter(self.keys.items()))
        nonce = os.urandom(_NONCE_BYTES)
        sealed = _cipher(key).encrypt(nonce, text.encode(), place.bound)
        return ":".join((_VERSION, kid, _encode(nonce), _encode(sealed)))

    @staticmethod
    def is_sealed(text: str) -> bool:
        """Whether a ring sealed it; an earlier product kept tokens in clear."""
        return text.startswith(f"{_VERSION}:")

    def is_newest(self, sealed: str) -> bool:
        """Whether it was sealed with the key that seals now."""
        return sealed.startswith(f"{_VERSION}:{next(iter(self.keys))}:")

    def unseal(self, sealed: str, place: Place) -> str:
        """What was sealed there. Raises Misconfigured where its key is gone, Permanent where it is not what was written."""
        from cryptography.exceptions import InvalidTag

        version, _, rest = sealed.partition(":")
        kid, _, rest = rest.partition(":")
        nonce, _, text = rest.partition(":")
        if version != _VERSION or not text:
            raise Permanent(f"{place.table}.{place.column} of {place.row} holds no sealed text")
        if kid not in self.keys:
            raise Misconfigured(f"SECRET_KEYS lacks key {kid!r}, which sealed {place.table}.{place.column} of {place.row}")
        try:
            opened = _cipher(self.keys[kid]).decrypt(base64.b64decode(nonce), base64.b64decode(text), place.bound)
        except (InvalidTag, ValueError):
            raise Permanent(f"{place.table}.{place.column} of {place.row} was changed, or moved from elsewhere") from None
        return opened.decode()


def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _home_ring(path: Path) -> str:
    """The home's own ring, for its owner's eyes; two processes that make it at once agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secrets.token_hex(4)}:{_encode(os.urandom(_KEY_BYTES))}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text()
