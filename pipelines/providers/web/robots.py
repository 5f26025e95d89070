"""What robots.txt asks, as RFC 9309 reads it: none there is a yes, one that cannot be had is a no for now."""

import threading
import time
from urllib.parse import urlsplit

from protego import Protego

from core.errors import Refused, Transient
from core.guard import Guard, fetch

_LIMIT_BYTES = 512_000
_KEPT_SECONDS = 6 * 3600.0
_KEPT_SITES = 2000
_LONGEST_DELAY_SECONDS = 30.0
_lock = threading.Lock()
_kept: dict[str, tuple[float, "Rules"]] = {}


class Rules:
    """The file of one site."""

    def __init__(self, text: str) -> None:
        self._parsed = Protego.parse(text)

    def allows(self, url: str, agent: str) -> bool:
        """Tell whether the page may be read."""
        return bool(self._parsed.can_fetch(url, agent))

    def delay(self, agent: str) -> float:
        """Seconds that the site wants between two looks, at most 30."""
        return min(float(self._parsed.crawl_delay(agent) or 0), _LONGEST_DELAY_SECONDS)


def get_rules(url: str, agent: str, guard: Guard | None = None) -> Rules:
    """Those of the page's site, at most six hours old. Raises Transient when they cannot be had, Refused."""
    parts = urlsplit(url)
    site = f"{parts.scheme}://{parts.netloc}"
    with _lock:
        found = _kept.get(site)
    if found and time.monotonic() - found[0] < _KEPT_SECONDS:
        return found[1]
    rules = Rules(_text(site, agent, guard))
    with _lock:
        if len(_kept) >= _KEPT_SITES:
            _kept.clear()
        _kept[site] = (time.monotonic(), rules)
    return rules


def forget() -> None:
    """For tests."""
    with _lock:
        _kept.clear()


def _text(site: str, agent: str, guard: Guard | None) -> str:
    try:
        answer = fetch(
            f"{site}/robots.txt", headers={"User-Agent": agent}, limit_bytes=_LIMIT_BYTES, deadline_seconds=10, guard=guard
        )
    except Refused as error:
        if "larger" in str(error):  # longer than anybody has to read
            return ""
        raise
    if answer.status >= 500 or answer.status == 429:  # noqa: PLR2004
        raise Transient(f"{site} does not say now what may be read there (robots.txt: {answer.status})")
    return answer.body.decode("utf-8", "replace") if answer.status < 300 else ""  # noqa: PLR2004
