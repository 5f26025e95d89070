"""The models and the migrated database are the same tables."""

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy

from core.local_stack.servers import Servers
from db import base
from db.engine import driver_url
from tests.conftest import admin_url

# Our own, beside the thirty: files of videos are keys of storage; decisions, passages and
# what is said of a market follow from rows of theirs.
OURS = {"competitors", "leads_intelligence", "video_files", "video_passages", "confidentiality_decisions"}

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"


@pytest.fixture
def models_url(stack: Servers) -> Iterator[str]:
    """A database made of the models alone."""
    with psycopg.connect(admin_url(stack), autocommit=True) as admin:
        admin.execute("CREATE DATABASE of_models TEMPLATE template0")
        url = stack.environment["DATABASE_URL"].replace("@/askstephen", "@/of_models")
        engine = sqlalchemy.create_engine(driver_url(url), poolclass=sqlalchemy.NullPool)
        base.metadata.create_all(engine)
        yield url
        admin.execute("DROP DATABASE of_models WITH (FORCE)")


@pytest.mark.parametrize("catalog", [COLUMNS, CONSTRAINTS, INDEXES], ids=["columns", "constraints", "indexes"])
def test_models_and_migrations_make_the_same_tables(database_url: str, models_url: str, catalog: str):
    migrated, modelled = _read(database_url, catalog), _read(models_url, catalog)
    assert sorted(migrated - modelled, key=str) == []
    assert sorted(modelled - migrated, key=str) == []


def test_there_are_thirty():
    assert len(base.metadata.tables) == 30


def _read(url: str, catalog: str) -> set[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return {row for row in connection.execute(catalog) if row[0].removeprefix("public.") not in OURS}
