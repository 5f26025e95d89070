"""Dropbox's official client for one account, and what its errors mean to us. It is loaded at first use."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import AskStephenError, Invalid, NotFound, Refused, Transient, Unavailable
from pipelines.providers.clouds import CursorReset, Token

if TYPE_CHECKING:
    from dropbox import Dropbox
    from dropbox.exceptions import ApiError, AuthError

NAME = "dropbox"
_TIMEOUT_SECONDS = 30
_Answer = TypeVar("_Answer")
_UNSET = "Dropbox does not let us in. Please connect the account again."


class Box:
    """An account's Dropbox. Only within `open_box`."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._held = token(None)
        self._client = _client(self._held)

    def ask(self, call: "Callable[[Dropbox], _Answer]") -> _Answer:
        """What Dropbox answers; with a newer token where it refuses this one."""
        from dropbox.exceptions import AuthError

        with translated():
            try:
                return call(self._client)
            except AuthError as error:
                if not (error.error and error.error.is_expired_access_token()):
                    raise
                self._held = self._token(self._held)
                self.close()
                self._client = _client(self._held)
                return call(self._client)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def _client(token: str) -> "Dropbox":
    from dropbox import Dropbox

    # What it would wait for by itself, for ever with a rate limit, waits in our queue and keeps no worker.
    return Dropbox(token, timeout=_TIMEOUT_SECONDS, max_retries_on_error=0, max_retries_on_rate_limit=0)


@contextmanager
def open_box(token: Token) -> Iterator[Box]:
    """The Dropbox of the account that the tokens are for."""
    box = Box(token)
    try:
        yield box
    finally:
        box.close()


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the client and of the connection in our own words."""
    from dropbox.exceptions import ApiError, AuthError, HttpError, RateLimitError
    from requests import RequestException

    try:
        yield
    except AskStephenError:
        raise
    except ApiError as error:
        raise _meaning_of(error) from error
    except AuthError as error:
        raise _refusal_of(error) from error
    except RateLimitError as error:
        wait = None if error.backoff is None else timedelta(seconds=float(error.backoff))
        raise Unavailable("Dropbox asks us to slow down", provider=NAME, retry_after=wait, of_owner=True) from error
    except HttpError as error:
        raise _http(error.status_code) from error
    except (RequestException, OSError) as error:
        raise Unavailable(f"Dropbox could not be reached ({type(error).__name__})", provider=NAME) from error


def _http(status: int) -> AskStephenError:
    if status >= 500:  # noqa: PLR2004
        return Unavailable(f"Dropbox fails (HTTP {status})", provider=NAME)
    if status in {400, 416}:
        return Invalid(f"Dropbox does not understand what it was asked (HTTP {status})")
    if status in {403, 409, 422}:
        return Refused(f"Dropbox does not allow this (HTTP {status}). Please look at the account there.")
    return Transient(f"Dropbox answered HTTP {status}")


def _refusal_of(error: "AuthError") -> AskStephenError:
    why: Any = error.error
    if why and why.is_missing_scope():
        scope = why.get_missing_scope().required_scope
        return Refused(f"This account let us see too little of its Dropbox ({scope} is missing). Please connect it again.")
    if why and why.is_expired_access_token():
        return Transient("Dropbox did not take a token that was made just now")
    return Refused(_UNSET)


def _meaning_of(error: "ApiError") -> AskStephenError:
    why: Any = error.error
    if getattr(why, "is_reset", bool)():
        return CursorReset("Dropbox has forgotten where we were")
    if not getattr(why, "is_path", bool)():
        return Refused("Dropbox does not offer this file for download. Please export it there, or send another file.")
    at_path = why.get_path()
    if at_path.is_not_found():
        return NotFound("This file or folder is no longer in Dropbox.")
    if getattr(at_path, "is_locked", bool)():
        return Transient("this file is locked in Dropbox", retry_after=timedelta(minutes=5))
    if at_path.is_restricted_content():
        return Refused("Dropbox does not give this file out: its content is restricted. Please look at it there.")
    return Refused("This is no file or folder of Dropbox that can be read. Please choose another.")
