"""Where every request comes in: finds its twin by host and path, applies the fault it meets, and notes what happened."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twins.base import Refused, Twin
from twins.faults import LEVEL_KINDS, Fault, Faults, broken_off

log = logging.getLogger("twins")


@dataclass(slots=True)
class Seen:
    """One request and what became of it; `status` 0: no answer."""

    twin: str
    request: str
    query: str
    headers: dict[str, str]
    fault: str | None = None
    status: int = 0


@dataclass(slots=True)
class Notes:
    """The latest requests, and every answer that its service's own types forbid."""

    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=10_000))
    wrong_answers: list[str] = field(default_factory=list)


class Door:
    """The ASGI application of all twins. A Host that is no service's is `control`."""

    def __init__(self, twins: Sequence[Twin], faults: Faults, notes: Notes, control: ASGIApp) -> None:
        self._twins = twins
        self._faults = faults
        self._notes = notes
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        host = request.headers.get("host", "").partition(":")[0]
        if host in {"127.0.0.1", "localhost"}:
            await self._control(scope, receive, send)
            return
        twin = next((twin for twin in self._twins if host in twin.hosts and twin.serves(request.url.path)), None)
        if twin is None:
            await PlainTextResponse(f"no twin serves {host}{request.url.path}", 404)(scope, receive, send)
            return
        words = f"{request.method} {request.url.path}"
        seen = Seen(twin.name, words, request.url.query, dict(request.headers))
        self._notes.seen.append(seen)
        kinds = [kind for kind in LEVEL_KINDS if kind in twin.refusals or kind in _ON_THE_WAY]
        fault = self._faults.take(twin.name, words, level_kinds=kinds)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            await send(message)

        if fault is None:
            await self._answer(twin, scope, receive, noting)
            return
        seen.fault = fault.kind
        if fault.kind in twin.refusals:
            await twin.refusals[fault.kind](fault)(scope, receive, noting)
            return
        await _ON_THE_WAY[fault.kind](_Meeting(fault, scope, receive, noting), lambda *app: self._answer(twin, *app))

    async def _answer(self, twin: Twin, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await twin.answer(Request(scope, receive))
        except Refused as refused:
            response = refused.response
        except ClientDisconnect:
            return
        except Exception as wrong:  # whatever it is, it is the twin's: told to the client, and to the test that asks
            log.exception("%s %s", twin.name, scope["path"])
            self._notes.wrong_answers.append(f"{twin.name}: {wrong!r}")
            response = PlainTextResponse(f"the twin is wrong: {wrong!r}", 501)
        await response(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A request and the fault on the way that it meets."""

    fault: Fault
    scope: Scope
    receive: Receive
    send: Send

    async def break_connection(self) -> None:
        """As a pulled cable would; returns once it is gone."""
        self.scope["state"]["break_connection"]()
        while (await self.receive())["type"] != "http.disconnect":
            pass


async def _slow(met: _Meeting, app: ASGIApp) -> None:
    await asyncio.sleep(met.fault.seconds)
    await app(met.scope, met.receive, met.send)


async def _dropped(met: _Meeting, _app: ASGIApp) -> None:
    await met.break_connection()


async def _half(met: _Meeting, app: ASGIApp) -> None:
    headers = Request(met.scope).headers
    passing = broken_off(int(headers.get("content-length", "0")), met.fault.after_bytes)

    async def receive() -> Message:
        message = await met.receive()
        passed = passing(message.get("body", b""))
        if passed != message.get("body", b"") or not message.get("more_body"):
            await met.break_connection()
            return {"type": "http.disconnect"} if not passed else {**message, "body": passed, "more_body": True}
        return message

    async def send(_message: Message) -> None:
        pass

    await app(met.scope, receive, send)


async def _lost(met: _Meeting, app: ASGIApp) -> None:
    async def send(_message: Message) -> None:
        pass

    await app(met.scope, met.receive, send)
    await met.break_connection()


async def _cut(met: _Meeting, app: ASGIApp) -> None:
    passing: Callable[[bytes], bytes] = bytes

    async def send(message: Message) -> None:
        nonlocal passing
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            passing = broken_off(int(headers.get(b"content-length", b"0")), met.fault.after_bytes)
            await met.send(message)
            return
        body = message.get("body", b"")
        passed = passing(body)
        if passed != body or not message.get("more_body"):
            await met.send({**message, "body": passed, "more_body": True})
            await asyncio.sleep(0)  # what passed is on its way before the connection ends
            met.scope["state"]["end_connection"]()
            return
        await met.send(message)

    await app(met.scope, met.receive, send)


async def _corrupt(met: _Meeting, app: ASGIApp) -> None:
    async def send(message: Message) -> None:
        body = message.get("body", b"")
        if body:
            middle = len(body) // 2
            message = {**message, "body": body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]}
        await met.send(message)

    await app(met.scope, met.receive, send)


async def _ignore_range(met: _Meeting, app: ASGIApp) -> None:
    headers = [(name, value) for name, value in met.scope["headers"] if name != b"range"]
    await app({**met.scope, "headers": headers}, met.receive, met.send)


_ON_THE_WAY = {
    "slow": _slow,
    "dropped": _dropped,
    "half": _half,
    "lost": _lost,
    "cut": _cut,
    "corrupt": _corrupt,
    "ignore_range": _ignore_range,
}
