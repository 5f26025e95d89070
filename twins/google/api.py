"""What the twins of Google's APIs share: a request is found in the discovery document, checked, let in, done, and its answer checked."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from twins.base import Refused, WrongAnswer, reply
from twins.faults import Fault
from twins.google.discovery import Discovery, Method
from twins.google.fields import apply_mask, parse_mask
from twins.google.uploads import Uploads
from twins.oauth import Tokens, bearer
from twins.store import Record, Store

Parameters = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Call:
    """One checked call of a method. `media` is the file that came with it."""

    request: Request
    parameters: Parameters
    body: Record
    account: str
    media: Path | None = None
    media_type: str = "application/octet-stream"

    def text(self, name: str, default: str = "") -> str:
        return self.parameters.get(name, [default])[-1]

    def flag(self, name: str, *, default: bool = False) -> bool:
        return self.text(name, "true" if default else "false") == "true"

    def number(self, name: str, default: int) -> int:
        return int(self.text(name, str(default)))

    def listed(self, name: str) -> list[str]:
        """Values of a repeated or comma-separated parameter."""
        return [part for value in self.parameters.get(name, ()) for part in value.split(",") if part]


Handler = Callable[[Call], Record | Response]


def error(
    code: int, reason: str, message: str, *, domain: str = "global", headers: Mapping[str, str] | None = None
) -> Response:
    """An error as the version 3 APIs word it."""
    body = {"error": {"code": code, "message": message, "errors": [{"message": message, "domain": domain, "reason": reason}]}}
    return reply(body, code, headers=headers)


def refused(code: int, reason: str, message: str, *, domain: str = "global") -> Refused:
    """An error to raise."""
    return Refused(error(code, reason, message, domain=domain))


def not_found(what: str, key: str) -> Refused:
    """What was named is not there, or another account's."""
    return refused(404, "notFound", f"{what} not found: {key}.")


def _rate_limit(fault: Fault) -> Response:
    wait = {"Retry-After": str(1 if fault.retry_after is None else fault.retry_after)}
    return error(429, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits", headers=wait)


REFUSALS: Mapping[str, Callable[[Fault], Response]] = {
    "rate_limit": _rate_limit,
    "user_rate_limit": lambda _: error(403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits"),
    "unavailable": lambda _: error(503, "backendError", "Backend Error"),
    "server_error": lambda _: error(500, "internalError", "Internal Error"),
    "expired_token": lambda _: error(401, "authError", "Invalid Credentials"),
    "forbidden": lambda _: error(403, "insufficientFilePermissions", "The user does not have sufficient permissions."),
    "not_found": lambda _: error(404, "notFound", "Not Found"),
}


class GoogleApi:
    """The twin of one API: a handler per method id of its discovery document."""

    def __init__(
        self,
        document: Discovery,
        store: Store,
        tokens: Tokens,
        handlers: Mapping[str, Handler],
        *,
        name: str,
        default_fields: Mapping[str, str] | None = None,
    ) -> None:
        self._document = document
        self._store = store
        self._tokens = tokens
        self._handlers = handlers
        self._default_fields = default_fields or {}
        self._uploads = Uploads(store, name)

    def serves(self, path: str) -> bool:
        return any(method.path.fullmatch(path) for method in self._document.methods)

    async def answer(self, request: Request) -> Response:
        found = self._document.find(self._uploads.verb(request), request.url.path)
        if found is None:
            raise refused(404, "notFound", f"there is no {request.method} {request.url.path}")
        method, in_path = found
        parameters: dict[str, list[str]] = {name: [value] for name, value in in_path.items()}
        for name, value in request.query_params.multi_items():
            parameters.setdefault(name, []).append(value)
        self._check(self._document.faults_of_parameters(method, parameters))
        account = self._let_in(request, method)
        if method.id not in self._handlers:
            return error(501, "notImplemented", f"the twin does not know {method.id}")
        if method.uploads:
            return await self._upload(method, request, parameters, account)
        body = self._read(method, await request.body())
        with self._store.whole():
            return self._run(method, Call(request, parameters, body, account))

    def _let_in(self, request: Request, method: Method) -> str:
        """The account that may call this method. Raises Refused 401 or 403."""
        grant = self._tokens.find(bearer(request))
        if grant is None:
            raise refused(401, "authError" if bearer(request) else "required", "Invalid Credentials")
        if not method.scopes.intersection(grant.scopes):
            raise refused(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
        return grant.account

    async def _upload(self, method: Method, request: Request, parameters: Parameters, account: str) -> Response:
        uploads = self._uploads
        match parameters.get("uploadType", [""])[0]:
            case "resumable" if "upload_id" in parameters:
                session = await uploads.receive(request, parameters["upload_id"][0])
                if isinstance(session, Response):
                    return session
                if "answer" not in session:
                    media = uploads.path(session["id"])
                    call = Call(request, session["parameters"], session["body"], account, media, session["type"])
                    with self._store.whole():
                        session["answer"] = json.loads(bytes(self._run(method, call).body))
                        uploads.finish(session)
                return reply(session["answer"])
            case "resumable":
                body = self._read(method, await request.body())
                return uploads.begin(request, parameters, body)
            case "multipart":
                text, media, kind = uploads.take_multipart(request.headers.get("content-type", ""), await request.body())
                return self._run(method, Call(request, parameters, self._read(method, text), account, media, kind))
            case "media":
                media = uploads.keep(await request.body())
                kind = request.headers.get("content-type", "application/octet-stream")
                return self._run(method, Call(request, parameters, {}, account, media, kind))
            case other:
                raise refused(400, "badRequest", f"uploadType {other!r} is none of media, multipart, resumable")

    def _read(self, method: Method, raw: bytes) -> Record:
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            raise refused(400, "parseError", "This API does not support parsing form-encoded input.") from None
        reference = method.description.get("request", {}).get("$ref")
        if reference:
            self._check(self._document.faults_of_body(reference, body))
        record: Record = body
        return record

    def _run(self, method: Method, call: Call) -> Response:
        done = self._handlers[method.id](call)
        if isinstance(done, Response):
            return done
        reference = method.description.get("response", {}).get("$ref")
        if reference is None:
            return Response(status_code=204)
        wrong = list(self._document.faults_of_body(reference, done))
        if wrong:
            raise WrongAnswer(f"{method.id}: {'; '.join(wrong)}")
        return reply(self._partial(method, call, done))

    def _partial(self, method: Method, call: Call, done: Record) -> Any:  # noqa: ANN401  any JSON
        wanted = call.text("fields") or self._default_fields.get(method.id, "")
        try:
            return apply_mask(parse_mask(wanted), done) if wanted else done
        except ValueError as wrong:
            raise refused(400, "invalidParameter", str(wrong)) from None

    def _check(self, faults: Iterable[str]) -> None:
        first = next(iter(faults), None)
        if first is not None:
            raise refused(400, "badRequest", first)
