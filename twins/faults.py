"""Failures on command: the next matching requests fail in a named way, or one answer in every so many is bad.

What a service itself would say (a rate limit, an outage, an expired token, a spent quota) each twin words as its service does.
What happens on the way is the same for all: see `ON_THE_WAY`.
"""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from twins.store import Store

ON_THE_WAY = {
    "slow": "the answer waits `seconds`",
    "dropped": "the connection breaks before the request is looked at",
    "half": "half of the request's body arrives, then the connection breaks",
    "lost": "the request is done, its answer never arrives",
    "cut": "the answer breaks off after `after_bytes` of its body (default: half)",
    "corrupt": "one byte in the middle of the answer's body is another",
    "ignore_range": "the Range header is not seen: 200 with everything",
    "no_push": "a notification is not sent (match: PUSH and the address)",
}
LEVEL_KINDS = ("rate_limit", "unavailable", "server_error", "dropped", "lost", "cut", "slow")


@dataclass(frozen=True, slots=True)
class Fault:
    """The next `times` requests of a twin whose `METHOD /path` the expression finds fail so."""

    twin: str
    kind: str
    times: int = 1
    match: str = ""
    seconds: float = 0.2
    retry_after: int | None = None
    after_bytes: int | None = None


class Faults:
    """Which fault a request meets. Commands are kept and counted in the store: a restarted twin still owes what it owed."""

    def __init__(self, store: Store) -> None:
        self._commands = store.table("faults")
        self._level = store.table("fault_level")
        self._place = 0

    def add(self, fault: Fault) -> None:
        self._commands.append(asdict(fault))

    def clear(self) -> None:
        """Forget every command, and the level."""
        self._commands.clear()
        self._level.clear()

    def set_level(self, *, every: int, seed: int) -> None:
        """Of each `every` answers one is bad; which one and how is drawn by the seed. 0 switches it off."""
        self._level["now"] = {"every": every, "seed": seed}
        self._place = 0

    def take(self, twin: str, request: str, *, level_kinds: Iterable[str] = ()) -> Fault | None:
        """The fault that this request (`METHOD /path`) meets, which is thereby used up."""
        for key, kept in self._commands.rows():
            fault = Fault(**kept)
            if (
                fault.twin == twin
                and re.search(fault.match, request)
                and (fault.kind == "no_push") == request.startswith("PUSH")
            ):
                if fault.times > 1:
                    self._commands[key] = {**kept, "times": fault.times - 1}
                else:
                    del self._commands[key]
                return fault
        kind = self._drawn(tuple(level_kinds))
        return Fault(twin, kind) if kind else None

    def _drawn(self, kinds: tuple[str, ...]) -> str | None:
        level = self._level.get("now")
        if not level or not level["every"] or not kinds:
            return None
        block, place = divmod(self._place, level["every"])
        self._place += 1
        draw = random.Random(f"{level['seed']} {block}")  # noqa: S311  the same seed is the same run
        return draw.choice(kinds) if draw.randrange(level["every"]) == place else None


def broken_off(body_bytes: int, after_bytes: int | None) -> Callable[[bytes], bytes]:
    """What still passes of each piece of a body that breaks off after so many bytes, or at its half."""
    left = body_bytes // 2 if after_bytes is None else after_bytes

    def passing(piece: bytes) -> bytes:
        nonlocal left
        passed = piece[:left]
        left -= len(passed)
        return passed

    return passing
