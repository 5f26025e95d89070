"""No site is asked by this process twice within a moment."""

import threading
import time
from datetime import timedelta

from core.errors import Snoozed

_LEAST_SECONDS = 1.0
_KEPT_SITES = 2000
_lock = threading.Lock()
_next_at: dict[str, float] = {}


def take_turn(site: str, delay_seconds: float) -> None:
    """Returns when the site may be asked now, and counts it as asked. Raises Snoozed when it was asked a moment ago."""
    now = time.monotonic()
    with _lock:
        if len(_next_at) >= _KEPT_SITES:
            for other in [other for other, at in _next_at.items() if at <= now]:
                del _next_at[other]
        at = _next_at.get(site, 0.0)
        if at <= now:
            _next_at[site] = now + max(_LEAST_SECONDS, delay_seconds)
            return
    raise Snoozed(f"{site} was asked a moment ago", delay=timedelta(seconds=at - now + 0.05))


def forget() -> None:
    """For tests."""
    with _lock:
        _next_at.clear()
