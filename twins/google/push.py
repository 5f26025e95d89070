"""Watch channels: a notification says only that something changed, and carries no signature but the token of who asked for it."""

import time
from email.utils import formatdate
from urllib.parse import urlsplit

from twins.faults import Faults
from twins.google.api import not_found, refused
from twins.messenger import Messenger
from twins.store import Record, Store

_DEFAULT_SECONDS, _LONGEST_SECONDS = 3600, 604_800


class Channels:
    """Open channels by id, kept until they are stopped or over."""

    def __init__(self, store: Store, faults: Faults, messenger: Messenger) -> None:
        self._channels = store.table("drive.channels")
        self._faults = faults
        self._messenger = messenger

    def open(self, account: str, asked: Record, *, resource: str) -> Record:
        """Open a channel and greet its address with `sync`. Left without an expiration it lives one hour."""
        address = urlsplit(asked.get("address", ""))
        if address.scheme != "https" and address.hostname not in {"127.0.0.1", "localhost"}:
            raise refused(400, "push.webhookUrlNotHttps", f"WebHook callback must be HTTPS: {asked.get('address')}")
        if asked.get("type") not in {"web_hook", "webhook"}:
            raise refused(400, "invalid", "Invalid Value: type")
        if asked.get("id") in self._channels:
            raise refused(400, "channelIdNotUnique", f"Channel id {asked['id']} not unique")
        now = time.time()
        ends_at = min(float(asked.get("expiration", (now + _DEFAULT_SECONDS) * 1000)) / 1000, now + _LONGEST_SECONDS)
        channel = {
            "id": asked["id"],
            "account": account,
            "address": asked["address"],
            "token": asked.get("token"),
            "resourceId": f"resource-{account}",
            "resourceUri": resource,
            "ends_at": ends_at,
            "message": 0,
        }
        self._channels[asked["id"]] = channel
        self._send(channel, "sync")
        return {
            "kind": "api#channel",
            "id": asked["id"],
            "resourceId": channel["resourceId"],
            "resourceUri": resource,
            "token": asked.get("token") or "",
            "expiration": str(int(ends_at * 1000)),
        }

    def stop(self, account: str, asked: Record) -> None:
        channel = self._channels.get(asked.get("id", ""))
        if channel is None or channel["account"] != account or channel["resourceId"] != asked.get("resourceId"):
            raise not_found("Channel", str(asked.get("id")))
        del self._channels[asked["id"]]

    def tell(self, account: str) -> None:
        """Something of this account changed."""
        for key, channel in self._channels.rows():
            if channel["ends_at"] <= time.time():
                del self._channels[key]
            elif channel["account"] == account:
                self._send(channel, "change")

    def _send(self, channel: Record, status: str) -> None:
        channel["message"] += 1
        self._channels[channel["id"]] = channel
        headers = {
            "X-Goog-Channel-ID": channel["id"],
            "X-Goog-Channel-Expiration": formatdate(channel["ends_at"], usegmt=True),
            "X-Goog-Resource-ID": channel["resourceId"],
            "X-Goog-Resource-URI": channel["resourceUri"],
            "X-Goog-Resource-State": status,
            "X-Goog-Message-Number": str(channel["message"]),
        }
        if channel["token"] is not None:
            headers["X-Goog-Channel-Token"] = channel["token"]
        if self._faults.take("drive", f"PUSH {channel['address']}") is None:
            self._messenger.send(channel["address"], headers, b"")
