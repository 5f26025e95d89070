"""Messages by POST to the operator's address, signed as Standard Webhooks says."""

import json
from datetime import UTC, datetime

from pipelines.providers.messages.base import Message
from pipelines.providers.signed import SignedPost

_PROVIDER = "webhook"
_DEADLINE_SECONDS = 20.0
_SETTINGS = ("TELL_WEBHOOK_URL", "TELL_WEBHOOK_SECRET")


class Webhook:
    """One address. It cannot be asked what came: what may have come is sent again under the same id."""

    name = "webhook"
    provider = _PROVIDER

    def __init__(self, url: str, secret: str) -> None:
        self._post = SignedPost(url, secret, settings=_SETTINGS, what="webhook", provider=_PROVIDER)

    def find(self, message: Message) -> bool:  # noqa: ARG002
        return False

    def send(self, message: Message) -> None:
        told = {"subject": message.subject, "text": message.text, "userId": message.user_id, **message.data}
        body = json.dumps({"type": message.kind, "timestamp": datetime.now(UTC).isoformat(), "data": told}).encode()
        self._post.send(message.id, body, deadline_seconds=_DEADLINE_SECONDS)
