"""What the isolation matrix asks: every route of the application, filled in with one user's rows."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from inspect import getclosurevars
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.params import Form
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter
from sqlalchemy import Connection, String, Table, text

from api_stub.auth import in_area
from core.ids import new_id
from db import api_keys, failures, jobs, schedules
from db.base import metadata
from db.base.companies import MemberRole
from db.base.competitors import SnapshotSource
from db.companies import invite
from db.confidentiality import Decision, decide, insert_check
from db.engine import Database
from db.intel import Kind, keep_intelligence
from db.permissions import Area, CompanyDeed
from db.watched import insert_competitor
from tests.db.rows import TABLES, insert_row

SECRET = "annas-secret"
PICTURE = b"\x89PNG\r\n\x1a\n"  # as far as anybody looks before the row is found
# Parts of a path that name no row of anybody's: a form of a film, a part of one, a table of the workbook.
WORDS = {"kind": "mp4", "path": "master.m3u8", "section": "swot"}
# What the other parts name: the table and its column. A part that is new must be here, and its row be there.
NAMED = {
    "video_id": "videos",
    "segment_id": "confidentiality_decisions.segment_id",
    "request_id": "video_ingest_requests",
    "connection_id": "cloud_connections",
    "client_id": "leads_clients",
    "other_id": "business_leads.id",
    "change_id": "competitor_changes",
    "competitor_id": "competitors",
    "conversation_id": "conversations",
    "company_id": "companies",
    "channel_id": "youtube_channels",
    "user_id": "users",
    "owner_id": "users",
    "schedule_id": "jobs.schedules",
    "job_id": "jobs.jobs",
    "batch_id": "jobs.batches",
    "upload_id": "jobs.uploads",
    "key_id": "jobs.api_keys",
    "email": "jobs.company_invitations.email",
    "provider": "jobs.breakers.provider",
    "name": "jobs.queues.name",
    "group_id": "jobs.job_steps.error_class",
}
# A member besides her, whose user id paths below a company's members take.
MEMBER = "company_memberships.user_id"
# What is sent where the description does not say enough to get as far as the question of who may.
SENT: Mapping[str, Mapping[str, Any]] = {
    "/api/videos/{video_id}/clips": {"json": {"startSec": 0, "endSec": 1}},
    "/api/videos/{video_id}/confidentiality-check/resolve-segment": {
        "json": {"segmentId": f"{SECRET} segment", "resolutionStatus": "pending"}
    },
    "/v1/videos/{video_id}/findings/{segment_id}": {"json": {"decision": "pending"}},
    "/videos/{video_id}/findings/{segment_id}": {"data": {"decision": "pending"}},
    "/files/{upload_id}": {"headers": {"Content-Type": "application/offset+octet-stream", "X-HTTP-Method-Override": "PATCH"}},
}
# Refused for the state that it brings, whoever does: tests/api_stub/test_connections.py asks with states of others.
STATES = {"/v1/connections/{provider}/callback"}
# What no company shares.
UNSHARED = {"users", "youtube_channels", "user_channels"}
# What asks for something of one's own besides: a channel, a file (here there are none), a schedule that runs in one's name.
HERS = {
    *("/api/videos/{video_id}/publish", "/videos/{video_id}/publish"),
    *("/media/videos/{video_id}/ladder/{path:path}", "/media/videos/{video_id}/{kind}"),
    *(f"/v1/leads-search-schedules/{{row_id}}/{what}" for what in ("run", "pause", "resume")),
}
# A DELETE that leaves the row, cancelled.
CHANGES = {"/api/ingest-requests/{request_id}"}


@dataclass(frozen=True)
class Asked:
    """One operation, and what to send to it."""

    method: str
    path: str
    sent: Mapping[str, Any] = field(default_factory=dict)  # to the client, beside its method and path
    areas: frozenset[Area] = frozenset()  # that who asks must be let into

    @property
    def names_a_row(self) -> bool:
        return not set(self.parts) <= set(WORDS) and self.path not in STATES

    @property
    def parts(self) -> list[str]:
        """What its path leaves to be filled in."""
        return [part.partition(":")[0] for part in re.findall(r"\{([^}]+)\}", self.path)]

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
            content = operation.get("requestBody", {}).get("content", {})
            sent = SENT.get(route.path) or _least_sent(content, route.dependant, described)
            yield Asked(method, route.path, sent, frozenset(_areas(route.dependant)))


def _least_sent(content: Mapping[str, Any], needed: Dependant, described: Mapping[str, Any]) -> dict[str, Any]:
    """The least document, file or form that the route takes; forms are those of pages, which are not described."""
    if "application/json" in content:
        return {"json": least(content["application/json"]["schema"], described)}
    if "multipart/form-data" in content:
        return {"files": {"file": ("a.png", PICTURE)}}
    form: dict[str, Any] = {}
    for one in needed.body_params:
        if isinstance(one.field_info, Form) and one.field_info.is_required():
            taken = TypeAdapter(Annotated[one.field_info.annotation, one.field_info])
            schema = taken.json_schema(ref_template="#/components/schemas/{model}")
            value = least(schema, {"components": {"schemas": schema.get("$defs", {})}})
            form |= value if isinstance(value, dict) else {one.alias: value}
    return {"data": form}


def _areas(needed: Dependant) -> Iterator[Area]:
    """Those that a route's dependencies ask for, whichever way it was told to."""
    for dependency in needed.dependencies:
        if getattr(dependency.call, "__qualname__", "").startswith(f"{in_area.__name__}."):
            yield getclosurevars(dependency.call).nonlocals["area"]
        yield from _areas(dependency)


