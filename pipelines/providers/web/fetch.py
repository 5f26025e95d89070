"""One look at a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from core.errors import Transient
from core.guard import Answer, Guard, fetch
from core.settings import settings
from pipelines.providers.web import robots
from pipelines.providers.web.pace import take_turn

_LIMIT_BYTES = 5_000_000
_LONGEST_WAIT_SECONDS = 3600
_LATER = {429, 503}
_OLD_ENOUGH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Page:
    """What a site answered. Without `is_allowed`, it asks not to be read, and nothing else is told."""

    status: int
    url: str
    body: bytes = b""
    encoding: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    is_allowed: bool = True

    @property
    def is_unchanged(self) -> bool:
        """The site says that there is nothing new."""
        return self.status == 304  # noqa: PLR2004


def fetch_page(url: str, *, etag: str | None = None, last_modified: str | None = None, guard: Guard | None = None) -> Page:
    """The page, or that there is nothing new since `etag` or `last_modified`; with whatever status it has.

    Raises Refused when the URL is not to be followed or the page is too large; Transient when the site cannot be reached or says when to
    come again; Snoozed when it was asked a moment ago.
    """
    agent = settings().web_user_agent
    rules = robots.get_rules(url, agent, guard)
    if not rules.allows(url, agent):
        return Page(0, url, is_allowed=False)
    take_turn(urlsplit(url).netloc, rules.delay(agent))
    headers = {
        "User-Agent": agent,
        "Accept": "text/html,application/xhtml+xml,application/atom+xml;q=0.9",
        "Accept-Language": "en",
    }
    headers |= {name: value for name, value in (("If-None-Match", etag), ("If-Modified-Since", last_modified)) if value}
    answer = fetch(url, headers=headers, limit_bytes=_LIMIT_BYTES, guard=guard)
    _check_for_later(answer)
    return Page(
        answer.status,
        answer.url,
        answer.body,
        _encoding(answer.headers),
        answer.headers.get("etag"),
        _trusted_date(answer.headers),
    )


def _trusted_date(headers: Mapping[str, str]) -> str | None:
    """When the page was last changed, unless that may have happened again within the same second (RFC 9110, 8.8.2.2)."""
    try:
        changed = parsedate_to_datetime(headers["last-modified"])
        is_old = parsedate_to_datetime(headers["date"]) - changed >= _OLD_ENOUGH
    except (KeyError, ValueError, TypeError):  # absent, no date, or one of two without a zone
        return None
    return headers["last-modified"] if is_old else None


def _check_for_later(answer: Answer) -> None:
    wait = answer.headers.get("retry-after", "")
    if answer.status in _LATER and wait.isdecimal():
        seconds = min(int(wait), _LONGEST_WAIT_SECONDS)
        raise Transient(
            f"{urlsplit(answer.url).hostname} asks to come again in {seconds} s", retry_after=timedelta(seconds=seconds)
        )


def _encoding(headers: Mapping[str, str]) -> str | None:
    _, _, rest = headers.get("content-type", "").partition("charset=")
    return rest.strip(" \"'").split(";")[0][:40] or None
