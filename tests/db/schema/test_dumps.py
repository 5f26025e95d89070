import io
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from db.schema.scratch import loaded_database, read_dump
from db.schema.statements import split_statements

PIECES = [
    "a",
    " ",
    "\n",
    ";",
    "'",
    '"',
    "--",
    "/*",
    "*/",
    "$$",
    "$x$",
    "\\",
    "e'",
    "''",
    "begin",
    "end",
    "COPY t FROM stdin;\n",
    "\\.\n",
]


def statements(dump: str) -> list[str]:
    return [statement.sql for statement in split_statements(io.StringIO(dump))]


@pytest.mark.parametrize(
    "dump",
    [
        "\\! touch /tmp/x\n",
        "CREATE TABLE a (id int); \\! id\n",
        "CREATE TABLE a (\n\\! id\nid int);\n",
        "SELECT pg_catalog.set_config('a', 'b', false);\n\\connect other\n",
        "\\copy users FROM PROGRAM 'id'\n",
        "COPY users FROM PROGRAM 'id';\n",
        "COPY users TO PROGRAM 'id';\n",
        "COPY users FROM '/etc/passwd';\n",
        "DO $$ BEGIN NULL; END $$;\n",
        "CREATE ROLE me SUPERUSER;\n",
        "ALTER SYSTEM SET fsync = off;\n",
        "ALTER ROLE askstephen PASSWORD 'x';\n",
        "SELECT pg_terminate_backend(1);\n",
        "DROP TABLE users;\n",
        "CREATE TABLE a (id int); DELETE FROM a;\n",
        "CREATE TABLE a (id int",
        "CREATE TABLE a AS SELECT pg_sleep(100);\n",
    ],
)
def test_what_no_dump_of_tables_holds_is_refused(server: str, dump: str):
    with pytest.raises(Invalid):
        read_dump(server, io.StringIO(dump))


def test_the_server_takes_one_statement_at_a_time_whatever_its_quotes_are(server: str):
    # With the old meaning of backslashes the first string would end elsewhere, and hide the second statement.
    dump = "SET standard_conforming_strings = off;\nCREATE TABLE a (b text DEFAULT 'x\\'); DROP SCHEMA public; --');\n"
    with pytest.raises(Invalid):
        read_dump(server, io.StringIO(dump))


def test_who_runs_a_dump_owns_its_database_and_nothing_else(server: str):
    with loaded_database(server, io.StringIO("CREATE TABLE a (id int);\n")) as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            for statement in (
                "CREATE ROLE x",
                "CREATE DATABASE x",
                "COPY a FROM PROGRAM 'id'",
                "SELECT pg_read_file('/etc/passwd')",
                "SET ROLE askstephen",
                "SET SESSION AUTHORIZATION askstephen",
                "ALTER SYSTEM SET fsync = off",
                "SET temp_file_limit = -1",
                "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'x'",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
        role = url.partition("://")[2].partition("@")[0]
    with psycopg.connect(server) as admin:
        assert admin.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [role]).fetchone() == (0,)


def test_a_function_that_an_index_calls_does_not_run_as_a_superuser(server: str, tmp_path: Path):
    dump = """
    CREATE FUNCTION public.evil() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN PERFORM pg_read_file('/etc/passwd'); RETURN 1; END $$;
    CREATE TABLE public.a (id int);
    CREATE INDEX b ON public.a ((public.evil()));
    """
    with pytest.raises(Invalid, match="permission denied"):
        read_dump(server, io.StringIO(dump))


def test_a_statement_that_does_not_end_is_ended(server: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("db.schema.scratch", fromlist=["x"])._BOUNDS, "statement_timeout", "200ms")
    dump = """
    CREATE FUNCTION public.slow() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN LOOP END LOOP; END $$;
    CREATE TABLE public.a (id int);
    CREATE INDEX b ON public.a ((public.slow()));
    """
    with pytest.raises(Invalid, match="timeout"):
        read_dump(server, io.StringIO(dump))


def test_functions_named_as_the_servers_own_do_not_mislead_who_reads(server: str):
    dump = """
    CREATE FUNCTION public.format_type(oid, integer) RETURNS text LANGUAGE sql AS $$ SELECT 'lie' $$;
    CREATE FUNCTION public.pg_has_role(oid, unknown) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
    CREATE TABLE public.a (id int);
    """
    assert read_dump(server, io.StringIO(dump))["a"].columns["id"].type == "integer"


def test_rows_owners_grants_and_views_are_passed_over(server: str):
    dump = """\\restrict abc
    SET statement_timeout = 0;
    CREATE TABLE public.a (id int, words text);
    ALTER TABLE public.a OWNER TO somebody;
    COPY public.a (id, words) FROM stdin;
1\tDROP TABLE a; '
2\t\\\\! id
\\.
    INSERT INTO public.a VALUES (1, 'x; y');
    GRANT ALL ON TABLE public.a TO somebody;
    CREATE VIEW public.v AS SELECT 1;
    ALTER TABLE ONLY public.a ADD CONSTRAINT a_pkey PRIMARY KEY (id);
\\unrestrict abc
"""
    tables = read_dump(server, io.StringIO(dump))
    assert [(table.name, len(table.constraints)) for table in tables.values()] == [("a", 1)]


def test_statements_end_where_postgresql_ends_them():
    assert statements(
        "select 1; select ';'';'; select \";\"; select $$;$$; select $a$;$$;$a$; -- ;\n/* ; /* ; */ ; */ select E'\\';';"
    ) == [
        "select 1",
        "select ';'';'",
        'select ";"',
        "select $$;$$",
        "select $a$;$$;$a$",
        "select E'\\';'",
    ]
    body = "create function f() returns int begin atomic select case when true then 1 end; end"
    assert statements(f"{body}; select 2;") == [body, "select 2"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_split_or_refused(dump: str):
    try:
        found = statements(dump)
    except Invalid:
        return
    assert statements(";\n".join([*found, ""])) == found


def test_a_bomb_of_statements_is_refused():
    def lines():
        for _ in range(40):
            yield f"CREATE TABLE a ({'x' * (1 << 20)});\n"

    with pytest.raises(Invalid, match="more than 32 MB"):
        list(split_statements(lines()))