def least(schema: Mapping[str, Any], described: Mapping[str, Any]) -> Any:
    """The smallest document that fits."""
    for words in ("anyOf", "oneOf", "allOf"):
        schema = schema[words][0] if words in schema else schema
    if "$ref" in schema:
        return least(described["components"]["schemas"][schema["$ref"].rpartition("/")[2]], described)
    if {"const", "enum", "default"} & set(schema):
        return schema.get("const", schema.get("default", schema.get("enum", [None])[0]))
    document = {name: least(schema["properties"][name], described) for name in schema.get("required", [])}
    pattern = schema.get("pattern", "")
    one_of = re.match(r"(\w+)\|", pattern)
    words = (
        one_of[1]
        if one_of
        else "a@b.example"
        if "@" in pattern
        else "2026-01-01T00:00:00Z"
        if schema.get("format")
        else "words"
    )
    items = [least(schema["items"], described)] * schema.get("minItems", 0) if "items" in schema else []
    number = max(1, schema.get("minimum", 1))
    plain = {"object": document, "array": items, "integer": number, "number": number, "string": words, "boolean": True}
    return plain.get(schema.get("type", "null"))


@dataclass(frozen=True)
class Rows:
    """The keys of one user's rows, by what `NAMED` says of them."""

    ids: Mapping[str, Any]
    failure: str  # the group of her failed step, which pages name it by

    def url(self, asked: Asked) -> str:
        """The path with these rows in it."""

        def value(found: re.Match[str]) -> str:
            name = found[1].partition(":")[0]
            if name == "group_id":
                return self.failure
            return WORDS[name] if name in WORDS else quote(str(self.ids[named(asked, name)]))

        return re.sub(r"\{([^}]+)\}", value, asked.path)


def named(asked: Asked, part: str) -> str:
    """What this part of the path names. Raises KeyError where that is not said."""
    if "/members/" in asked.path and part == "user_id":
        return MEMBER
    return asked.path.split("/")[2].replace("-", "_") if part == "row_id" else NAMED[part]


def deed(asked: Asked) -> CompanyDeed | None:
    """What this is in the company whose rows it names; None where it names what no company shares."""
    names = {named(asked, part) for part in asked.parts if part not in WORDS}
    if asked.path.endswith("/invitations") or "{email}" in asked.path:
        return CompanyDeed.INVITE
    if "/members/" in asked.path:
        return CompanyDeed.MANAGE_MEMBERS
    if asked.path in HERS or names & UNSHARED or any(name.startswith("jobs.") for name in names):
        return None
    if asked.path.startswith("/v1/connections/"):
        return CompanyDeed.CONNECT
    if (asked.method == "DELETE" or asked.path.endswith("/delete")) and asked.path not in CHANGES:
        return CompanyDeed.CLOSE if names == {"companies"} else CompanyDeed.REMOVE
    return CompanyDeed.READ if asked.method == "GET" else CompanyDeed.WORK


def find_row(connection: Connection, name: str, key: object) -> str | None:
    """The row of this name and key as it stands."""
    table, _, column = name.removeprefix("jobs.").partition(".")
    at = f"{'jobs' if name.startswith('jobs.') else 'public'}.{table}"
    statement = f"SELECT t::text FROM {at} t WHERE {column or 'id'}::text = :key"
    return connection.scalar(text(statement), {"key": str(key)})


