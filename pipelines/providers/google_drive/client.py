"""Google Drive's official client for one account, and what its errors mean to us. It is loaded at first use."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from core.errors import AskStephenError, Invalid, NotFound, Refused, Transient, Unavailable
from pipelines.providers.clouds import CursorReset, Token

if TYPE_CHECKING:
    from google.oauth2.credentials import Credentials
    from googleapiclient.errors import HttpError
    from requests import Response

NAME = "google_drive"
_TIMEOUT_SECONDS = 30
_RATE_LIMITS = {"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded"}
_ASK = {
    "cannotDownloadAbusiveFile": "Google marked this file as harmful. Only its owner can download it: please look at it in Drive.",
    "cannotDownloadFile": "Its owner does not let this file be downloaded. Please ask for that, or ask for a copy.",
    "fileNotDownloadable": "This is no file that can be downloaded, but a document of Google's. Please export it as a video.",
    "insufficientFilePermissions": "This account may not read this file. Please ask its owner to share it.",
    "insufficientPermissions": "This account let us see too little of its Drive. Please connect it again.",
}

_BY_STATUS: dict[int, tuple[type[AskStephenError], str]] = {
    400: (Invalid, "Google Drive does not understand what it was asked"),
    401: (Transient, "Google Drive did not take a token that was made just now"),
    403: (Refused, "Google Drive does not allow this: please look at the file there"),
    404: (NotFound, "This file or folder is no longer in Google Drive, or no longer shared with this account."),
    410: (Invalid, "Google Drive no longer knows what it was asked for"),
    416: (Invalid, "Google Drive has no such part of this file"),
}


class Drive:
    """An account's Drive. Only within `open_drive`."""

    def __init__(self, credentials: "Credentials") -> None:
        from google_auth_httplib2 import AuthorizedHttp
        from googleapiclient.discovery import build
        from googleapiclient.http import build_http

        plain = build_http()  # a plain Http takes 308 for a redirect
        plain.timeout = _TIMEOUT_SECONDS
        self._credentials = credentials
        self.service: Any = build("drive", "v3", http=AuthorizedHttp(credentials, http=plain), cache_discovery=False)

    def ask(self, request: Any) -> Any:  # noqa: ANN401  (the client makes both at run time)
        """What Drive answers."""
        with translated():
            return request.execute(num_retries=0)

    def stream(self, request: Any, headers: dict[str, str]) -> "Response":  # noqa: ANN401
        """The bytes that the request is for, while they come: the client itself would hold them, and append where a range is ignored."""
        from google.auth.transport.requests import AuthorizedSession

        session = AuthorizedSession(self._credentials)  # type: ignore[no-untyped-call]
        with translated():
            answer: Response = session.get(request.uri, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS)
        if answer.status_code not in {200, 206}:
            with answer:
                raise _meaning_of(answer.status_code, _reason(_json(answer)), answer.headers.get("Retry-After"))
        return answer


@contextmanager
def open_drive(token: Token) -> Iterator[Drive]:
    """The Drive of the account that the tokens are for."""
    from google.oauth2.credentials import Credentials

    credentials: Credentials

    def refresh(_request: object, scopes: object) -> tuple[str, datetime]:  # noqa: ARG001  (named by the client)
        in_an_hour = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)  # the client compares without a zone
        return token(credentials.token), in_an_hour

    credentials = Credentials(token(None), refresh_handler=refresh)  # type: ignore[no-untyped-call]
    drive = Drive(credentials)
    try:
        yield drive
    finally:
        drive.service.close()


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the client, of its transports and of the connection in our own words."""
    from google.auth.exceptions import GoogleAuthError
    from googleapiclient.errors import HttpError
    from httplib2 import HttpLib2Error

    try:
        yield
    except AskStephenError:
        raise
    except HttpError as error:
        raise _meaning_of(error.status_code, _reason_of(error), error.resp.get("retry-after")) from error
    except (OSError, HTTPException, HttpLib2Error, GoogleAuthError) as error:
        raise Unavailable(f"Google Drive could not be reached ({type(error).__name__})", provider=NAME) from error


def _reason_of(error: "HttpError") -> str:
    details = error.error_details
    return str(details[0].get("reason", "")) if isinstance(details, list) and details else ""


def _reason(answered: Any) -> str:  # noqa: ANN401  (any JSON)
    try:
        return str(answered["error"]["errors"][0]["reason"])
    except (KeyError, IndexError, TypeError):
        return ""


def _json(answer: "Response") -> object:
    from requests import RequestException

    try:
        return answer.json()
    except (RequestException, ValueError):
        return None


def _meaning_of(status: int, reason: str, retry_after: str | None) -> AskStephenError:
    """The class says what is done next: come again later, ask the owner, or never."""
    wait = timedelta(seconds=int(retry_after)) if retry_after and retry_after.isdecimal() else None
    if status == 429 or reason in _RATE_LIMITS:  # noqa: PLR2004
        of_owner = reason == "userRateLimitExceeded"
        return Unavailable("Google Drive asks us to slow down", provider=NAME, retry_after=wait, of_owner=of_owner)
    if status >= 500:  # noqa: PLR2004
        return Unavailable(f"Google Drive fails (HTTP {status})", provider=NAME, retry_after=wait)
    if reason == "downloadQuotaExceeded":
        # Of this one file, for about a day: https://support.google.com/a/answer/172541
        return Transient("too many have downloaded this file today; it is tried again", retry_after=timedelta(hours=12))
    if reason in _ASK:
        return Refused(_ASK[reason])
    kind, words = _BY_STATUS.get(status, (Transient, "Google Drive gave an answer that it should not give"))
    return kind(f"{words} (HTTP {status}{', ' if reason else ''}{reason})" if kind is not NotFound else words)


@contextmanager
def cursor_may_be_void() -> Iterator[None]:
    """Within the block a request that Drive does not understand is one with a cursor that it has forgotten."""
    try:
        yield
    except (Invalid, NotFound) as error:
        raise CursorReset("Google Drive has forgotten where we were") from error
