"""A real Chromium, and what a page of it complained about."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright

from tests.conftest import lack

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
_ADVICE = "Chromium was not found: apt-get install chromium, or .venv/bin/playwright install chromium"
_NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


def launch(playwright: Playwright) -> Browser:
    """Start Chromium; where there is none, skip on a laptop and fail where CI is set."""
    own = playwright.chromium.executable_path
    path = next(filter(None, map(shutil.which, _NAMES)), own if Path(own).exists() else None)
    if path is None:
        lack(_ADVICE)
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    return playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *sandbox])


def _complains(page: Page, message: ConsoleMessage) -> bool:
    """Whether it is an error; that a page is not there is told of the page itself too, and is none."""
    is_own = message.text.startswith("Failed to load resource") and message.location["url"] == page.url
    return message.type in {"error", "warning"} and not is_own


@contextmanager
def uncomplaining(page: Page) -> Iterator[Page]:
    """The page, which must end without an error in its console and without a violation of the content policy."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if _complains(page, message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(_NOTE_VIOLATIONS)
    yield page
    complaints += page.evaluate("window.violations") or []
    assert complaints == []
