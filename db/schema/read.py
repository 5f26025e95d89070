"""Read the tables of a database's schema `public` from its catalogs."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from core.errors import Misconfigured
from db.engine import driver_url, in_a_line
from db.schema.shape import Column, Constraint, Index, Kind, Schema, Table

# Ours and the pattern that PostgreSQL prints for `column IN (words)`, on text and on varchar.
_ONE_OF = re.compile(
    r"^CHECK \(\(*\"?\w+\"?\)?(?:::text)? = ANY \(\(?ARRAY\[(?P<words>.*)\]\)?(?:::text\[\])?\)\)+$", re.DOTALL
)
_ONE = re.compile(r"^CHECK \(\(*\"?\w+\"?\)?(?:::text)? = (?P<words>'(?:[^']|'')*')(?:::[\w ]+)?\)+$")
_WORD = re.compile(r"'((?:[^']|'')*)'")

_TABLES = text("""
    SELECT c.oid, c.relname AS name, pg_has_role(c.relowner, 'USAGE') AS owned
    FROM pg_class c WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.relname
""")
_COLUMNS = text("""
    SELECT a.attrelid AS oid, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
           pg_get_expr(d.adbin, d.adrelid) AS "default", a.attidentity <> '' AS identity, a.attgenerated <> '' AS generated
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    WHERE a.attrelid = ANY (:tables) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
""")
_CONSTRAINTS = text("""
    SELECT conrelid AS oid, conname AS name, contype AS kind, pg_get_constraintdef(oid) AS definition, convalidated AS valid,
           (SELECT array_agg(a.attname ORDER BY k.place) FROM unnest(conkey) WITH ORDINALITY k (number, place)
            JOIN pg_attribute a ON (a.attrelid, a.attnum) = (conrelid, k.number)) AS columns,
           CASE WHEN contype = 'f' THEN (SELECT relname FROM pg_class WHERE oid = confrelid) END AS refers_to
    FROM pg_constraint WHERE conrelid = ANY (:tables) AND contype = ANY (:kinds) ORDER BY conname
""")
_INDEXES = text("""
    SELECT i.indrelid AS oid, c.relname AS name, i.indisunique AS "unique", i.indisvalid AS valid,
           pg_get_indexdef(i.indexrelid) AS definition
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = ANY (:tables) AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    ORDER BY c.relname
""")


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """One connection as the login itself, in UTC; nothing is committed but what the block commits. Raises Misconfigured.

    Only `pg_catalog` is on its path: nothing that a strange database holds is called instead of what was meant.
    """
    options = {
        "options": "-c timezone=UTC -c search_path=pg_catalog",
        "connect_timeout": 10,
        "application_name": "askstephen schema",
    }
    address = without_password(url)
    engine = sqlalchemy.create_engine(
        driver_url(url),
        poolclass=sqlalchemy.NullPool,
        hide_parameters=True,
        connect_args=options,
        execution_options={"no_parameters": True},  # a per cent sign in a statement is one
    )
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise Misconfigured(f"{address} does not answer: {in_a_line(error)}") from None
    with connection:
        yield connection


def without_password(url: str) -> str:
    """An address that may be shown. Raises Misconfigured for anything else, which it does not repeat."""
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        parsed = None
    if parsed is None or not parsed.drivername.startswith("postgres"):
        raise Misconfigured("that is no PostgreSQL address: one looks like postgresql://user@host:5432/database")
    return parsed.render_as_string(hide_password=True)


def read_schema(connection: Connection) -> Schema:
    """Its tables; what belongs to an extension is left out. Leaves the transaction with `pg_catalog` alone on its path."""
    # So names are printed in full, and mean the same everywhere.
    connection.execute(text("SELECT set_config('search_path', 'pg_catalog', true)"))
    tables = connection.execute(_TABLES).mappings().all()
    numbers = {"tables": [table["oid"] for table in tables]}
    columns = _by_table(connection.execute(_COLUMNS, numbers).mappings())
    constraints = _by_table(connection.execute(_CONSTRAINTS, {**numbers, "kinds": [kind.value for kind in Kind]}).mappings())
    indexes = _by_table(connection.execute(_INDEXES, numbers).mappings())
    return {
        table["name"]: Table(
            name=table["name"],
            owned=table["owned"],
            columns={row["name"]: Column(**row) for row in columns[table["oid"]]},
            constraints=tuple(_constraint(row) for row in constraints[table["oid"]]),
            indexes=tuple(Index(**{**row, "definition": _from_method(row["definition"])}) for row in indexes[table["oid"]]),
        )
        for table in tables
    }


def _by_table(rows: Iterable[Any]) -> dict[int, list[dict[str, Any]]]:
    grouped: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        values = dict(row)
        grouped[values.pop("oid")].append(values)
    return grouped


def _constraint(row: dict[str, Any]) -> Constraint:
    definition = row["definition"].removesuffix(" NOT VALID")
    words = None
    if (
        row["kind"] == Kind.CHECK
        and len(row["columns"] or ()) == 1
        and (found := _ONE_OF.match(definition) or _ONE.match(definition))
    ):
        words = frozenset(word.replace("''", "'") for word in _WORD.findall(found["words"]))
    return Constraint(
        name=row["name"],
        kind=Kind(row["kind"]),
        definition=definition,
        columns=tuple(row["columns"] or ()),
        valid=row["valid"],
        refers_to=row["refers_to"],
        words=words,
    )


def _from_method(definition: str) -> str:
    return definition.partition(" USING ")[2]