def write_rows(connection: Connection, database: Database, user: str, company: int | None = None) -> Rows:
    """A row of every table for this user, or for her company, whose texts all hold the secret."""
    ids: dict[str, Any] = {"users": user}
    for name, table in TABLES.items():
        if name not in {"users", "sessions", "company_memberships"}:
            ids[name] = insert_row(connection, table, user, company_id=company, day_of_week=1, **_secrets(table))
    leads = TABLES["business_leads"]
    of_lead = connection.execute(leads.select().where(leads.c.id == ids["business_leads"])).mappings().one()
    other = {**_secrets(leads), "client_id": of_lead["client_id"], "place_id": None}
    ids["business_leads.id"] = insert_row(connection, leads, user, company_id=company, **other)
    ids["companies"] = company or ids["companies"]
    ids[MEMBER] = insert_row(connection, TABLES["users"], user)
    insert_row(connection, TABLES["company_memberships"], ids[MEMBER], company_id=ids["companies"])
    with database.tenant(user) as session:
        watched = {"competitor_key": f"url:{SECRET}", "source": SnapshotSource.WEBSITE, "url": SECRET, "name": SECRET}
        ids["competitors"] = insert_competitor(session, ids["leads_clients"], **watched, user_id=user)["id"]
        said = {"model_used": SECRET, "said_at": datetime.now(UTC), "user_id": user}
        keep_intelligence(session, ids["leads_clients"], Kind.REVIEWS, {"summary": SECRET}, **said)
        segment = ids["confidentiality_decisions.segment_id"] = f"{SECRET} segment"
        times = {"startTime": "00:00:00", "endTime": "00:00:01", "startSeconds": 0, "endSeconds": 1}
        kind = {"category": "financial", "severity": "high", "confidence": 0.5, "rule": "money_amount"}
        found = {"id": segment, "reason": SECRET, **times, **kind}
        said = {"clear": False, "segments": [found], "summary": SECRET, "model_used": SECRET}
        insert_check(session, ids["videos"], triggered_by=user, **said)
        decide(session, ids["videos"], segment, Decision.PENDING, note="", by=user)
        how = {"rule": {"kind": "weekly", "weekday": 1}, "zone": "UTC", "subject": SECRET}
        ids["jobs.schedules"] = schedules.insert(session, owner_id=user, pipeline="self_check", args={}, **how)["id"]
        new = {"pipeline": "self_check", "owner_id": user, "args": {"words": SECRET}}
        steps = [jobs.NewStep("write_sample", "io")]
        ids["jobs.jobs"] = jobs.insert_job(session, **new, steps=steps, subject=f"video:{ids['videos']}")
        failed = jobs.insert_job(session, **new, steps=steps, subject=None)
        ids["jobs.batches"] = new_id()
        jobs.insert_batch(
            session,
            ids["jobs.batches"],
            owner_id=user,
            pipeline="self_check",
            priority=0,
            job_ids=[ids["jobs.jobs"]],
            hook=jobs.Hook("self_check", {"words": SECRET}),
        )
        email = ids["jobs.company_invitations.email"] = f"{SECRET}@example.com"
        invite(session, ids["companies"], email, MemberRole.MEMBER, invited_by=user)
    with database.jobs() as session:
        api_keys.insert_api_key(session, user_id=user, name=SECRET)
        ids["jobs.api_keys"] = api_keys.list_api_keys(session, user_id=user)[-1]["id"]
        provider = ids["jobs.breakers.provider"] = "youtube"
        held = {"open_for": timedelta(days=1), "opened_by": user, "reason": SECRET}
        jobs.open_breaker(session, provider, owner_id=user, **held)
        ids["jobs.queues.name"] = "io"
    ids["jobs.job_steps.error_class"] = "AnnasFault"
    connection.execute(
        text("""
        UPDATE jobs.job_steps SET status = 'failed', error_class = 'AnnasFault', error_group = :secret, finished_at = now()
        WHERE job_id = :job
        """),
        {"job": failed, "secret": SECRET},
    )
    ids["jobs.uploads"] = new_id()
    connection.execute(
        text("""
        INSERT INTO jobs.uploads (id, user_id, file_name, size_bytes, expires_at)
        VALUES (:id, :user, :name, 10, now() + interval '1 day')
        """),
        {"id": ids["jobs.uploads"], "user": user, "name": SECRET},
    )
    with database.jobs() as session:
        [failure] = [group.id for group in failures.list_groups(session) if group.error_class == "AnnasFault"]
    return Rows(ids, failure)


def _secrets(table: Table) -> dict[str, object]:
    """For every text that may be anything."""
    return {
        column.name: f"{SECRET} {column.name}"
        for column in table.columns
        if isinstance(column.type, String)
        and "words" not in column.info
        and not column.foreign_keys
        and column.name
        not in {"id", "user_id", "owner_id", "provider", "timezone", "source_path", "storage_path", "triggered_by"}
    }


def everything(connection: Connection, rows: Rows) -> dict[str, list[str]]:
    """Each row of this user's as it stands, and what is named besides."""
    states = {}
    for table in metadata.sorted_tables:
        owner = next((name for name in ("user_id", "owner_id") if name in table.columns), None)
        if owner:
            statement = text(f"SELECT t::text FROM {table.name} t WHERE {owner} = :user ORDER BY 1")
            states[table.name] = list(connection.scalars(statement, {"user": rows.ids["users"]}))
    asked = {*NAMED.values(), MEMBER} - {"users", "jobs.jobs"}
    states.update({name: [str(find_row(connection, name, rows.ids[name]))] for name in asked if name not in states})
    job = "SELECT id::text || status || coalesce(cancel_requested_at::text, '') FROM jobs.jobs WHERE owner_id = :user"
    states["jobs"] = list(connection.scalars(text(job), {"user": rows.ids["users"]}))
    said = text("SELECT t::text FROM leads_intelligence t WHERE user_id = :user")
    states["leads_intelligence"] = list(connection.scalars(said, {"user": rows.ids["users"]}))
    return states
