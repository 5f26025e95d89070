"""What a Google API's discovery document says: its methods by path, the parameters they take, the shapes of their bodies."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from googleapiclient import discovery_cache

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_FORMATS = {
    "int64": re.compile(r"-?\d+"),
    "uint64": re.compile(r"\d+"),
    "date-time": _DATE_TIME,
    "google-datetime": _DATE_TIME,
    "byte": re.compile(r"[A-Za-z0-9_\-+/]*={0,2}"),
    "google-duration": re.compile(r"-?\d+(\.\d+)?s"),
}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}
_PROTOCOL_PARAMETERS = {"uploadType", "upload_id"}  # of the media protocol, which documents leave out


@dataclass(frozen=True, slots=True)
class Method:
    """One method of an API, at one of its paths."""

    id: str
    verb: str
    path: re.Pattern[str]
    literals: int
    description: Mapping[str, Any]
    uploads: bool

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.description.get("scopes", ()))


class Discovery:
    """One API's document."""

    def __init__(self, name: str, version: str) -> None:
        document = json.loads(discovery_cache.get_static_doc(name, version))
        self._schemas: dict[str, Any] = document["schemas"]
        self._common: dict[str, Any] = document["parameters"]
        service = urlsplit(document["rootUrl"]).path + document["servicePath"]
        self.methods = sorted(_methods(document, service), key=lambda method: -method.literals)

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method that serves a request, with the parameters in its path."""
        for method in self.methods:
            if method.verb == verb and (found := method.path.fullmatch(path)):
                return method, found.groupdict()
        return None

    def faults_of_parameters(self, method: Method, given: Mapping[str, list[str]]) -> Iterator[str]:
        """What is wrong with the parameters of a request."""
        known = {**self._common, **method.description.get("parameters", {})}
        for name, values in given.items():
            schema = known.get(name)
            if schema is None:
                if name not in _PROTOCOL_PARAMETERS:
                    yield f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
                continue
            for value in values:
                yield from _faults_of_text(schema, value, name)
        for name, schema in known.items():
            if schema.get("required") and name not in given:
                yield f"Required parameter: [{name}]"

    def faults_of_body(self, reference: str, body: object) -> Iterator[str]:
        """What is wrong with a body that should be this schema."""
        yield from self._faults({"$ref": reference}, body, reference)

    def _faults(self, schema: Mapping[str, Any], value: object, where: str) -> Iterator[str]:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"]]
        kind = schema.get("type", "any")
        if kind == "any":
            return
        if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
            yield f"{where}: {value!r} is no {kind}"
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._faults(schema["items"], item, f"{where}[{number}]")
        elif isinstance(value, dict):
            for name, item in value.items():
                inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
                if inner is None:
                    yield f"{where}: there is no field {name!r}"
                else:
                    yield from self._faults(inner, item, f"{where}.{name}")
        elif isinstance(value, str):
            yield from _faults_of_text({**schema, "required": False}, value, where)


def _methods(document: Mapping[str, Any], service: str) -> Iterator[Method]:
    def walk(resources: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for resource in resources.values():
            yield from resource.get("methods", {}).values()
            yield from walk(resource.get("resources", {}))

    for description in walk(document["resources"]):
        upload = description.get("mediaUpload", {}).get("protocols", {}).get("simple", {}).get("path")
        for template, uploads in ((service + description["path"], False), (upload, True)):
            if template:
                literals = len(re.sub(r"\{.*?\}", "", template))
                yield Method(description["id"], description["httpMethod"], _pattern(template), literals, description, uploads)


def _pattern(template: str) -> re.Pattern[str]:
    """`files/{fileId}` as an expression; `{+name}` takes slashes too."""
    parts = re.split(r"\{(\+?\w+)\}", template)
    names = [f"(?P<{name.lstrip('+')}>{'.+' if name.startswith('+') else '[^/]+'})" for name in parts[1::2]]
    literals = [re.escape(part) for part in parts[::2]]
    return re.compile("".join(literal + name for literal, name in zip(literals, [*names, ""], strict=True)))


def _faults_of_text(schema: Mapping[str, Any], value: str, where: str) -> Iterator[str]:
    kind, form = schema.get("type"), _FORMATS.get(schema.get("format", ""))
    if "enum" in schema and value not in schema["enum"]:
        yield f"Invalid value at '{where}': {value!r} is none of {', '.join(schema['enum'])}"
    elif kind == "boolean" and value not in {"true", "false"}:
        yield f"Invalid value at '{where}': {value!r} is no boolean"
    elif kind == "integer" and not re.fullmatch(r"-?\d+", value):
        yield f"Invalid value at '{where}': {value!r} is no integer"
    elif kind == "integer" and not int(schema.get("minimum", value)) <= int(value) <= int(schema.get("maximum", value)):
        yield f"Invalid value at '{where}': {value} is not within {schema.get('minimum')} and {schema.get('maximum')}"
    elif kind == "string" and form is not None and not form.fullmatch(value):
        yield f"Invalid value at '{where}': {value!r} is no {schema['format']}"
