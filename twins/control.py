"""The twins' own address on loopback: faults, grants, records, and what was seen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from twins.base import Twin
from twins.clerk import Clerk
from twins.door import Notes
from twins.dropbox.webhooks import Webhooks
from twins.faults import ON_THE_WAY, Fault, Faults
from twins.oauth import Tokens
from twins.proxy import HostProxy
from twins.store import Store


class Control:
    """What tests and `askstephen twins` may ask of the twins themselves."""

    def __init__(
        self,
        *,
        store: Store,
        twins: Sequence[Twin],
        tokens: Mapping[str, Tokens],
        faults: Faults,
        notes: Notes,
        proxy: HostProxy,
        clerk: Clerk,
        webhooks: Webhooks,
    ) -> None:
        self._store = store
        self._kinds = {twin.name: {*twin.refusals, *ON_THE_WAY} for twin in twins}
        self._tokens = tokens
        self._faults = faults
        self._notes = notes
        self._proxy = proxy
        self._clerk = clerk
        self._webhooks = webhooks

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/faults", self._add_fault, methods=["POST"]),
                Route("/faults", self._clear_faults, methods=["DELETE"]),
                Route("/level", self._set_level, methods=["PUT"]),
                Route("/grants/{service}", self._grant, methods=["POST"]),
                Route("/grants/{service}/expire", self._expire, methods=["POST"]),
                Route("/records/{table}/{id:path}", self._put_record, methods=["PUT"]),
                Route("/records/{table}", self._put_records, methods=["PUT"]),
                Route("/records/{table}", self._list_records, methods=["GET"]),
                Route("/records/{table}", self._clear_records, methods=["DELETE"]),
                Route("/seen", self._list_seen, methods=["GET"]),
                Route("/dropbox/webhooks", self._add_webhook, methods=["POST"]),
                Route("/clerk/tokens", self._mint, methods=["POST"]),
                Route("/clerk/rotate", self._rotate, methods=["POST"]),
            ]
        )

    async def _add_fault(self, request: Request) -> Response:
        """Command a fault; a twin or kind that is not there is told what is."""
        try:
            fault = Fault(**await request.json())
        except TypeError as wrong:
            return JSONResponse(
                {"detail": f"a fault has twin, kind, times, match, seconds, retry_after, after_bytes: {wrong}"}, 422
            )
        if fault.twin not in self._kinds:
            return JSONResponse({"detail": f"there is no twin {fault.twin}; there are {', '.join(sorted(self._kinds))}"}, 422)
        if fault.kind not in (kinds := self._kinds[fault.twin]):
            return JSONResponse(
                {"detail": f"{fault.twin} has no fault {fault.kind}; there are {', '.join(sorted(kinds))}"}, 422
            )
        self._faults.add(fault)
        return Response(status_code=204)

    async def _clear_faults(self, _request: Request) -> Response:
        self._faults.clear()
        return Response(status_code=204)

    async def _set_level(self, request: Request) -> Response:
        asked = await request.json()
        self._faults.set_level(every=int(asked["every"]), seed=int(asked["seed"]))
        return Response(status_code=204)

    async def _grant(self, request: Request) -> Response:
        """Tokens as if a person had agreed."""
        asked = await request.json()
        tokens = self._tokens[request.path_params["service"]]
        granted = tokens.grant(asked["account"], tuple(asked["scopes"]), lifetime_seconds=asked.get("lifetime_seconds"))
        return JSONResponse(granted)

    async def _expire(self, request: Request) -> Response:
        self._tokens[request.path_params["service"]].expire()
        return Response(status_code=204)

    async def _put_record(self, request: Request) -> Response:
        """Put what no API of the service can create: a place, a channel, an answer of the model."""
        self._store.table(request.path_params["table"])[request.path_params["id"]] = await request.json()
        return Response(status_code=204)

    async def _put_records(self, request: Request) -> Response:
        """Many of them, by their ids."""
        records = await request.json()
        with self._store.whole():
            self._store.table(request.path_params["table"]).update(records)
        return Response(status_code=204)

    async def _list_records(self, request: Request) -> Response:
        return JSONResponse(dict(self._store.table(request.path_params["table"]).rows()))

    async def _clear_records(self, request: Request) -> Response:
        self._store.table(request.path_params["table"]).clear()
        return Response(status_code=204)

    async def _list_seen(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "requests": [asdict(seen) for seen in self._notes.seen],
                "wrong_answers": self._notes.wrong_answers,
                "refused_hosts": self._proxy.refused,
            }
        )

    async def _add_webhook(self, request: Request) -> Response:
        asked = await request.json()
        if await self._webhooks.add(asked["url"], asked["secret"]):
            return Response(status_code=204)
        return JSONResponse({"detail": f"{asked['url']} did not echo the challenge"}, 422)

    async def _mint(self, request: Request) -> Response:
        return JSONResponse({"token": self._clerk.mint(await request.json())})

    async def _rotate(self, _request: Request) -> Response:
        self._clerk.rotate()
        return Response(status_code=204)
