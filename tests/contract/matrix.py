"""What the isolation matrix asks: every route of the application, filled in with one user's rows."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import Connection, String, Table, text

from db import api_keys, jobs, schedules
from db.base import metadata
from db.base.competitors import SnapshotSource
from db.engine import Database
from db.watched import insert_competitor
from tests.db.rows import TABLES, insert_row

SECRET = "annas-secret"
# Parts of a path that name no row of anybody's.
WORDS = {
    "kind": "mp4",
    "path": "master.m3u8",
    "name": "io",
    "provider": "sample",
    "section": "swot",
    "segment_id": "seg-1",
    "email": "a@b.example",
    "channel_id": "1",
    "fingerprint": "x",
    "queue": "io",
    "group_id": "1",
    "schedule_id": "01a20e8d-b780-73b8-81ad-23fd5fd2ebf0",
}
NAMED = {
    "video_id": "videos",
    "request_id": "video_ingest_requests",
    "connection_id": "cloud_connections",
    "client_id": "leads_clients",
    "schedule_id": "schedules",
    "change_id": "competitor_changes",
    "competitor_id": "competitors",
    "conversation_id": "conversations",
    "key_id": "api_keys",
}


@dataclass(frozen=True)
class Asked:
    """One operation, and what to send to it."""

    method: str
    path: str
    body: Any = None

    @property
    def names_a_row(self) -> bool:
        return "{" in self.path

    @property
    def streams(self) -> bool:
        """Its answer does not end while there is somebody who listens."""
        return self.path.endswith("/events")

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def operations(app: FastAPI) -> Iterator[Asked]:
    """Every route of the application, those of pages too, with the least body that its description lets in."""
    described = app.openapi()
    for route in iter_route_contexts(app.routes):
        for method in sorted(set(route.methods or ()) - {"HEAD", "OPTIONS"}):
            operation = described["paths"].get(route.path, {}).get(method.lower(), {})
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            yield Asked(method, route.path, least(content["schema"], described) if content else None)


def least(schema: Mapping[str, Any], described: Mapping[str, Any]) -> Any:
    """The smallest document that fits."""
    for words in ("anyOf", "oneOf", "allOf"):
        schema = schema[words][0] if words in schema else schema
    if "$ref" in schema:
        return least(described["components"]["schemas"][schema["$ref"].rpartition("/")[2]], described)
    if {"const", "enum", "default"} & set(schema):
        return schema.get("const", schema.get("default", schema.get("enum", [None])[0]))
    document = {name: least(schema["properties"][name], described) for name in schema.get("required", [])}
    words = "a@b.example" if "@" in schema.get("pattern", "") else "2026-01-01T00:00:00Z" if schema.get("format") else "words"
    items = [least(schema["items"], described)] * schema.get("minItems", 0) if "items" in schema else []
    number = max(1, schema.get("minimum", 1))
    plain = {"object": document, "array": items, "integer": number, "number": number, "string": words, "boolean": True}
    return plain.get(schema.get("type", "null"))


@dataclass(frozen=True)
class Rows:
    """One user's rows: of every table one, of the job core a job, a batch and an upload."""

    ids: Mapping[str, Any]
    job_id: UUID
    batch_id: UUID
    upload_id: UUID

    def url(self, asked: Asked, user: str) -> str:
        """The path with these rows in it. A name that is new here fails: say what it names."""
        given = {
            "job_id": self.job_id,
            "batch_id": self.batch_id,
            "upload_id": self.upload_id,
            "company_id": self.ids["companies"],
        }

        def value(found: re.Match[str]) -> str:
            name = found[1].partition(":")[0]
            if name == "row_id":
                return str(self.ids[asked.path.split("/")[2].replace("-", "_")])
            if name in {"user_id", "owner_id"}:
                return user
            if name in NAMED:
                return str(self.ids[NAMED[name]])
            return str(given[name] if name in given else WORDS[name])

        return re.sub(r"\{([^}]+)\}", value, asked.path)


def write_rows(connection: Connection, database: Database, user: str) -> Rows:
    """A row of every table for this user, whose texts all hold the secret."""
    ids = {}
    for name, table in TABLES.items():
        if name not in {"users", "sessions", "company_memberships"}:
            ids[name] = insert_row(connection, table, user, **_secrets(table))
    with database.tenant(user) as session:
        watched = {"competitor_key": f"url:{SECRET}", "source": SnapshotSource.WEBSITE, "url": SECRET, "name": SECRET}
        ids["competitors"] = insert_competitor(session, ids["leads_clients"], **watched, user_id=user)["id"]
        how = {"rule": {"kind": "weekly", "weekday": 1}, "zone": "UTC", "subject": SECRET}
        ids["schedules"] = schedules.insert(session, owner_id=user, pipeline="self_check", args={}, **how)["id"]
        job_id = jobs.insert_job(
            session,
            pipeline="self_check",
            owner_id=user,
            args={"words": SECRET},
            steps=[jobs.NewStep("write_sample", "io")],
            subject=f"video:{ids['videos']}",
        )
    with database.jobs() as session:
        api_keys.insert_api_key(session, user_id=user, name=SECRET)
        ids["api_keys"] = api_keys.list_api_keys(session, user_id=user)[-1]["id"]
    upload_id, batch_id = UUID(int=7), UUID(int=8)
    connection.execute(
        text("""
        INSERT INTO jobs.uploads (id, user_id, file_name, size_bytes, expires_at)
        VALUES (:id, :user, :name, 10, now() + interval '1 day')
        """),
        {"id": upload_id, "user": user, "name": SECRET},
    )
    return Rows(ids, job_id, batch_id, upload_id)


def _secrets(table: Table) -> dict[str, object]:
    """For every text that may be anything."""
    return {
        column.name: f"{SECRET} {column.name}"
        for column in table.columns
        if isinstance(column.type, String)
        and "words" not in column.info
        and not column.foreign_keys
        and column.name not in {"id", "user_id", "owner_id", "provider", "timezone", "source_path", "storage_path"}
    }


def everything(connection: Connection, user: str) -> dict[str, list[str]]:
    """Each row of this user's as it stands."""
    states = {}
    for table in metadata.sorted_tables:
        owner = next((name for name in ("user_id", "owner_id") if name in table.columns), None)
        if owner:
            statement = text(f"SELECT t::text FROM {table.name} t WHERE {owner} = :user ORDER BY 1")
            states[table.name] = list(connection.scalars(statement, {"user": user}))
    job = "SELECT id::text || status || coalesce(cancel_requested_at::text, '') FROM jobs.jobs WHERE owner_id = :user"
    states["jobs"] = list(connection.scalars(text(job), {"user": user}))
    competitors = text("SELECT t::text FROM competitors t WHERE user_id = :user")
    states["competitors"] = list(connection.scalars(competitors, {"user": user}))
    states["uploads"] = list(
        connection.scalars(text("SELECT t::text FROM jobs.uploads t WHERE user_id = :user"), {"user": user})
    )
    return states
