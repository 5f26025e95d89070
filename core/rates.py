"""How many requests somebody may make in a time, counted in Redis for all web processes together. Without it nothing is counted.

Each quota refills evenly (the generic cell rate algorithm): no burst of twice the quota where two windows meet, and one number per
counter. The numbers are worth nothing after a window, so Redis may lose them: this is a wire's work, not the truth's.
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

import redis

from core.log import get_logger

_log = get_logger(__name__)
_TIMEOUT_SECONDS, _BACK_OFF_SECONDS = 0.1, 1.0
# All or none: what one quota refuses is not taken from the others. `tat` is when the quota would be whole again.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers, kept, refused = {}, {}, false
for i, key in ipairs(KEYS) do
    local quota, window, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    local each = window / quota
    local tat = math.max(tonumber(redis.call('GET', key) or 0), now)
    local after = tat + cost * each
    local wait = math.max(0, after - now - window)
    if ARGV[#ARGV] == '1' then after, wait = math.min(after, now + window), 0 end
    if wait > 0 then refused = true end
    kept[i] = after
    local shown = wait > 0 and tat or after
    answers[i] = {math.floor((window - (shown - now)) / each + 0.0001), math.ceil(shown - now), math.ceil(wait)}
end
if not refused then
    for i, key in ipairs(KEYS) do
        redis.call('SET', key, string.format('%.3f', kept[i]), 'PX', math.ceil(kept[i] - now) + 1)
    end
end
return answers
"""


@dataclass(frozen=True, slots=True)
class Quota:
    """So many requests in so many seconds."""

    name: str
    requests: int
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a quota, when it is whole again, and how long to wait where it was not enough."""

    quota: Quota
    requests: int
    whole_in_seconds: float
    wait_seconds: float


class Rates:
    """Callable from any thread. While Redis is away everybody may: it is asked again after a second, not by every request."""

    def __init__(self, url: str) -> None:
        self._client: redis.Redis | None = None
        if url:
            self._client = redis.Redis.from_url(
                url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=None
            )
        self._away_until = 0.0

    def take(self, wanted: Mapping[Quota, str], *, cost: int = 1, forced: bool = False) -> list[Left] | None:
        """Take `cost` from each of these quotas of whom it names, or from none where one is short; `forced`, what there is.

        None: nothing was counted.
        """
        if self._client is None or time.monotonic() < self._away_until:
            return None
        keys = [f"rate:{quota.name}:{whose}" for quota, whose in wanted.items()]
        numbers = [number for quota in wanted for number in (quota.requests, quota.seconds * 1000, cost)]
        try:
            answers = self._client.eval(_TAKE, len(keys), *keys, *numbers, int(forced))
        except redis.RedisError as error:
            self._away_until = time.monotonic() + _BACK_OFF_SECONDS
            _log.warning("rates.not_counted", error=type(error).__name__)
            return None
        return [
            Left(quota, max(0, left), whole / 1000, wait / 1000)
            for quota, (left, whole, wait) in zip(wanted, answers, strict=True)
        ]

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            with contextlib.suppress(redis.RedisError):
                self._client.close()
