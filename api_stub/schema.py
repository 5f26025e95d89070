"""/ops/schema: how this database differs from what this version's migrations make, or from a dump."""

import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool

from api_stub.auth import DatabaseHere
from api_stub.body import blocks, declared_bytes, too_large
from api_stub.operators import may
from core.errors import Refused
from db.engine import Database
from db.permissions import OperatorDeed
from db.schema.compare import Comparison, compare
from db.schema.read import read_schema
from db.schema.report import to_document
from db.schema.shape import Schema
from db.schema.sources import MODELS, describe_file, describe_models

LARGEST_DUMP_BYTES = 64 << 20
HERE = "this database"
router = APIRouter(prefix="/ops", tags=["ops"], dependencies=[Depends(may(OperatorDeed.CONFIGURE))])


@router.get("/schema")
def get_schema(database: DatabaseHere) -> dict[str, Any]:
    """This database beside the tables that this version's migrations make."""
    return to_document(compare_here(database))


@router.post(
    "/schema",
    openapi_extra={"requestBody": {"required": True, "content": {"application/sql": {"schema": {"type": "string"}}}}},
)
async def post_schema(
    request: Request, database: DatabaseHere, against: Literal["here", "models"] = "models"
) -> dict[str, Any]:
    """A plain-SQL dump, as the body, beside this database or the tables that this version's migrations make. Nothing is kept."""
    if (declared_bytes(request) or 0) > LARGEST_DUMP_BYTES:
        raise too_large(LARGEST_DUMP_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "dump.sql"
        with dump.open("wb") as file:
            await _receive(request, file)
        return to_document(await run_in_threadpool(compare_dump, database, dump, "the dump", against=against))


async def _receive(request: Request, file: BinaryIO) -> None:
    received = 0
    async for block in blocks(request):
        received += len(block)
        if received > LARGEST_DUMP_BYTES:
            raise too_large(LARGEST_DUMP_BYTES)
        await run_in_threadpool(file.write, block)
    if not received:
        raise Refused("This dump is empty.")


def compare_here(database: Database) -> Comparison:
    """This database beside the tables that this version's migrations make."""
    return compare(_describe_here(database), describe_models(), names=(HERE, MODELS))


def compare_dump(database: Database, file: Path, name: str, *, against: str) -> Comparison:
    """A dump beside this database (`here`) or the tables of this version (`models`). Raises Invalid."""
    dumped = describe_file(file)
    if against == "here":
        return compare(dumped, _describe_here(database), names=(name, HERE))
    return compare(dumped, describe_models(), names=(name, MODELS))


def _describe_here(database: Database) -> Schema:
    with database.jobs() as session:
        return read_schema(session.connection())
