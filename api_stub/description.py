"""The API's own description: what FastAPI makes of the routes, and from each answer that names something the links to what can be done with it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from pipelines.base import find_pipelines

_JOB = ("job_id", "id")
# What an operation's answer names: the parameter of other paths that takes it, and where in the answer it stands.
NAMES: Mapping[str, tuple[str, str]] = {
    "post_job": _JOB,
    "get_job": _JOB,
    "sync_now": _JOB,
    "read_competitor_now": _JOB,
    "post_video_from_url": _JOB,
    "start_check": _JOB,
    "post_question": _JOB,
    "post_draft": _JOB,
    "run_lead_schedule": ("job_id", "job_id"),
    "post_run": ("job_id", "job_id"),
    "post_batch": ("batch_id", "id"),
    "post_competitor": ("competitor_id", "id"),
    "post_company": ("company_id", "id"),
    "post_schedule": ("schedule_id", "id"),
    "upload_video": ("video_id", "id"),
    "post_clip": ("video_id", "id"),
    "post_lead_client": ("client_id", "id"),
}
_NAMES_A_JOB = {
    "schema": {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string", "format": "uuid"}, "status": {"type": "string"}},
    }
}
_LOCATION = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}
_AFTER = {"Retry-After": {"description": "Seconds until it is worth asking.", "schema": {"type": "integer"}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of this application's routes."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path, item in document["paths"].items():
        for operation in item.values():
            _link(document["paths"], path, operation)
            for parameter in operation.get("parameters", []):
                _leave_out_null(parameter["schema"])
    _tell_pipelines(document["components"]["schemas"])
    return document


def _leave_out_null(schema: dict[str, Any]) -> None:
    """A path, a query and a header can leave a value out, and cannot say null."""
    choices = schema.get("anyOf", [])
    if {"type": "null"} in choices:
        rest = [choice for choice in choices if choice != {"type": "null"}]
        if len(rest) == 1:
            schema.update(rest[0])
            del schema["anyOf"]
        else:
            schema["anyOf"] = rest


def _tell_pipelines(schemas: dict[str, Any]) -> None:
    """Wherever a body names a pipeline and its arguments, say which arguments each of them takes."""
    asking = [
        each for each in schemas.values() if {"pipeline", "args"} <= each.get("properties", {}).keys() and _is_closed(each)
    ]
    for name, pipeline in sorted(find_pipelines().items()):
        args = pipeline.adapter.json_schema(ref_template=f"#/components/schemas/{name}.{{model}}")
        schemas |= {f"{name}.{model}": schema for model, schema in args.pop("$defs", {}).items()}
        schemas[f"{name}.args"] = {**args, "additionalProperties": False}
        for schema in asking:
            schema.setdefault("oneOf", []).append(_choice(schema, name, needs_args="required" in args))
    for schema in asking:
        schema["properties"]["args"].pop("additionalProperties", None)


def _is_closed(schema: Mapping[str, Any]) -> bool:
    return schema.get("additionalProperties") is False


def _choice(schema: Mapping[str, Any], name: str, *, needs_args: bool) -> dict[str, Any]:
    args: dict[str, Any] = {"$ref": f"#/components/schemas/{name}.args"}
    if schema["properties"]["args"]["type"] == "array":
        args = {"items": args}
    return {
        "title": name,
        "properties": {"pipeline": {"const": name}, "args": args},
        "required": ["pipeline", *(["args"] if needs_args else [])],
    }


def _link(paths: Mapping[str, Any], path: str, operation: dict[str, Any]) -> None:
    answer = next((answer for status, answer in operation["responses"].items() if status in {"200", "201", "202"}), None)
    name = operation["operationId"]
    parameter, where = NAMES.get(name) or (
        ("row_id", "id") if f"{path}/{{row_id}}" in paths and name.startswith("post_") else ("", "")
    )
    if answer is None or not parameter:
        return
    answer["links"] = {
        other: {"operationId": other, "parameters": {parameter: f"$response.body#/{where}"}}
        for other in sorted(_taking(paths, parameter, within=path if parameter == "row_id" else ""))
    }
    if (parameter, where) == _JOB and answer is operation["responses"].get("202"):
        answer["headers"] = {**_LOCATION, **_AFTER}
        answer["content"] = {"application/json": _NAMES_A_JOB}


def _taking(paths: Mapping[str, Any], parameter: str, *, within: str) -> Iterator[str]:
    """The operations that need to be told this and nothing else of their path. /ops is an operator's, who has other links."""
    for path, item in paths.items():
        if re.findall(r"\{([^}:]+)", path) == [parameter] and path.startswith(within) and not path.startswith("/ops"):
            yield from (operation["operationId"] for operation in item.values())
