"""Where messages to users go: the operator's webhook, e-mail, or a folder of this machine where neither is configured."""

from core.errors import Misconfigured
from core.settings import Settings
from pipelines.providers.messages.base import Channel, Message
from pipelines.providers.messages.folder import Folder
from pipelines.providers.messages.mail import Mail
from pipelines.providers.messages.webhook import Webhook

__all__ = ["Channel", "Message", "get_channel"]


def get_channel(config: Settings) -> Channel:
    """The one that these settings name. Opens no connection. Raises Misconfigured."""
    url, mail = config.tell_webhook_url.get_secret_value(), config.smtp_url.get_secret_value()
    wanted = config.tell_by
    if wanted == "auto":
        wanted = "webhook" if url else "email" if mail else "outbox"
    if wanted == "webhook":
        if not url:
            raise Misconfigured("TELL_BY is webhook: set TELL_WEBHOOK_URL and TELL_WEBHOOK_SECRET")
        return Webhook(url, config.tell_webhook_secret.get_secret_value())
    if wanted == "email":
        if not mail or not config.smtp_from:
            raise Misconfigured("e-mail needs SMTP_URL (smtp://user:password@host:587) and SMTP_FROM")
        return Mail(mail, config.smtp_from)
    return Folder(config.home / "outbox")
