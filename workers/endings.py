"""How an attempt that did not succeed ends: what each error means for its step."""

import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.orm import Session

from core.errors import AskStephenError, Cancelled, ChildDied, Released, Replaced, Snoozed, Transient, Unavailable
from core.log import get_logger, redact
from db import jobs

Ending = Callable[[Session], None]  # what is written under the fence

_log = get_logger(__name__)
_LONGEST_DELAY_SECONDS = 300.0
_LONGEST_STDERR = 4000
# A database that is full stays so for a while: without a delay a step would run thirty times a second.
_NO_ROOM_DELAY = timedelta(seconds=3)


def ending_of(held: jobs.Claim, error: Exception) -> Ending | None:
    """What to write of an attempt that this ended, or None where nothing is: another attempt holds the step."""
    match error:
        case Replaced():
            _log.warning("step.replaced")
            return None
        case ChildDied():
            return partial(_bury_child, held=held, error=error)
        case AskStephenError():
            return _declared(held, error)
        case DBAPIError() if passes(error):  # nobody's fault: no attempt counted
            _log.warning("step.database_lost", sqlstate=sqlstate(error))
            delay = _NO_ROOM_DELAY if (sqlstate(error) or "").startswith("53") else timedelta(0)
            return lambda session: jobs.release(session, held, delay=delay)
        case DBAPIError():
            _log.error("step.crashed", exc_info=error)
            return _retry_or_failure(held, "the database refused a statement; the log tells more", error)
        case _:  # a bug in a step must not take the worker with it
            _log.error("step.crashed", exc_info=error)
            return _retry_or_failure(held, f"unexpected {type(error).__name__}; the log tells more", error)


def passes(error: DBAPIError) -> bool:
    """Tell whether the same transaction may do well later.

    The server was away (classes 08 and 57), chose us to break a deadlock (40), or has no disk, memory or connection left (53).
    """
    state = sqlstate(error)
    if isinstance(error, DataError):  # the driver takes no such value, and needs no server to say so
        return False
    return error.connection_invalidated or state is None or state.startswith(("08", "57", "40", "53"))


def sqlstate(error: DBAPIError) -> str | None:
    """Postgres's code for what went wrong; None where the server said nothing."""
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state


def _declared(held: jobs.Claim, error: AskStephenError) -> Ending:
    match error:
        case Cancelled():
            return lambda session: jobs.cancel_step(session, held)
        case Released():
            return lambda session: jobs.release(session, held)
        case Snoozed(delay=delay):
            reason = _words(error)
            return lambda session: jobs.release(session, held, outcome="snoozed", delay=delay, reason=reason)
        case Unavailable():
            return partial(_wait_for_provider, held=held, error=error)
        case Transient(retry_after=retry_after):
            return _retry_or_failure(held, _words(error), error, retry_after)
        case _:
            return _failure(held, _words(error), error)


def _words(error: AskStephenError) -> str:
    """What it says, as the database takes it: a file's name may be no Unicode, and what a child said may hold a NUL."""
    return str(error).encode(errors="backslashreplace").decode().replace("\0", "")


def _wait_for_provider(session: Session, *, held: jobs.Claim, error: Unavailable) -> None:
    delay = jobs.record_failure(session, held.step_id, held.owner_id, error)
    if delay is None:
        _retry_or_failure(held, _words(error), error)(session)
    else:
        jobs.release(session, held, outcome="unavailable", delay=delay, reason=_words(error))


def _bury_child(session: Session, *, held: jobs.Claim, error: ChildDied) -> None:
    evidence, content = _without_secrets(error.evidence), error.evidence.get("content")
    if isinstance(content, str) and jobs.has_killed(session, content):
        jobs.quarantine(session, held, error=f"{_words(error)}; a child died on the same content before", evidence=evidence)
    else:
        _retry_or_failure(held, _words(error), error, error.retry_after, evidence=evidence)(session)


def _without_secrets(evidence: jobs.Evidence) -> jobs.Evidence:
    kept: dict[str, object] = redact(evidence)
    return kept | {"stderr": str(kept["stderr"])[-_LONGEST_STDERR:]} if "stderr" in kept else kept


def _failure(held: jobs.Claim, message: str, error: Exception, evidence: jobs.Evidence = jobs.NO_EVIDENCE) -> Ending:
    error_class = type(error).__name__
    return lambda session: jobs.fail(session, held, error=message, error_class=error_class, evidence=evidence)


def _retry_or_failure(
    held: jobs.Claim,
    message: str,
    error: Exception,
    retry_after: timedelta | None = None,
    *,
    evidence: jobs.Evidence = jobs.NO_EVIDENCE,
) -> Ending:
    if held.attempt >= held.max_attempts:
        return _failure(held, f"{message} (after {held.attempt} attempts)", error, evidence)
    delay = back_off(held.attempt) if retry_after is None else retry_after
    return lambda session: jobs.retry_later(session, held, error=message, delay=delay, evidence=evidence)


def back_off(attempt: int) -> timedelta:
    """How long to wait after attempt number `attempt` (from 1): doubling from 2 s to 5 minutes, spread by a fifth."""
    seconds = min(2.0**attempt, _LONGEST_DELAY_SECONDS)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311  (spread, not secrecy)
