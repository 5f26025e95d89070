"""The page that lays two databases side by side, for operators."""

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response

from api_stub.auth import DatabaseHere
from api_stub.dashboard.rendering import render
from api_stub.operators import may
from api_stub.schema import LARGEST_DUMP_BYTES, compare_dump, compare_here
from api_stub.uploads import form_boundary, read_form
from db.permissions import OperatorDeed
from db.schema.compare import Comparison
from db.schema.report import headline

router = APIRouter(include_in_schema=False, dependencies=[Depends(may(OperatorDeed.CONFIGURE))])


@router.get("/schema", response_class=HTMLResponse)
def schema_page(request: Request, database: DatabaseHere) -> Response:
    """This database beside the tables of this version."""
    return _show(request, compare_here(database))


@router.post("/schema", response_class=HTMLResponse)
async def compare_uploaded(
    request: Request, database: DatabaseHere, against: Annotated[str, Query(pattern="here|models")] = "models"
) -> Response:
    """A dump from the form beside this database or the tables of this version; it is not kept. Raises Invalid."""
    boundary = form_boundary(request, limit_bytes=LARGEST_DUMP_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "dump.sql"
        with dump.open("wb") as file:
            form = await read_form(request, file, boundary, limit_bytes=LARGEST_DUMP_BYTES)
        comparison = await run_in_threadpool(compare_dump, database, dump, form.end(), against=against)
    return _show(request, comparison)


def _show(request: Request, comparison: Comparison) -> Response:
    names = sorted({*comparison.tables, *comparison.only_first, *comparison.only_second})
    return render(request, "schema.html", comparison=comparison, names=names, headline=headline(comparison))
