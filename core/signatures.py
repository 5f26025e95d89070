"""Messages signed with a shared secret, as Standard Webhooks says (standardwebhooks.com, version 1): made and checked here."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from core.errors import Misconfigured

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_LEAST_SECRET_BYTES = 24  # the specification's
_TOLERANCE_SECONDS = 300


def read_secret(secret: str, setting: str) -> bytes:
    """The key of `whsec_…`, which `setting` holds. Raises Misconfigured."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _LEAST_SECRET_BYTES:
        raise Misconfigured(f"{setting} must be whsec_ and at least 24 random bytes in base64; nothing goes unsigned")
    return key


def sign(key: bytes, message_id: str, body: bytes, *, now: float) -> dict[str, str]:
    """The headers that go with this body."""
    seconds = str(int(now))
    return {ID: message_id, TIMESTAMP: seconds, SIGNATURE: _signature(key, message_id, seconds, body)}


def is_signed(key: bytes, headers: Mapping[str, str], body: bytes, *, now: float) -> bool:
    """Tell whether who holds the key sent these very bytes within the last five minutes."""
    message_id, seconds, signatures = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not message_id or not (seconds.isascii() and seconds.isdecimal()) or abs(now - int(seconds)) > _TOLERANCE_SECONDS:
        return False
    right = _signature(key, message_id, seconds, body).encode()
    return any(hmac.compare_digest(right, given.encode()) for given in signatures.split())


def _signature(key: bytes, message_id: str, seconds: str, body: bytes) -> str:
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
