"""What the errors of Google's client mean for a step."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import AskStephenError, NotFound, Refused, Unavailable

PROVIDER = "youtube"
_PACIFIC = ZoneInfo("America/Los_Angeles")
_UNAUTHORISED, _ABSENT, _BUSY, _ERRORS = 401, 404, {408, 429}, 500
_OF_THE_PROJECT = {"quotaExceeded", "dailyLimitExceeded"}
_TOO_FAST = {"rateLimitExceeded": False, "userRateLimitExceeded": True}  # whether it is the account's alone
_CONNECT = "Please connect the YouTube account again under Connections, and allow everything that is asked for."


@contextmanager
def translated(deed: str) -> Iterator[None]:
    """What Google's client raises within the block is raised as an error of ours that says what could not be done."""
    import httplib2
    from google.auth.exceptions import GoogleAuthError, TransportError
    from googleapiclient.errors import HttpError

    try:
        yield
    except HttpError as error:
        raise meaning(error, deed) from None
    except TransportError as error:
        raise Unavailable(f"YouTube broke off while {deed} ({type(error).__name__})", provider=PROVIDER) from None
    except GoogleAuthError:
        raise Refused(f"YouTube does not accept this account any more (while {deed}). {_CONNECT}") from None
    except (OSError, httplib2.HttpLib2Error, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"YouTube broke off while {deed} ({type(error).__name__})", provider=PROVIDER) from None


def meaning(error: Any, deed: str) -> AskStephenError:  # noqa: ANN401  (an HttpError: the client has no types)
    """The error of ours for an answer that says no."""
    status, reason = int(error.resp.status), reason_of(error)
    if held := _held_back(error, reason, deed):
        return held
    if status in _BUSY or status >= _ERRORS:
        return Unavailable(f"YouTube answered {status} while {deed}", provider=PROVIDER, retry_after=_wait(error))
    if status == _UNAUTHORISED or reason == "insufficientPermissions":
        return Refused(f"YouTube does not let this account go on with {deed}. {_CONNECT}")
    if status == _ABSENT:
        return NotFound(f"YouTube has nothing of that name (while {deed})")
    return Refused(f"YouTube refuses {deed}: {reason or status}")


def _held_back(error: Any, reason: str, deed: str) -> Unavailable | None:  # noqa: ANN401  (an HttpError)
    """That there were too many calls or uploads, and until when."""
    if reason in _OF_THE_PROJECT:
        words = f"YouTube's quota of the day is used up (while {deed}); it starts anew at midnight in California"
        return Unavailable(words, provider=PROVIDER, retry_after=until_midnight())
    if reason == "uploadLimitExceeded":
        words = "This channel has uploaded as many videos as YouTube takes of it in a day; it goes on tomorrow"
        return Unavailable(words, provider=PROVIDER, retry_after=timedelta(hours=24), of_owner=True)
    if reason in _TOO_FAST:
        words = f"YouTube asks for fewer calls (while {deed})"
        return Unavailable(words, provider=PROVIDER, retry_after=_wait(error), of_owner=_TOO_FAST[reason])
    return None


def reason_of(error: Any) -> str:  # noqa: ANN401  (an HttpError)
    """The word that Google has for it; empty where the answer is none of its errors."""
    details = error.error_details
    first = details[0] if isinstance(details, list) and details else {}
    return str(first.get("reason", "")) if isinstance(first, dict) else ""


def until_midnight() -> timedelta:
    """How long until the next day of California begins."""
    now = datetime.now(_PACIFIC)
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return tomorrow.astimezone(UTC) - now.astimezone(UTC)


def _wait(error: Any) -> timedelta | None:  # noqa: ANN401  (an HttpError)
    asked = str(error.resp.get("retry-after", ""))
    return timedelta(seconds=min(int(asked), 21600)) if asked.isdecimal() else None
