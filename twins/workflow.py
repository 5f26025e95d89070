"""The twin of an external workflow that searches for leads: takes each search once, answers at once or calls back, signed.

What it does is a record (`workflow`): `secret` holds `{"key": "whsec_…"}`, and each keyword `{"results": […]}` or `{"error": "…"}`, with
`at_once` where the reply has it already, and `calls`: how many times it calls back (1). A keyword without a record is never answered.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core import signatures
from twins.base import reply
from twins.faults import Fault
from twins.messenger import Messenger
from twins.store import Store


class Workflow:
    """`workflow.runs` holds each search that it was given, by the id of its message."""

    name = "workflow"
    hosts = ("workflow.twin.example",)
    refusals: Mapping[str, Callable[[Fault], Response]] = {
        "rate_limit": lambda fault: reply({"message": "slow down"}, 429, headers={"Retry-After": str(fault.retry_after or 1)}),
        "unavailable": lambda _: reply({"message": "the workflow is not running"}, 503),
        "server_error": lambda _: reply({"message": "workflow execution failed"}, 500),
        "not_found": lambda _: reply({"message": "the requested webhook is not registered"}, 404),
        "html": lambda _: Response("<h1>Welcome</h1>", media_type="text/html"),
    }

    def __init__(self, store: Store, messenger: Messenger) -> None:
        self._known = store.table("workflow")
        self._runs = store.table("workflow.runs")
        self._messenger = messenger

    def serves(self, path: str) -> bool:
        return path.startswith("/webhook/")

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        key = signatures.read_secret((self._known.get("secret") or {}).get("key", ""), "the record workflow/secret")
        if not signatures.is_signed(key, request.headers, body, now=time.time()):
            return reply({"message": "Authorization data is wrong!"}, 403)
        search: dict[str, Any] = json.loads(body)
        message_id = request.headers[signatures.ID]
        known = self._known.get(search["keyword"]) or {}
        told: dict[str, Any] = {name: known[name] for name in ("results", "error") if name in known}
        if known.get("at_once"):
            self._runs[message_id] = search
            return reply(told)
        if self._runs.get(message_id) is None:  # the same search again is the run that it is given already
            self._runs[message_id] = search
            for number in range(known.get("calls", 1) if told else 0):
                self._call_back(search, told, key, f"{message_id}-{number}")
        return reply({"success": True, "search_id": search["search_id"]})

    def _call_back(self, search: Mapping[str, Any], told: Mapping[str, Any], key: bytes, message_id: str) -> None:
        body = json.dumps({"search_id": search["search_id"], **told}).encode()
        headers = {"Content-Type": "application/json", **signatures.sign(key, message_id, body, now=time.time())}
        self._messenger.send(search["callback_url"], headers, body)
