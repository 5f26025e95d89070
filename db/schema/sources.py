"""What can be compared: a live database, a dump, or `models`, which is what our migrations make."""

import functools
import threading
from collections.abc import Iterable
from pathlib import Path

from core.errors import Invalid, NotFound
from core.local_stack.scratch import scratch_server
from db.schema.read import connected, read_schema, without_password
from db.schema.scratch import read_dump, read_models
from db.schema.shape import Schema

MODELS = "models"
_CUSTOM_FORMAT = b"PGDMP"
_one_at_a_time = threading.Lock()  # each starts a server


@functools.cache
def describe_models() -> Schema:
    """The tables that this version's migrations make."""
    with _one_at_a_time, scratch_server() as server:
        return read_models(server)


def describe_dump(lines: Iterable[str]) -> Schema:
    """The tables of a plain-SQL dump, read by a server of its own. Raises Invalid."""
    with _one_at_a_time, scratch_server() as server:
        return read_dump(server, lines)


def describe(source: str) -> Schema:
    """The tables of a database's address, a dump file's path, or `models`. Raises Misconfigured, NotFound, Invalid."""
    if source == MODELS:
        return describe_models()
    if "://" in source:
        with connected(source) as connection:
            return read_schema(connection)
    return describe_file(Path(source))


def describe_file(path: Path) -> Schema:
    """The tables of a plain-SQL dump. Raises NotFound, Invalid."""
    if not path.is_file():
        raise NotFound(f"{path} is neither a database's address (postgresql://…), nor a dump file, nor `{MODELS}`")
    with path.open("rb") as file:
        if file.read(len(_CUSTOM_FORMAT)) == _CUSTOM_FORMAT:
            raise Invalid(
                f"{path.name} is a dump for pg_restore: `pg_restore --schema-only --file=plain.sql` makes it readable here"
            )
    # Whatever its encoding is, names and keywords of a dump are read; what is not UTF-8 stands in data.
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        return describe_dump(lines)


def name_of(source: str) -> str:
    """How a source is shown, without a password."""
    return without_password(source) if "://" in source else source
