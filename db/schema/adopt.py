"""Bring a live database of an earlier generation to ours: plan, rehearse, back up, change, settle."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from core.errors import AskStephenError, Conflict, Misconfigured, Transient
from db.migrations import LOCK
from db.migrations.roles import ROLES
from db.schema.entries import Entry, back_up, list_entries
from db.schema.facts import Facts
from db.schema.names import list_renamed
from db.schema.plan import Described, Plan, Step, make_plan
from db.schema.read import connected, read_schema
from db.schema.scratch import migrated_database, owned_database
from db.schema.shape import Schema

_OLDEST = 15  # of PostgreSQL: a view that asks as who asks
_NOT_COPIED = {"ACL", "DEFAULT ACL", "EVENT TRIGGER", "PUBLICATION", "SUBSCRIPTION"}
_LOCK_SECONDS = 30  # for each lock that somebody else may hold


@dataclass(frozen=True, slots=True)
class Adoption:
    """One database, the server of this machine where scratch databases are made, and where backups go."""

    url: str
    server_url: str
    backups: Path
    rewrite: bool = False
    say: Callable[[str], None] = print

    def plan(self) -> Plan:
        """What would be done. Reads only. Raises Misconfigured, Conflict."""
        ours = describe_ours(self.server_url)
        with connected(self.url) as connection:
            return self._plan(connection, ours)

    def run(self, *, dry_run: bool = False) -> Plan:
        """Show the plan, then do it; returns it. The second time it is empty.

        Raises Conflict before anything is written when something cannot be reconciled. The change is one transaction: it is there
        whole or not at all. What is settled after it is done again by the next run where this one was ended.
        """
        ours = describe_ours(self.server_url)
        with connected(self.url) as connection:
            plan = self._plan(connection, ours)
        self.say(show(plan))
        if plan.obstacles:
            raise Conflict(f"{len(plan.obstacles)} things stand in the way, listed above; nothing was written")
        if plan.change:
            self._rehearse(ours, plan)
        if dry_run or plan.is_empty:
            return plan
        self._back_up()
        if plan.change:
            self._change(plan)
        self._settle(ours)
        return plan

    def _plan(self, connection: Connection, ours: Described) -> Plan:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        _refuse_unfit(connection, ours)
        tables = read_schema(connection)
        there = Described(tables, list_entries(self.url), _find_revision(connection))
        plan = make_plan(ours, there, Facts(connection, tables, list_renamed(tables)), rewrite=self.rewrite)
        others = connection.scalar(
            text("""
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
              AND application_name <> 'askstephen schema' AND pid <> pg_backend_pid()
            """)
        )
        if others and plan.change:
            plan.kept.append(
                f"{others} other connections are open: stop what uses this database, so that the backup is its last word"
            )
        return plan

    def _rehearse(self, ours: Described, plan: Plan) -> None:
        """Do the change to a copy without rows: what cannot be done, or would have to be done again, is found there."""
        with owned_database(self.server_url) as url:
            with connected(self.server_url) as admin, admin.begin():
                admin.exec_driver_sql(ROLES)
                admin.exec_driver_sql(f"GRANT askstephen_tenant, askstephen_jobs TO {sqlalchemy.make_url(url).username}")
            with connected(url) as connection, connection.begin():
                if reason := _copy_without_rows(connection, list_entries(self.url), tables=ours.tables):
                    self.say(f"Not rehearsed: a copy of this database cannot be made here ({reason}).")
                    return
                _run(connection, plan.change, _rehearsal_failed)
            with connected(url) as connection:
                tables = read_schema(connection)
                there = Described(tables, list_entries(url), _find_revision(connection))
                again = make_plan(ours, there, Facts(connection, tables, []), rewrite=self.rewrite)
        if again.change or again.obstacles:
            left = [step.words for step in again.change] + again.obstacles
            raise _rehearsal_failed(f"Left: {'; '.join(left)}")
        self.say("Rehearsed on a copy without rows.")

    def _back_up(self) -> None:
        name = sqlalchemy.make_url(self.url).database or "database"
        file = self.backups / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.dump"
        back_up(self.url, file)
        self.say(f"Backed up to {file} (pg_restore brings it back).")

    def _change(self, plan: Plan) -> None:
        with connected(self.url) as connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
            connection.exec_driver_sql("SET LOCAL check_function_bodies = off")
            _run(connection, [Step("roles", (ROLES,)), *plan.change], _change_failed)
        self.say("Changed, in one transaction.")

    def _settle(self, ours: Described) -> None:
        with connected(self.url) as connection:
            left = self._plan(connection, ours)
        with connected(self.url) as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            alone.exec_driver_sql(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
            for step in left.settle:
                _run(alone, [step], _settling_failed)
                self.say(f"  settled: {step.words}")


@functools.cache
def describe_ours(server_url: str) -> Described:
    """What the migrations of this version make, in a scratch database of this server."""
    with migrated_database(server_url) as url, connected(url) as connection:
        return Described(read_schema(connection), list_entries(url, rows=True), _find_revision(connection))


def _copy_without_rows(connection: Connection, entries: list[Entry], *, tables: Schema) -> str | None:
    """Why it cannot be done, or None."""
    connection.exec_driver_sql("SET LOCAL check_function_bodies = off")
    for entry in entries:
        # Grants and policies of strangers name roles that are not here.
        if entry.kind in _NOT_COPIED or (entry.kind == "POLICY" and entry.table not in tables and not entry.is_of_jobs):
            continue
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(entry.sql)
        except DBAPIError as error:
            return f"{entry.kind.lower()} {entry.name}: {_said(error)}"
    return None


def show(plan: Plan) -> str:
    """The plan in words."""
    if plan.is_empty and not plan.obstacles:
        return "\n".join(["Nothing to do: this database is ours already.", *(f"  {words}" for words in plan.kept)])
    groups = (
        ("What cannot be reconciled", plan.obstacles),
        ("Change, in one transaction", list(dict.fromkeys(step.part_of or step.words for step in plan.change))),
        ("Settle, one by one afterwards", [step.words for step in plan.settle]),
        ("Stays as it is", plan.kept),
    )
    lines = []
    for title, all_words in groups:
        if all_words:
            lines += [f"{title} ({len(all_words)}):", *(f"  {words}" for words in all_words)]
    return "\n".join(lines)


def _refuse_unfit(connection: Connection, ours: Described) -> None:
    version = int(connection.scalar(text("SELECT current_setting('server_version_num')::int / 10000")) or 0)
    if version < _OLDEST:
        raise Misconfigured(f"this server is PostgreSQL {version}; {_OLDEST} or newer is needed: upgrade it first")
    revision = _find_revision(connection)
    if revision not in {None, ours.revision}:
        raise Conflict(
            f"this database is ours, at revision {revision} of {ours.revision}: ./askstephen up with DATABASE_URL brings it up to date"
        )
    may = connection.scalar(
        text("""
        SELECT rolsuper OR rolcreaterole OR (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('askstephen_tenant', 'askstephen_jobs')
               AND pg_has_role(oid, 'USAGE')) FROM pg_roles WHERE rolname = current_user
        """)
    )
    if not may:
        raise Misconfigured(
            "this login may not make roles, and askstephen_tenant and askstephen_jobs are not there: use one that may"
        )


def _find_revision(connection: Connection) -> str | None:
    if not connection.scalar(text("SELECT to_regclass('jobs.alembic_version') IS NOT NULL")):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM jobs.alembic_version"))
    return revision


def _run(connection: Connection, steps: list[Step], failing: Callable[[str], AskStephenError]) -> None:
    for step in steps:
        for statement in step.sql:
            try:
                connection.exec_driver_sql(statement)
            except DBAPIError as error:
                raise failing(f"{step.words}: {_said(error)}") from error


def _rehearsal_failed(words: str) -> Conflict:
    return Conflict(f"a rehearsal on a copy without rows did not come out as planned; nothing was written. {words}")


def _change_failed(words: str) -> Transient:
    return Transient(f"{words}. Nothing was changed; run it again once that is mended")


def _settling_failed(words: str) -> Transient:
    return Transient(f"{words}. What is told as settled is done; run it again once that is mended")


def _said(error: DBAPIError) -> str:
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "message_primary", None) or type(error.orig).__name__
