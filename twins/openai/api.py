"""Routes of the OpenAI twin. Requests are checked by the SDK's parameter types, answers by its models."""

import base64
import hashlib
import json
import math
import re
import secrets
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming
from openai.types.embedding_create_params import EmbeddingCreateParams
from openai.types.responses import Response as ModelResponse
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming, ResponseCreateParamsStreaming
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from twins.base import Refused, WrongAnswer, reply
from twins.faults import Fault
from twins.oauth import bearer
from twins.openai.script import Said, faults_of_strict, say
from twins.openai.streams import chat_chunks, response_events
from twins.store import Record, Store

MODELS = ("gpt-6-luna", "text-embedding-3-small")
_DIMENSIONS = 1536


def _error(status: int, kind: str, code: str | None, message: str, headers: Mapping[str, str] | None = None) -> Response:
    given = {"x-request-id": f"req_{secrets.token_hex(16)}", **(headers or {})}
    return reply({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, headers=given)


def _invalid(message: str, code: str | None = None) -> Refused:
    return Refused(_error(400, "invalid_request_error", code, message))


class OpenAI:
    """Answers by script; what it was asked is kept as records (`openai.requests`)."""

    name = "openai"
    hosts = ("api.openai.com",)
    refusals: Mapping[str, Callable[[Fault], Response]] = {
        "rate_limit": lambda fault: _error(
            429, "requests", "rate_limit_exceeded", "Rate limit reached", {"Retry-After": str(fault.retry_after or 1)}
        ),
        "quota": lambda _: _error(429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
        "unavailable": lambda _: _error(503, "server_error", None, "The engine is currently overloaded."),
        "server_error": lambda _: _error(500, "server_error", None, "The server had an error."),
        "expired_token": lambda _: _error(401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
        "forbidden": lambda _: _error(403, "invalid_request_error", "model_not_found", "Project does not have access."),
        "html": lambda _: HTMLResponse("<html>a gateway's page</html>"),
    }

    def __init__(self, store: Store) -> None:
        self._answers = store.table("openai.answers")
        self._requests = store.table("openai.requests")
        self._routes: Mapping[str, Callable[[Record], Response]] = {
            "POST /v1/chat/completions": self._complete,
            "POST /v1/responses": self._respond,
            "POST /v1/embeddings": self._embed,
            "GET /v1/models": lambda _: reply({"object": "list", "data": [_model(name) for name in MODELS]}),
        }

    def serves(self, path: str) -> bool:
        return path.startswith("/v1/")

    async def answer(self, request: Request) -> Response:
        if not bearer(request):
            return _error(401, "invalid_request_error", "invalid_api_key", "You didn't provide an API key.")
        route = self._routes.get(f"{request.method} {request.url.path}")
        if route is None:
            return _error(404, "invalid_request_error", None, f"Invalid URL ({request.method} {request.url.path})")
        body: Record = {}
        if request.method == "POST":
            try:
                body = json.loads(await request.body())
            except ValueError:
                raise _invalid("We could not parse the JSON body of your request.") from None
            self._requests.append({"path": request.url.path, "body": body})
        return route(body)

    def _complete(self, asked: Record) -> Response:
        _check(CompletionCreateParamsStreaming if asked.get("stream") else CompletionCreateParamsNonStreaming, asked)
        form = asked.get("response_format", {})
        said = self._said(_prompt(asked["messages"]), form.get("json_schema") if form.get("type") == "json_schema" else None)
        usage = _usage(asked["messages"], said, ("prompt_tokens", "completion_tokens"))
        whole = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": asked["model"],
        }
        if asked.get("stream"):
            with_usage = usage if asked.get("stream_options", {}).get("include_usage") else None
            return _stream(_valid(ChatCompletionChunk, chunk) for chunk in chat_chunks(whole, said, with_usage))
        message = {"role": "assistant", "content": None if said.refusal else said.text, "refusal": said.refusal}
        choice = {"index": 0, "finish_reason": said.finish, "message": message, "logprobs": None}
        return reply(_valid(ChatCompletion, {**whole, "object": "chat.completion", "choices": [choice], "usage": usage}))

    def _respond(self, asked: Record) -> Response:
        _check(ResponseCreateParamsStreaming if asked.get("stream") else ResponseCreateParamsNonStreaming, asked)
        form = asked.get("text", {}).get("format", {})
        prompt = f"{asked.get('instructions') or ''}\n{_prompt(asked.get('input', ''))}"
        said = self._said(prompt, form if form.get("type") == "json_schema" else None)
        part = (
            {"type": "refusal", "refusal": said.refusal}
            if said.refusal
            else {"type": "output_text", "text": said.text, "annotations": []}
        )
        done = said.finish == "stop"
        status = "completed" if done else "incomplete"
        message = {
            "type": "message",
            "id": f"msg_{secrets.token_hex(12)}",
            "role": "assistant",
            "status": status,
            "content": [part],
        }
        why = "max_output_tokens" if said.finish == "length" else said.finish
        usage = _usage(prompt, said, ("input_tokens", "output_tokens"))
        response = {
            "id": f"resp_{secrets.token_hex(12)}",
            "object": "response",
            "created_at": time.time(),
            "model": asked["model"],
            "status": status,
            "incomplete_details": None if done else {"reason": why},
            "error": None,
            "instructions": asked.get("instructions"),
            "metadata": {},
            "output": [message],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "temperature": 1.0,
            "top_p": 1.0,
            "text": {"format": form or {"type": "text"}},
            "usage": {**usage, "input_tokens_details": _NO_CACHE, "output_tokens_details": {"reasoning_tokens": 0}},
        }
        _valid(ModelResponse, response)
        return _stream(response_events(response, message, part)) if asked.get("stream") else reply(response)

    def _embed(self, asked: Record) -> Response:
        """Directions that texts with the same words share."""
        _check(EmbeddingCreateParams, asked)
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        vectors = [_direction(str(text), asked.get("dimensions", _DIMENSIONS)) for text in texts]
        packed = asked.get("encoding_format") == "base64"
        data: list[Record] = [
            {"object": "embedding", "index": number, "embedding": _pack(vector) if packed else vector}
            for number, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        answer = {"object": "list", "model": asked["model"], "data": data, "usage": usage}
        if not packed:
            _valid(CreateEmbeddingResponse, answer)
        return reply(answer)

    def _said(self, prompt: str, form: Mapping[str, Any] | None) -> Said:
        if form and form.get("strict"):
            for fault in faults_of_strict(form["schema"]):
                raise _invalid(f"Invalid schema for response_format '{form['name']}': {fault}")
        return say(self._answers, prompt, form["schema"] if form else None)


_NO_CACHE = {"cached_tokens": 0, "cache_write_tokens": 0}


def _check(parameters: Any, asked: Record) -> None:  # noqa: ANN401  a TypedDict, or a union of them
    """Raises Refused 400 where the SDK's own types do not have such a request."""
    try:
        _walk(TypeAdapter(parameters).validate_python(asked, extra="forbid"))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        raise _invalid(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _walk(value: object) -> None:
    """Go through a checked request: what is declared as an iterable is checked only then."""
    if isinstance(value, Mapping):
        for inner in value.values():
            _walk(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for inner in value:
            _walk(inner)


def _valid(model: type[BaseModel], answer: Record) -> Record:
    try:
        model.model_validate(answer, strict=True)
    except ValidationError as wrong:
        raise WrongAnswer(f"{model.__name__}: {wrong}") from None
    return answer


def _prompt(messages: Any) -> str:  # noqa: ANN401  the SDK's many forms of input
    """All text of a request's messages, one after the other."""
    if isinstance(messages, str):
        return messages
    parts = [message.get("content") or "" for message in messages]
    texts = [part if isinstance(part, str) else " ".join(piece.get("text", "") for piece in part) for part in parts]
    return "\n".join(texts)


def _usage(asked: object, said: Said, names: tuple[str, str]) -> Record:
    """Tokens counted as words: near enough for budgets."""
    read, written = len(str(asked).split()), len((said.refusal or said.text).split())
    return {names[0]: read, names[1]: written, "total_tokens": read + written}


def _stream(events: Iterable[Record]) -> Response:
    """Server-sent events; those of `responses` carry their names."""

    async def lines() -> AsyncIterator[bytes]:
        named = False
        for event in events:
            named = "type" in event
            yield (f"event: {event['type']}\n" if named else "").encode() + f"data: {json.dumps(event)}\n\n".encode()
        if not named:
            yield b"data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def _direction(text: str, dimensions: int) -> list[float]:
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.casefold()):
        digest = hashlib.sha256(word.encode()).digest()
        vector[int.from_bytes(digest[:4], "big") % dimensions] += 1.0 if digest[4] % 2 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def _pack(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _model(name: str) -> Record:
    return _valid(Model, {"id": name, "object": "model", "created": 1_780_000_000, "owned_by": "twin"})
