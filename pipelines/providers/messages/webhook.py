"""Messages by POST to the operator's address, signed as Standard Webhooks says (standardwebhooks.com, version 1)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from core.errors import Misconfigured, Refused, Unavailable
from core.guard.client import client
from pipelines.providers.messages.base import Message

_PROVIDER = "webhook"
_DEADLINE_SECONDS = 20.0
_LEAST_SECRET_BYTES = 24  # the specification's
_LONGEST_WAIT_SECONDS = 3600
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class Webhook:
    """One address. It cannot be asked what came: what may have come is sent again under the same id."""

    name = "webhook"
    provider = _PROVIDER

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._key = read_secret(secret)

    def find(self, message: Message) -> bool:  # noqa: ARG002
        return False

    def send(self, message: Message) -> None:
        told = {"subject": message.subject, "text": message.text, "userId": message.user_id, **message.data}
        body = json.dumps({"type": message.kind, "timestamp": datetime.now(UTC).isoformat(), "data": told}).encode()
        seconds = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": seconds,
            "webhook-signature": sign(self._key, message.id, seconds, body),
        }
        try:
            with (
                client(deadline_seconds=_DEADLINE_SECONDS) as session,
                session.stream("POST", self._url, content=body, headers=headers, follow_redirects=False) as answer,
            ):
                self._judge(answer)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Misconfigured("TELL_WEBHOOK_URL must be a whole https:// or http:// address") from None
        except httpx.HTTPError as error:
            words = f"the webhook at {self._host} cannot be reached: {type(error).__name__}"
            raise Unavailable(words, provider=_PROVIDER) from error

    def _judge(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            after = answer.headers.get("Retry-After", "")
            wait = timedelta(seconds=min(int(after), _LONGEST_WAIT_SECONDS)) if after.isdecimal() else None
            raise Unavailable(f"the webhook at {self._host} answered {status}", provider=_PROVIDER, retry_after=wait)
        raise Refused(f"The webhook at {self._host} does not take messages: it answered {status}.")

    @property
    def _host(self) -> str:
        """The rest of the address may be a secret."""
        return urlsplit(self._url).hostname or "its address"


def read_secret(secret: str) -> bytes:
    """The key of `whsec_…`. Raises Misconfigured."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _LEAST_SECRET_BYTES:
        raise Misconfigured(
            "TELL_WEBHOOK_SECRET must be whsec_ and at least 24 random bytes in base64; nothing is sent unsigned"
        )
    return key


def sign(key: bytes, message_id: str, seconds: str, body: bytes) -> str:
    """The header `webhook-signature`."""
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
