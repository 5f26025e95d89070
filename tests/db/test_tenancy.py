import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from db.engine import Database

INSERT_VIDEO = text("INSERT INTO videos (user_id, original_filename, storage_path) VALUES (:user, 'a.mp4', 'k') RETURNING id")
INSERT_REQUEST = text(
    "INSERT INTO video_ingest_requests (user_id, provider, source_path, source_file_name, source_file_size)"
    " VALUES (:user, 'folder', 'a.mp4', 'a.mp4', 60000000000) RETURNING id"
)
INSERT_CHECK = text("INSERT INTO confidentiality_checks (video_id) VALUES (:video) RETURNING id")


@pytest.fixture
def anna(database: Database) -> int:
    """A video of Anna's with an ingest request and a check; `bela` is another user."""
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES ('anna'), ('bela')"))
    with database.tenant("anna") as session:
        video = session.scalar(INSERT_VIDEO, {"user": "anna"})
        session.execute(INSERT_REQUEST, {"user": "anna"})
        session.execute(INSERT_CHECK, {"video": video})
    return video


@pytest.mark.parametrize("table", ["videos", "video_ingest_requests", "confidentiality_checks"])
@pytest.mark.parametrize(("user", "seen"), [("anna", 1), ("bela", 0), ("", 0)])
def test_rows_are_visible_to_their_owner_only(database: Database, anna: int, table: str, user: str, seen: int):
    with database.tenant(user) as session:
        assert session.scalar(text(f"SELECT count(*) FROM {table}")) == seen


@pytest.mark.parametrize("table", ["videos", "video_ingest_requests", "confidentiality_checks"])
def test_another_users_rows_are_neither_changed_nor_removed(database: Database, anna: int, table: str):
    with database.tenant("bela") as session:
        assert session.execute(text(f"UPDATE {table} SET error_message = 'x'")).rowcount == 0
        assert session.execute(text(f"DELETE FROM {table}")).rowcount == 0


def test_nobody_writes_a_row_in_anothers_name(database: Database, anna: int):
    for statement, params in ((INSERT_VIDEO, {"user": "anna"}), (INSERT_CHECK, {"video": anna})):
        with database.tenant("bela") as session, pytest.raises(ProgrammingError, match="row-level security"):
            session.execute(statement, params)


def test_the_job_core_sees_no_product_row(database: Database, anna: int):
    with database.jobs() as session, pytest.raises(ProgrammingError, match="permission denied"):
        session.execute(text("SELECT 1 FROM videos"))


def test_an_identity_ends_with_its_transaction(database: Database, anna: int):
    with database.tenant("anna"):
        pass
    with database.engine.connect() as connection:
        assert not connection.scalar(text("SELECT current_setting('app.user_id', true)"))


def test_every_table_keeps_row_level_security_on(database: Database):
    with database.engine.connect() as connection:
        statement = text("""
            SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('public', 'jobs') AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
        """)
        # These three belong to the installation, not to a user, and only the job core's role may read them.
        assert set(connection.scalars(statement)) == {"jobs.alembic_version", "jobs.queues", "jobs.workers"}


def test_updated_at_is_kept_by_the_database(database: Database, anna: int):
    with database.tenant("anna") as session:
        session.execute(text("UPDATE videos SET title = 't', updated_at = '2000-01-01'"))
        assert session.scalar(text("SELECT updated_at > created_at - interval '1 s' FROM videos"))
