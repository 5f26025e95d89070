"""POST of signed messages to an address of the operator's, through the guard."""

import time
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from core.errors import Misconfigured, Refused, Unavailable
from core.guard.client import client
from core.signatures import read_secret, sign

_LONGEST_WAIT_SECONDS = 3600
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class NoReply(Unavailable):
    """The message went out whole, and nobody answered in time."""


class SignedPost:
    """One address. `settings` name its URL and its secret, `what` it is to people, `provider` whose breaker it is under."""

    def __init__(self, url: str, secret: str, *, settings: tuple[str, str], what: str, provider: str) -> None:
        self._url = url
        self._setting, secret_setting = settings
        self._key = read_secret(secret, secret_setting)
        self._what = what
        self._provider = provider

    def send(self, message_id: str, body: bytes, *, deadline_seconds: float, limit_bytes: int = 0) -> bytes:
        """What is answered, up to a limit; redirects are not followed. The same id tells the receiver that it is sent again.

        Raises Unavailable, NoReply, Refused, Misconfigured.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": message_id, "Accept-Encoding": "identity"}
        headers |= sign(self._key, message_id, body, now=time.time())
        try:
            with (
                client(deadline_seconds=deadline_seconds) as session,
                session.stream(
                    "POST", self._url, content=body, headers=headers, follow_redirects=False, timeout=deadline_seconds
                ) as answer,
            ):
                self._judge(answer)
                return self._read(answer, limit_bytes)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Misconfigured(f"{self._setting} must be a whole https:// or http:// address") from None
        except httpx.ReadTimeout as error:
            raise NoReply(f"the {self._what} at {self._host} did not answer in time", provider=self._provider) from error
        except httpx.HTTPError as error:
            words = f"the {self._what} at {self._host} cannot be reached: {type(error).__name__}"
            raise Unavailable(words, provider=self._provider) from error

    def _read(self, answer: httpx.Response, limit_bytes: int) -> bytes:
        body = bytearray()
        for piece in answer.iter_raw() if limit_bytes else ():
            body += piece
            if len(body) > limit_bytes:
                raise Refused(f"The {self._what} at {self._host} answered more than {limit_bytes >> 20} MiB.")
        return bytes(body)

    def _judge(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            after = answer.headers.get("Retry-After", "")
            wait = timedelta(seconds=min(int(after), _LONGEST_WAIT_SECONDS)) if after.isdecimal() else None
            words = f"the {self._what} at {self._host} answered {status}"
            raise Unavailable(words, provider=self._provider, retry_after=wait)
        raise Refused(f"The {self._what} at {self._host} does not take messages: it answered {status}.")

    @property
    def _host(self) -> str:
        """The rest of the address may be a secret."""
        return urlsplit(self._url).hostname or "its address"
