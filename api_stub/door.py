"""What is looked at before a request reaches its route: how large and how deep its body is, and how many came before it.

Rates are counted per user (whichever key or session they come with) and per address; who sends wrong keys uses an address up fast.
In local mode, on loopback, nobody is counted.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_stub.browser import SAFE_METHODS
from api_stub.problems import Problem
from core.rates import Left, Quota, Rates

BODY_BYTES = 1 << 20
DEEPEST = 64
# They read their bodies block by block, and have limits of their own.
_STREAMED = ("/api/upload", "/files", "/ops/schema", "/schema")
_STREAMED_ENDINGS = ("/speaker-image", "/upload-thumbnail")
_UNCOUNTED = ("/livez", "/readyz", "/metrics", "/static/")
_WRONG_KEY_COST = 40
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_STATE = "askstephen.rates"


class Door:
    """Plain ASGI, inside the guard: it holds a body that is small enough, and hands on others as they arrive."""

    def __init__(self, app: ASGIApp, *, rates: Rates, address: Quota) -> None:
        self._app = app
        self._rates = rates
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                tell(message, scope.get(_STATE, []))
            await send(message)

        refused = await self._count(scope)
        if refused is None and not _is_streamed(scope["path"]):
            receive, refused = await _held(scope, receive)
        answer = refused.answer(Request(scope)) if refused else self._app
        await answer(scope, receive, send_on)
        if status == 401:  # noqa: PLR2004
            await run_in_threadpool(self._rates.take, {self._address: _whence(scope)}, cost=_WRONG_KEY_COST, forced=True)

    async def _count(self, scope: Scope) -> Problem | None:
        if scope["path"].startswith(_UNCOUNTED):
            return None
        left = await run_in_threadpool(self._rates.take, {self._address: _whence(scope)})
        wait = longest_wait(left or [])
        if not wait:
            return None
        scope[_STATE] = left
        return Problem(429, "Too Many Requests", _WORDS.format(wait), {"Retry-After": str(wait)})


def _whence(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else "nowhere"


def _is_streamed(path: str) -> bool:
    return path.startswith(_STREAMED) or path.endswith(_STREAMED_ENDINGS)


async def _held(scope: Scope, receive: Receive) -> tuple[Receive, Problem | None]:
    """The body read to its end, to be received anew; or why it is not taken."""
    headers = Headers(scope=scope)
    declared = headers.get("content-length", "")
    if scope["method"] in SAFE_METHODS and not declared and "transfer-encoding" not in headers:
        return receive, None
    if declared.isdecimal() and int(declared) > BODY_BYTES:
        return receive, _TOO_LARGE
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return _once(message, receive), None  # the client hung up: whoever reads on is told so
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            return receive, _TOO_LARGE
        if not message.get("more_body", False):
            break
    if depth(body) > DEEPEST:
        return receive, Problem(_malformed_status(scope), "Invalid", f"this body is nested deeper than {DEEPEST} levels")
    return _once({"type": "http.request", "body": bytes(body), "more_body": False}, receive), None


def _malformed_status(scope: Scope) -> int:
    return 400 if scope["path"].startswith("/api/") else 422


def _once(message: Message, receive: Receive) -> Receive:
    held: list[Message] = [message]

    async def again() -> Message:
        return held.pop() if held else await receive()

    return again


_TOO_LARGE = Problem(
    413, "Content Too Large", f"a request of this kind holds at most {BODY_BYTES} bytes", {"Connection": "close"}
)


def depth(body: bytes | bytearray) -> int:
    """How deep the brackets of a JSON text stand in each other. Of anything else, some number."""
    deepest = now = 0
    for token in _TOKENS.finditer(body):
        if token[0] in {b"[", b"{"}:
            now += 1
            deepest = max(deepest, now)
        elif token[0] in {b"]", b"}"}:
            now -= 1
    return deepest


_WORDS = "too many requests came; try again in {} seconds"


def longest_wait(left: Sequence[Left]) -> int:
    """Whole seconds until all of it may be tried again; 0 where it may now."""
    return math.ceil(max((one.wait_seconds for one in left), default=0.0))


def tell(message: Message, left: Sequence[Left]) -> None:
    """What is left, as the draft "RateLimit header fields for HTTP" (-11) spells it."""
    if not left:
        return
    headers = MutableHeaders(scope=message)
    headers["RateLimit-Policy"] = ", ".join(f'"{one.quota.name}";q={one.quota.requests};w={one.quota.seconds}' for one in left)
    headers["RateLimit"] = ", ".join(f'"{one.quota.name}";r={one.requests};t={math.ceil(one.whole_in_seconds)}' for one in left)


def get_rates(request: Request) -> Rates:
    """Where requests are counted."""
    rates: Rates = request.app.state.rates
    return rates


RatesHere = Annotated[Rates, Depends(get_rates)]


def count(request: Request, user: str, rates: Rates) -> None:
    """Take this request from what its user may do. Raises HTTP 429."""
    quotas: Mapping[str, Quota] = request.app.state.quotas
    wanted = {quotas["user"]: user}
    if request.method not in SAFE_METHODS and not request.url.path.startswith("/files"):
        wanted[quotas["writes"]] = user
    left = rates.take(wanted) or []
    request.scope[_STATE] = left
    wait = longest_wait(left)
    if wait:
        raise HTTPException(429, _WORDS.format(wait), {"Retry-After": str(wait)})
