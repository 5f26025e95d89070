import psycopg
import pytest

from core.errors import Misconfigured
from db import migrations
from tests.conftest import admin_url


def test_migrating_twice_changes_nothing(database_url):
    migrations.upgrade(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM jobs.alembic_version").fetchone() == (1,)


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
