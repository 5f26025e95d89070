"""Lead searches by an external workflow (n8n, say): the search is posted to it, and it answers at once or calls back."""

import json
from collections.abc import Mapping
from typing import Any

from core.errors import Misconfigured, Refused
from core.settings import Settings
from pipelines.providers.signed import NoReply, SignedPost

CALLBACK = "/api/leads/webhook/results"
_PROVIDER = "workflow"
_DEADLINE_SECONDS = 30.0
_LIMIT_BYTES = 8 << 20
_SETTINGS = ("LEADS_WEBHOOK_URL", "LEADS_WEBHOOK_SECRET")


class Workflow:
    """One address. The search itself goes there under the same id again whenever it is not known whether it came."""

    name = "workflow"
    provider = _PROVIDER

    def __init__(self, config: Settings) -> None:
        url, secret = config.leads_webhook_url.get_secret_value(), config.leads_webhook_secret.get_secret_value()
        if not url:
            raise Misconfigured("LEADS_PROVIDER is workflow: set LEADS_WEBHOOK_URL and LEADS_WEBHOOK_SECRET")
        self._post = SignedPost(url, secret, settings=_SETTINGS, what="workflow", provider=_PROVIDER)
        self._callback = f"{config.public_url.rstrip('/')}{CALLBACK}" if config.public_url else None

    def ask(self, message_id: str, search: Mapping[str, Any]) -> dict[str, Any] | None:
        """What it answers at once, as its callback would say it, or None: it will call back.

        One that is still at work when the request's time is over is waited for too. Raises Unavailable, Refused, Misconfigured.
        """
        body = json.dumps({"domain": "askstephen", "webapp": "askstephen", **search, "callback_url": self._callback}).encode()
        try:
            reply = self._post.send(message_id, body, deadline_seconds=_DEADLINE_SECONDS, limit_bytes=_LIMIT_BYTES)
        except NoReply:
            if self._callback is None:
                raise
            return None
        answer = read_reply(reply)
        if answer is None and self._callback is None:
            raise Misconfigured("the workflow will call back, and PUBLIC_URL, under which it would reach us, is not set")
        return answer


LISTINGS = Workflow


def read_reply(reply: bytes) -> dict[str, Any] | None:
    """`{results}` or `{error}`, where the reply has one of them: an array, or a document; else None. Raises Refused."""
    try:
        told = json.loads(reply or b"{}")
    except ValueError:
        raise Refused("The workflow answered with something that is not JSON.") from None
    if isinstance(told, list):
        told = {"results": told}
    if not isinstance(told, dict):
        raise Refused("The workflow answered with neither results nor a document.")
    if isinstance(told.get("error"), str) and told["error"]:
        return {"error": told["error"]}
    return {"results": told["results"]} if isinstance(told.get("results"), list) else None
