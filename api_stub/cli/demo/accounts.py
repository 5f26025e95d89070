"""Connects accounts of the twins as their owner's browser does."""

import ssl

import httpx

from api_stub.cli.demo.stage import Stage
from core.errors import Refused

# What the twins take for this installation's registrations.
SETTINGS = {
    "GOOGLE_CLIENT_ID": "demo-client",
    "GOOGLE_CLIENT_SECRET": "demo-secret",
    "DROPBOX_APP_KEY": "demo-app",
    "DROPBOX_APP_SECRET": "demo-secret",
}


def connect(stage: Stage, provider: str) -> None:
    """Agree on the provider's page, and come back. Raises Refused."""
    page = stage.watcher.send(f"/v1/connections/{provider}/start")["url"]
    trust = ssl.create_default_context(cafile=str(stage.twins.home / "authority.pem"))
    proxy = stage.twins.environment()["HTTPS_PROXY"]
    with httpx.Client(proxy=proxy, verify=trust, trust_env=False, timeout=30) as browser:
        for _ in range(5):  # the page may be spoilt too
            answer = browser.get(page)
            if answer.is_redirect:
                stage.watcher.text(answer.headers["Location"])
                return
    raise Refused(f"{provider} shows no page to agree on: HTTP {answer.status_code}")


def connection_of(stage: Stage, provider: str) -> int:
    """The id of the connected account that holds files."""
    rows = stage.watcher.json("/api/cloud-connections")
    return next(int(row["id"]) for row in rows if row["provider"] == provider)
