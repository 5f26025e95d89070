"""Requests of Dropbox's API by the SDK's own descriptions: which route, what argument, what may be answered."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from dropbox import auth, files, stone_serializers, stone_validators, users
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from twins.base import Refused, reply

_NAMESPACES: Mapping[str, ModuleType] = {"files": files, "users": users, "auth": auth}


@dataclass(frozen=True, slots=True)
class Call:
    """One checked call of a route. `argument` is an object of the SDK, or None."""

    request: Request
    argument: Any
    account: str
    content: bytes


Handler = Callable[[Call], Any | Awaitable[Any]]


class RouteError(Exception):
    """A route ends with an error of its own type (409)."""

    def __init__(self, error: object) -> None:
        super().__init__(repr(error))
        self.error = error


def find_route(path: str) -> tuple[str, Any] | None:
    """Name and description of the route at `/2/files/list_folder/continue`."""
    _, version, namespace, *rest = [*path.split("/"), ""][:-1] if path.count("/") >= 3 else ("", "", "")  # noqa: PLR2004
    module = _NAMESPACES.get(namespace)
    if version != "2" or module is None:
        return None
    name = "/".join(rest)
    key = f"{name.removesuffix('_v2')}:2" if name.endswith("_v2") else name
    route = module.ROUTES.get(key)
    return None if route is None else (f"{namespace}/{name}", route)


def read_argument(name: str, route: Any, request: Request, content: bytes) -> Any:  # noqa: ANN401  of the SDK
    """The argument, as the SDK's own strict validator reads it. Raises Refused 400."""
    if route.attrs["style"] == "rpc":
        kind, raw = request.headers.get("content-type", ""), content.decode("utf-8", "replace")
        if raw and kind.partition(";")[0] != "application/json":
            raise Refused(bad_request(name, f'Bad HTTP "Content-Type" header: "{kind}". Expecting "application/json".'))
    else:
        # The SDK escapes to ASCII; other clients send UTF-8, which HTTP libraries read as Latin-1.
        sent = request.headers.get("dropbox-api-arg", "").encode("latin-1").decode("utf-8", "replace")
        raw = sent or request.query_params.get("arg", "")
    try:
        return stone_serializers.json_decode(route.arg_type, raw or "null", strict=True)
    except (stone_validators.ValidationError, ValueError) as wrong:
        raise Refused(bad_request(name, f"request body: {wrong}")) from None


def bad_request(name: str, words: str) -> Response:
    """A request that is no call of the route (400, in plain words)."""
    return PlainTextResponse(f'Error in call to API function "{name}": {words}', 400)


def result_text(route: Any, result: object) -> str:  # noqa: ANN401  of the SDK
    """A result as JSON in ASCII, which fits a header too. The SDK's validator refuses what the route may not answer."""
    return json.dumps(json.loads(stone_serializers.json_encode(route.result_type, result)))


def route_error(route: Any, error: object) -> Response:  # noqa: ANN401  of the SDK
    """An error of the route's own type, checked as results are."""
    return tagged_error(json.loads(stone_serializers.json_encode(route.error_type, error)), 409)


def tagged_error(error: Mapping[str, Any], status: int, *, headers: Mapping[str, str] | None = None) -> Response:
    """An error with its tags as a summary: `path/not_found/..`."""
    tags: list[str] = []
    inner: Any = error
    while isinstance(inner, Mapping) and ".tag" in inner:
        tags.append(inner[".tag"])
        inner = inner.get(inner[".tag"]) or inner.get("reason")
    return reply({"error_summary": f"{'/'.join(tags)}/..", "error": error}, status, headers=headers)
