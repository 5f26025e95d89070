from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from core.errors import Misconfigured
from db import migrations
from tests.conftest import admin_url


def test_migrating_twice_changes_nothing(database_url):
    migrations.upgrade(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM jobs.alembic_version").fetchone() == (1,)


def test_many_that_find_an_empty_database_at_once_all_go_on(stack):
    """Of a peer, two that made the tables at the same time raced, and one of them died."""
    with psycopg.connect(admin_url(stack), autocommit=True) as admin:
        admin.execute("CREATE DATABASE empty_at_first TEMPLATE template0")
        url = stack.environment["DATABASE_URL"].replace("@/askstephen", "@/empty_at_first")
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(migrations.upgrade, [url] * 4)) == [None] * 4
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM jobs.alembic_version").fetchone() == (1,)
        admin.execute("DROP DATABASE empty_at_first WITH (FORCE)")


def test_a_database_with_unknown_tables_is_refused_and_untouched(stack):
    with psycopg.connect(admin_url(stack), autocommit=True) as admin:
        admin.execute("CREATE DATABASE unknown_tables TEMPLATE template0")
        url = stack.environment["DATABASE_URL"].replace("@/askstephen", "@/unknown_tables")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE videos (id int)")
            with pytest.raises(Misconfigured, match="did not make"):
                migrations.upgrade(url)
            assert connection.execute("SELECT to_regclass('jobs.jobs')").fetchone() == (None,)
        admin.execute("DROP DATABASE unknown_tables WITH (FORCE)")
