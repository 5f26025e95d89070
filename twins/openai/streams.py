"""One answer as the pieces of a stream: word by word, then how it ended."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from twins.openai.script import Said
from twins.store import Record


def chat_chunks(whole: Mapping[str, Any], said: Said, usage: Record | None) -> Iterator[Record]:
    """Chunks of a chat completion; the usage, where asked for, comes last with no choice."""

    def chunk(delta: Record, finish: str | None = None) -> Record:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**whole, "object": "chat.completion.chunk", "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(said.refusal or said.text):
        yield chunk({"refusal": piece} if said.refusal else {"content": piece})
    yield chunk({}, said.finish)
    if usage is not None:
        yield {**whole, "object": "chat.completion.chunk", "choices": [], "usage": usage}


def response_events(response: Record, message: Record, part: Record) -> Iterator[Record]:
    """Events of a response, numbered, from `response.created` to its end."""
    kind = "output_text" if part["type"] == "output_text" else "refusal"
    field = "text" if kind == "output_text" else "refusal"
    place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    unfinished = {**response, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    more: Record = {"logprobs": []} if kind == "output_text" else {}
    events: list[Record] = [
        {"type": "response.created", "response": unfinished},
        {"type": "response.in_progress", "response": unfinished},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**message, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **place, "part": {**part, field: ""}},
        *({"type": f"response.{kind}.delta", **place, **more, "delta": piece} for piece in _pieces(part[field])),
        {"type": f"response.{kind}.done", **place, **more, field: part[field]},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": f"response.{response['status']}", "response": response},
    ]
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def _pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)
