"""Routes for one table, made from its model: a page of rows, one row, and what may be written of it. /v1 speaks the columns' names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import sqlalchemy
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model
from sqlalchemy import Column, ColumnElement, RowMapping, Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from api_stub.auth import DatabaseHere, User, in_area
from api_stub.contract import LARGEST_ID
from db.base.columns import UtcDateTime
from db.base.rows import MOST, delete_row, get_row, insert_row, list_rows, update_row
from db.permissions import Area

Insert = Callable[[Session, str, dict[str, Any]], RowMapping]
Update = Callable[[Session, int, dict[str, Any]], RowMapping]
Delete = Callable[[Session, int], None]
_Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
_Integer = Annotated[int, Field(ge=-LARGEST_ID - 1, le=LARGEST_ID)]
_Name = Annotated[int, Field(ge=1, le=LARGEST_ID)]
_KINDS: tuple[tuple[type[Any], Any], ...] = (
    (UtcDateTime, AwareDatetime),
    (sqlalchemy.BigInteger, Annotated[int, Field(ge=-(2**63), lt=2**63)]),
    (sqlalchemy.Integer, _Integer),
    (sqlalchemy.Boolean, bool),
    (ARRAY, list[str]),
    (JSONB, dict[str, Any] | list[Any]),
    (sqlalchemy.String, str),
)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What /v1 offers of a table. Whose rows they are, the database sees to."""

    table: Table
    one: str  # what a row is called
    area: Area | None = None
    filters: tuple[str, ...] = ()  # columns by which a list may be narrowed
    hidden: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()  # columns that a new row names
    written: tuple[str, ...] = ()  # those that it may name besides
    changed: tuple[str, ...] = ()
    insert: Insert | None = None
    update: Update | None = None
    delete: Delete | None = None

    @property
    def path(self) -> str:
        return f"/v1/{self.table.name.replace('_', '-')}"

    @property
    def shown(self) -> list[Column[Any]]:
        return [column for column in self.table.columns if column.name not in self.hidden]


def insert_own(table: Table) -> Insert:
    """Write a row of one's own, as it is given."""
    return lambda session, user, values: insert_row(session, table, {"user_id": user, **values})


def update_own(table: Table) -> Update:
    """Set what is given."""
    return lambda session, row_id, values: update_row(session, table, row_id, values)


def delete_own(table: Table) -> Delete:
    """Remove the row."""
    return lambda session, row_id: delete_row(session, table, row_id)


def routes(resource: Resource) -> APIRouter:
    """The routes of one table."""
    words = resource.table.name.replace("_", " ")
    dependencies = [Depends(in_area(resource.area))] if resource.area else []
    router = APIRouter(prefix=resource.path, tags=[words], dependencies=dependencies)
    row = _shown(resource)
    _add_reading(router, resource, row)
    _add_writing(router, resource, row)
    return router


def _add_reading(router: APIRouter, resource: Resource, row: type[BaseModel]) -> None:
    table, name = resource.table, resource.table.name
    page = create_model(f"PageOf{row.__name__}", items=(list[row], ...), next_cursor=(int | None, None))  # type: ignore[valid-type]
    asked = _asked(resource)

    def list_them(user: User, database: DatabaseHere, query: Annotated[asked, Query()]) -> dict[str, Any]:  # type: ignore[valid-type]
        given = query.model_dump(exclude_none=True)  # type: ignore[attr-defined]
        limit, cursor = given.pop("limit"), given.pop("cursor", None)
        with database.tenant(user) as session:
            rows = list_rows(session, table, *_conditions(table, given), before=cursor, limit=limit, more=True)
        shown = [dict(one) for one in rows[:limit]]
        return {"items": shown, "next_cursor": shown[-1]["id"] if len(rows) > limit else None}

    def get_one(row_id: _Id, user: User, database: DatabaseHere) -> dict[str, Any]:
        with database.tenant(user) as session:
            return dict(get_row(session, table, row_id))

    list_them.__doc__ = f"The {name.replace('_', ' ')} that you may see, newest first; `next_cursor` is null on the last page."
    get_one.__doc__ = f"One {resource.one}."
    router.add_api_route("", list_them, methods=["GET"], response_model=page, name=f"list_{name}_rows")
    router.add_api_route("/{row_id}", get_one, methods=["GET"], response_model=row, name=f"get_{name}_row")


