"""What `pg_dump` writes about a database, entry by entry; and a whole dump as a backup."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy

from core.errors import Misconfigured
from core.local_stack.programs import find_postgres
from db.schema.read import without_password

_HEAD = re.compile(
    r"^-- (?:Data for )?Name: (?P<name>.*); Type: (?P<kind>[A-Z ]+); Schema: (?P<schema>.*); Owner: .*$", re.MULTILINE
)
_TABLE = re.compile(r"\b(?:ON|TABLE|INTO)(?: ONLY)? public\.\"?(?P<name>\w+)")
_GRANT = re.compile(r"^GRANT (?P<privileges>.+?) ON (?P<object>.+) TO (?P<role>\w+);$", re.MULTILINE)
_CLOSED = re.compile(r"^REVOKE ALL ON .+ FROM PUBLIC(?=;$)", re.MULTILINE)
_WITHOUT_TABLE = {"FUNCTION", "PROCEDURE", "TYPE", "DOMAIN", "SCHEMA", "EXTENSION", "SEQUENCE SET", "VIEW"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: `kind` as pg_dump names it (TABLE, INDEX, POLICY, ACL, …), and the SQL that makes it."""

    kind: str
    schema: str
    name: str
    sql: str

    @property
    def table(self) -> str | None:
        """The table of `public` that it belongs to."""
        found = None if self.kind in _WITHOUT_TABLE else _TABLE.search(self.sql)
        return found["name"] if found else None

    @property
    def is_of_jobs(self) -> bool:
        """Whether it belongs to the schema `jobs`, or is that schema."""
        return self.schema == "jobs" or self.name in {"jobs", "SCHEMA jobs"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a role may do with one object."""

    privileges: frozenset[str]
    object: str
    role: str

    @property
    def sql(self) -> str:
        """The statement that grants it."""
        return f"GRANT {', '.join(sorted(self.privileges))} ON {self.object} TO {self.role}"

    def covers(self, other: "Grant") -> bool:
        """Whether who holds this holds the other as well."""
        same = (self.object, self.role) == (other.object, other.role)
        return same and ("ALL" in self.privileges or self.privileges >= other.privileges)


def list_entries(url: str, *, rows: bool = False) -> list[Entry]:
    """Everything there but owners, in an order that can be run; with `rows` their INSERTs too."""
    dumped = _pg_dump(url, "--no-owner", *(["--column-inserts"] if rows else ["--schema-only"]))
    return list(_split(dumped))


def list_grants(entries: list[Entry]) -> list[Grant]:
    """Every grant of these entries."""
    return [
        Grant(frozenset(re.split(r",\s*(?![^(]*\))", found["privileges"])), found["object"], found["role"])
        for entry in entries
        if entry.kind == "ACL"
        for found in _GRANT.finditer(entry.sql)
    ]


def list_closed(entries: list[Entry]) -> list[str]:
    """Every statement of these entries that takes from everybody what the server would let them do."""
    return [found[0] for entry in entries if entry.kind == "ACL" for found in _CLOSED.finditer(entry.sql)]


def back_up(url: str, file: Path) -> None:
    """Write a dump of everything for `pg_restore`, readable by its owner only; complete or not there."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = file.with_suffix(".part")
    os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    _pg_dump(url, "--format=custom", f"--file={unfinished}")
    unfinished.rename(file)


def _split(dumped: str) -> Iterator[Entry]:
    heads = list(_HEAD.finditer(dumped))
    ends = [*(head.start() for head in heads[1:]), len(dumped)]
    for head, end in zip(heads, ends, strict=True):
        lines = dumped[head.end() : end].splitlines()
        # What follows the last entry of a kind are settings of the session and the comment that opens the next one.
        kept = [
            line
            for line in lines
            if line != "--" and not line.startswith(("SET default_", "\\", "-- PostgreSQL database dump"))
        ]
        if sql := "\n".join(kept).strip():
            yield Entry(head["kind"], head["schema"], head["name"], sql)


def _pg_dump(url: str, *options: str) -> str:
    program = find_postgres() / "pg_dump"
    if not program.exists():
        raise Misconfigured(f"{program} is not there: install PostgreSQL's client programs beside its server")
    parsed = sqlalchemy.make_url(url).set(drivername="postgresql")
    address = parsed.set(password=None).render_as_string(hide_password=False)
    password = {"PGPASSWORD": str(parsed.password)} if parsed.password else {}  # not an argument: those are everybody's to read
    done = subprocess.run(
        [program, "--no-password", *options, f"--dbname={address}"],
        env={**os.environ, **password, "PGOPTIONS": "-c timezone=UTC"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Misconfigured(f"pg_dump of {without_password(url)} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
