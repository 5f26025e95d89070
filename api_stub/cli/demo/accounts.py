"""Connects accounts of the twins as their owner's browser does."""

import ssl
from contextlib import suppress

import httpx

from api_stub.cli.demo.stage import Stage
from core.errors import Refused

_TRIES = 8

# What the twins take for this installation's registrations.
SETTINGS = {
    "GOOGLE_CLIENT_ID": "demo-client",
    "GOOGLE_CLIENT_SECRET": "demo-secret",
    "DROPBOX_APP_KEY": "demo-app",
    "DROPBOX_APP_SECRET": "demo-secret",
}


def connect(stage: Stage, provider: str) -> None:
    """Agree on the provider's page, and come back; again where a spoilt answer stands in the way. Raises Refused."""
    for _ in range(_TRIES):
        page = stage.watcher.send(f"/v1/connections/{provider}/start")["url"]
        back = _agree(stage, page)
        with suppress(Refused):  # the exchange of the code may be spoilt as well: its owner agrees once more
            if back is not None:
                stage.watcher.text(back)
                return
    raise Refused(f"{provider} was not connected in {_TRIES} tries")


def _agree(stage: Stage, page: str) -> str | None:
    """Where the page leads who agrees."""
    trust = ssl.create_default_context(cafile=str(stage.twins.home / "authority.pem"))
    proxy = stage.twins.environment()["HTTPS_PROXY"]
    with httpx.Client(proxy=proxy, verify=trust, trust_env=False, timeout=30) as browser, suppress(httpx.TransportError):
        answer = browser.get(page)
        return str(answer.headers["Location"]) if answer.is_redirect else None
    return None


def connection_of(stage: Stage, provider: str) -> int:
    """The id of the connected account that holds files."""
    rows = stage.watcher.json("/api/cloud-connections")
    return next(int(row["id"]) for row in rows if row["provider"] == provider)