def _add_writing(router: APIRouter, resource: Resource, row: type[BaseModel]) -> None:
    name = resource.table.name
    insert, update, delete = resource.insert, resource.update, resource.delete
    new, changes = _sent(resource, "New", resource.needed), _sent(resource, "Changed", ())

    def post_one(sent: new, user: User, database: DatabaseHere, response: Response) -> dict[str, Any]:  # type: ignore[valid-type]
        assert insert is not None  # noqa: S101  (there is no such route otherwise)
        with database.tenant(user) as session:
            written = dict(insert(session, user, sent.model_dump(exclude_unset=True)))  # type: ignore[attr-defined]
        response.headers["Location"] = f"{resource.path}/{written['id']}"
        return written

    def patch_one(row_id: _Id, sent: changes, user: User, database: DatabaseHere) -> dict[str, Any]:  # type: ignore[valid-type]
        assert update is not None  # noqa: S101  (as above)
        with database.tenant(user) as session:
            return dict(update(session, row_id, sent.model_dump(exclude_unset=True)))  # type: ignore[attr-defined]

    def delete_one(row_id: _Id, user: User, database: DatabaseHere) -> None:
        assert delete is not None  # noqa: S101  (as above)
        with database.tenant(user) as session:
            delete(session, row_id)

    post_one.__doc__ = f"Write a {resource.one}."
    patch_one.__doc__ = f"Change what is sent of a {resource.one}; the rest stays."
    delete_one.__doc__ = f"Remove a {resource.one}."
    if insert:
        router.add_api_route(
            "", post_one, methods=["POST"], status_code=201, response_model=row, name=f"post_{name}_row", responses=_LOCATED
        )
    if update:
        router.add_api_route("/{row_id}", patch_one, methods=["PATCH"], response_model=row, name=f"patch_{name}_row")
    if delete:
        router.add_api_route("/{row_id}", delete_one, methods=["DELETE"], status_code=204, name=f"delete_{name}_row")


_LOCATED: dict[int | str, dict[str, Any]] = {
    201: {"headers": {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}}
}


def _conditions(table: Table, given: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in given.items()]


def _shown(resource: Resource) -> type[BaseModel]:
    fields: dict[str, Any] = {column.name: (reading_kind(column), ...) for column in resource.shown}
    return create_model(_model_name(resource.one), **fields)


def _asked(resource: Resource) -> type[BaseModel]:
    fields: dict[str, Any] = {name: (writing_kind(resource.table.c[name]) | None, None) for name in resource.filters}
    fields["cursor"] = (_Name | None, Field(None, description="The `next_cursor` of the page before."))
    fields["limit"] = (int, Field(50, ge=1, le=MOST))
    return create_model(f"{_model_name(resource.one)}Query", __config__=ConfigDict(extra="forbid"), **fields)


def _sent(resource: Resource, prefix: str, needed: tuple[str, ...]) -> type[BaseModel]:
    named = (*resource.needed, *resource.written) if prefix == "New" else resource.changed
    fields: dict[str, Any] = {}
    for name in named:
        column = resource.table.c[name]
        kind = writing_kind(column) if name in needed or not column.nullable else writing_kind(column) | None
        fields[name] = (kind, ...) if name in needed else (kind, None)
    return create_model(f"{prefix}{_model_name(resource.one)}", __config__=ConfigDict(extra="forbid"), **fields)


def reading_kind(column: Column[Any]) -> Any:  # noqa: ANN401  (a type)
    """Wider than what may be written: earlier databases hold other words, documents of any kind, lists with gaps, and nothing in
    columns that they did not have.
    """
    kind = (
        Any if isinstance(column.type, JSONB) else list[str | None] if isinstance(column.type, ARRAY) else _plain_kind(column)
    )
    return kind if column.primary_key else kind | None


def writing_kind(column: Column[Any]) -> Any:  # noqa: ANN401  (a type)
    """What may be written there."""
    words: type[StrEnum] | None = column.info.get("words")
    if words:
        return Literal[tuple(words)]
    if column.foreign_keys and isinstance(column.type, sqlalchemy.Integer):
        return _Name
    kind = _plain_kind(column)
    return Annotated[kind, Field(min_length=1)] if kind is str and not column.nullable else kind


def _plain_kind(column: Column[Any]) -> Any:  # noqa: ANN401  (a type)
    return next(kind for known, kind in _KINDS if isinstance(column.type, known) or _is_made_of(column, known))


def _is_made_of(column: Column[Any], known: type[Any]) -> bool:
    return isinstance(getattr(column.type, "impl", None), known)


def _model_name(one: str) -> str:
    return "".join(word.capitalize() for word in one.split())
