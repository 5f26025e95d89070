"""Dropbox's webhooks: an address proves itself by an echo, then hears which accounts changed, signed with the app's secret."""

import hashlib
import hmac
import json
import secrets

from twins.faults import Faults
from twins.messenger import Messenger
from twins.store import Store


class Webhooks:
    """Addresses that proved themselves."""

    def __init__(self, store: Store, faults: Faults, messenger: Messenger) -> None:
        self._addresses = store.table("dropbox.webhooks")
        self._faults = faults
        self._messenger = messenger

    async def add(self, url: str, app_secret: str) -> bool:
        """Add an address; False where it does not echo the challenge."""
        if not await self._messenger.echoes(url, secrets.token_urlsafe(24)):
            return False
        self._addresses[url] = {"secret": app_secret}
        return True

    def tell(self, account_id: str) -> None:
        """Something of this account changed."""
        body = json.dumps({"list_folder": {"accounts": [account_id]}, "delta": {"users": [1]}}).encode()
        for url, kept in self._addresses.rows():
            if self._faults.take("dropbox", f"PUSH {url}") is None:
                signature = hmac.new(kept["secret"].encode(), body, hashlib.sha256).hexdigest()
                headers = {
                    "X-Dropbox-Signature": signature,
                    "Content-Type": "application/json",
                    "User-Agent": "DropboxWebhooks/1.0",
                }
                self._messenger.send(url, headers, body)
