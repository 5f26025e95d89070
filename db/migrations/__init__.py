"""Bring a database to the tables of this version."""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from core.errors import Misconfigured
from db.engine import driver_url

LOCK = 7_310_101  # two processes that migrate at once take turns


def upgrade(url: str) -> None:
    """Migrate an empty database, or one that was migrated before. Raises Misconfigured for any other."""
    engine = sqlalchemy.create_engine(driver_url(url), poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            _refuse_unknown(connection)
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS jobs"))
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def _refuse_unknown(connection: Connection) -> None:
    stamped = connection.scalar(text("SELECT to_regclass('jobs.alembic_version') IS NOT NULL"))
    tables = connection.scalar(
        text("SELECT string_agg(tablename, ', ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'")
    )
    if tables and not stamped:
        raise Misconfigured(
            f"this database holds tables that this program did not make ({tables[:200]}); nothing was changed. "
            "If they are of an earlier generation of this product: ./askstephen schema adopt URL --dry-run shows what would be "
            "done to them. Else point DATABASE_URL at an empty database."
        )
