"""What the twin's model says: the first record of `openai.answers` that fits the prompt, else the least that the asked shape allows.

A record has `match` (an expression looked for in the prompt) and what is said: `say` (text, or JSON of the asked shape), or `refusal`;
`finish` may be `length` or `content_filter`: the answer then breaks off. `{"last": EXPRESSION}` within `say` stands for what the
expression's group found last in the prompt, as a number where it is one.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twins.store import Table


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of the model."""

    text: str
    refusal: str | None = None
    finish: str = "stop"


def say(answers: Table, prompt: str, schema: Mapping[str, Any] | None) -> Said:
    """The answer to a prompt, in the shape of a JSON schema where one is asked for."""
    for _, record in answers.rows():
        if re.search(record.get("match", ""), prompt):
            said = _filled(record.get("say", ""), prompt)
            text = said if isinstance(said, str) else json.dumps(said)
            finish = record.get("finish", "stop")
            return Said(text[: len(text) // 2] if finish != "stop" else text, record.get("refusal"), finish)
    if schema is not None:
        return Said(json.dumps(_least(schema, schema)))
    return Said(f"The twin read {len(prompt.split())} words.")


def _filled(said: Any, prompt: str) -> Any:  # noqa: ANN401  any JSON
    """What is said, with what it takes from the prompt."""
    if isinstance(said, list):
        return [_filled(inner, prompt) for inner in said]
    if not isinstance(said, dict):
        return said
    if said.keys() == {"last"} and isinstance(said["last"], str):
        found = re.findall(said["last"], prompt)
        return int(found[-1]) if found and found[-1].isdecimal() else found[-1] if found else None
    return {name: _filled(inner, prompt) for name, inner in said.items()}


def faults_of_strict(schema: Mapping[str, Any], where: str = "schema") -> Iterator[str]:
    """What a strict schema may not leave open: every object names all its fields as required and allows no others."""
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield f"In context={where}, 'additionalProperties' is required to be supplied and to be false."
        missing = set(schema.get("properties", {})) - set(schema.get("required", ()))
        if missing:
            yield f"In context={where}, 'required' is required to include every key in properties. Missing {sorted(missing)}."
    for group in ("properties", "$defs"):
        for name, inner in schema.get(group, {}).items():
            yield from faults_of_strict(inner, f"{where}.{name}")
    for inner in schema.get("anyOf", ()):
        yield from faults_of_strict(inner, where)
    if "items" in schema:
        yield from faults_of_strict(schema["items"], f"{where}.items")


def _least(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:  # noqa: ANN401, PLR0911  any JSON
    """The smallest value of a schema: no items, no text, zero, false."""
    if "$ref" in schema:
        return _least(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return None if {"type": "null"} in schema["anyOf"] else _least(schema["anyOf"][0], root)
    match schema.get("type"):
        case "object":
            return {name: _least(inner, root) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [_least(schema["items"], root)] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return ""
