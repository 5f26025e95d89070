"""Who sees and changes what, for every table, made from the models: a new table is covered by being declared."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Table, func, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ProgrammingError

from core.local_stack.servers import Servers
from db.base.accounts import users
from db.base.companies import companies, company_memberships
from db.base.connections import oauth_states
from db.base.rows import list_rows
from db.base.videos import user_channels, videos, youtube_channels
from db.engine import Database
from tests.conftest import cloned, opened
from tests.db.rows import TABLES, insert_row, owner_column, parents, row_of

SHARED = {"users", "sessions", "youtube_channels"}  # no one user's: tested one by one below
OWNED = [table for name, table in TABLES.items() if name not in SHARED]
SIMPLE = [table for table in OWNED if table not in {companies, company_memberships}]
OF_COMPANIES = [table for table in SIMPLE if "company_id" in table.columns]
CHILDREN = [pytest.param(table, column.name, id=f"{table.name}.{column.name}") for table in OWNED for column in parents(table)]
HELD_BY_WHO_RUNS = {"cloud_connections", "user_social_accounts"}  # keys to accounts elsewhere
STRANGERS = ("bela", "carl", "mia", "")
# In a thirtieth of what TRUNCATE takes, which gives each of 200 tables and indexes a new file.
EMPTY = "; ".join(
    [
        "SET LOCAL session_replication_role = replica",  # no trigger, and references in any order
        *(f"DELETE FROM {name}" for name in TABLES),
        *(
            f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), 1, false)"
            for name, table in TABLES.items()
            if table.autoincrement_column is not None
        ),
    ]
)


def named(table: Table) -> str:
    return table.name


@pytest.fixture(scope="module")
def database(stack: Servers) -> Iterator[Database]:
    """One for all tests here, which `setup` empties before each."""
    with cloned(stack) as url, opened(url) as made:
        yield made


@pytest.fixture
def setup(database: Database) -> Iterator[Connection]:
    """Writes past every policy. Anna owns company 1, Carl runs it with her, Mia is a member; Bela owns 2, where Anna is a member."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(EMPTY)
        connection.execute(users.insert(), [{"id": user} for user in ("anna", "bela", "carl", "mia")])
        connection.execute(companies.insert(), [{"name": "A", "owner_id": "anna"}, {"name": "B", "owner_id": "bela"}])
        for company, user, role in ((1, "carl", "admin"), (1, "mia", "member"), (2, "anna", "member")):
            connection.execute(company_memberships.insert().values(company_id=company, user_id=user, role=role))
        yield connection


def sees(database: Database, table: Table, user: str, key: object) -> bool:
    with database.tenant(user) as session:
        return session.scalar(select(func.count()).select_from(table).where(_key(table) == key)) == 1


def changes(database: Database, table: Table, user: str, key: object) -> bool:
    if table is oauth_states:  # its rows are used up, never changed
        return removes(database, table, user, key)
    column = "is_default" if table is user_channels else "created_at"
    statement = table.update().where(_key(table) == key).values({column: table.c[column]})
    with database.tenant(user) as session:
        return session.execute(statement).rowcount == 1


def removes(database: Database, table: Table, user: str, key: object) -> bool:
    with database.tenant(user) as session:
        removed = session.execute(table.delete().where(_key(table) == key)).rowcount
        session.rollback()
    return removed == 1


def _key(table: Table):
    return next(iter(table.primary_key))


@pytest.mark.parametrize("table", SIMPLE, ids=named)
def test_a_row_is_its_users_alone(database: Database, setup: Connection, table: Table):
    key = insert_row(setup, table, "anna")
    assert sees(database, table, "anna", key)
    assert changes(database, table, "anna", key)
    assert removes(database, table, "anna", key)
    for deed in (sees, changes, removes):
        assert [user for user in STRANGERS if deed(database, table, user, key)] == []


@pytest.mark.parametrize("table", [table for table in SIMPLE if table is not user_channels], ids=named)
def test_users_write_their_own(database: Database, setup: Connection, table: Table):
    with database.tenant("anna") as session:
        assert insert_row(session.connection(), table, "anna")


@pytest.mark.parametrize("table", OWNED, ids=named)
def test_nobody_writes_in_anothers_name(database: Database, setup: Connection, table: Table):
    row = dict(setup.execute(select(table).where(_key(table) == row_of(setup, table, "carl"))).mappings().one())
    del row[_key(table).name]
    with database.tenant("bela") as session, pytest.raises(ProgrammingError, match=r"row-level security|permission denied"):
        session.execute(table.insert().values(row))


@pytest.mark.parametrize("table", [table for table in OWNED if owner_column(table)], ids=named)
def test_nobody_hands_a_row_to_another(database: Database, setup: Connection, table: Table):
    key = row_of(setup, table, "anna")
    with database.tenant("anna") as session, pytest.raises(ProgrammingError, match=r"keeps its owner|permission denied"):
        session.execute(table.update().where(_key(table) == key).values({owner_column(table): "bela"}))


@pytest.mark.parametrize("table", OF_COMPANIES, ids=named)
def test_a_list_holds_what_may_be_seen_newest_first(database: Database, setup: Connection, table: Table):
    for user, company in (("anna", 1), ("anna", None), ("bela", None), ("bela", 2), ("mia", 1), ("anna", 2), ("carl", 1)):
        insert_row(setup, table, user, company_id=company)
    if table.c.user_id.nullable:
        setup.execute(table.update().where(table.c.id == 3).values(user_id=None))
    for user in ("anna", "bela", "carl", "mia", ""):
        with database.tenant(user) as session:
            seen = list(session.scalars(select(table.c.id).order_by(table.c.id.desc())))
            assert [row["id"] for row in list_rows(session, table)] == seen
            listed: list[int] = []
            while page := list_rows(session, table, before=listed[-1] if listed else None, limit=2):
                listed += [row["id"] for row in page]
            assert listed == seen
            odd = list_rows(session, table, table.c.id % 2 == 1)
            assert [row["id"] for row in odd] == [key for key in seen if key % 2]


@pytest.fixture
def thousands(setup: Connection) -> Iterator[None]:
    """3000 videos that each sees, in a table that is new before and after: a plan goes by what was there."""
    setup.execute(text("TRUNCATE videos CASCADE"))
    for who, company in (("anna", None), ("mia", 1)):
        statement = text("""
            INSERT INTO videos (user_id, company_id, original_filename, storage_path, status)
            SELECT :user, CAST(:company AS integer), 'a.mp4', '', CASE n % 30 WHEN 0 THEN 'failed' ELSE 'ready_to_edit' END
            FROM generate_series(1, 3000) n
        """)
        setup.execute(statement, {"user": who, "company": company})
    setup.execute(text("ANALYZE videos"))
    yield
    setup.execute(text("TRUNCATE videos CASCADE"))


@pytest.mark.usefixtures("thousands")
@pytest.mark.parametrize("only", [(), (videos.c.status == "failed",), (videos.c.status == "publishing",)])
def test_a_page_of_many_costs_what_the_page_holds(database: Database, only):
    """Whoever reads them all and sorts is found out by the count of rows that were fetched."""
    fetched = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'videos'::regclass")
    for user in ("anna", "carl", "mia"):
        with database.tenant(user) as session:
            before = session.scalar(fetched) or 0
            list_rows(session, videos, *only, limit=50)
            assert session.scalar(fetched) - before <= 3 * 50
            assert session.scalar(text("SHOW enable_bitmapscan")) == "on"


@pytest.mark.parametrize(("table", "column"), CHILDREN)
def test_nobody_names_a_row_that_they_do_not_see(database: Database, setup: Connection, table: Table, column: str):
    parent = next(iter(table.c[column].foreign_keys)).column.table
    annas = insert_row(setup, parent, "anna")
    belas = insert_row(setup, table, "bela")
    with database.tenant("bela") as session, pytest.raises(ProgrammingError, match="row-level security"):
        insert_row(session.connection(), table, "bela", **{column: annas})
    with database.tenant("bela") as session, pytest.raises(ProgrammingError, match="row-level security"):
        session.execute(table.update().where(_key(table) == belas).values({column: annas}))


@pytest.mark.parametrize("table", OF_COMPANIES, ids=named)
class TestACompanysRow:
    def test_is_worked_on_by_its_members_and_removed_by_who_runs_it(self, database: Database, setup: Connection, table: Table):
        key = insert_row(setup, table, "anna", company_id=1)
        assert [user for user in STRANGERS if sees(database, table, user, key)] == ["carl", "mia"]
        changers = ["carl"] if table.name in HELD_BY_WHO_RUNS else ["carl", "mia"]
        assert [user for user in STRANGERS if changes(database, table, user, key)] == changers
        assert [user for user in STRANGERS if removes(database, table, user, key)] == ["carl"]

    def test_stays_to_be_seen_but_not_changed_by_a_member_who_left(self, database: Database, setup: Connection, table: Table):
        key = insert_row(setup, table, "mia", company_id=1)
        assert changes(database, table, "mia", key)
        setup.execute(company_memberships.delete().where(company_memberships.c.user_id == "mia"))
        assert sees(database, table, "mia", key)
        assert not changes(database, table, "mia", key)
        assert not removes(database, table, "mia", key)

    def test_is_not_written_by_who_is_no_member(self, database: Database, setup: Connection, table: Table):  # noqa: ARG002
        with database.tenant("bela") as session, pytest.raises(ProgrammingError, match="row-level security"):
            insert_row(session.connection(), table, "bela", company_id=1)

    def test_is_not_moved_to_a_company_of_others(self, database: Database, setup: Connection, table: Table):
        key = insert_row(setup, table, "anna", company_id=1)
        with database.tenant("carl") as session, pytest.raises(ProgrammingError, match="row-level security"):
            session.execute(table.update().where(_key(table) == key).values(company_id=2))

    def test_falls_back_to_its_user_when_the_company_goes(self, database: Database, setup: Connection, table: Table):
        key = insert_row(setup, table, "mia", company_id=1)
        with database.tenant("anna") as session:
            session.execute(companies.delete().where(companies.c.id == 1))
        assert sees(database, table, "mia", key)
        assert not sees(database, table, "carl", key)


@pytest.mark.parametrize("table", OF_COMPANIES, ids=named)
def test_policies_are_looked_up_by_index_and_worked_out_once(database: Database, setup: Connection, table: Table):
    with database.tenant("anna") as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(session.scalars(text(f"EXPLAIN SELECT count(*) FROM {table.name}")))
    for name in (f"{table.name}_by_user", f"{table.name}_by_company", "InitPlan"):
        assert name in plan
    assert "Filter" not in plan


def test_nobodys_conversation_is_seen_by_nobody_and_nobodys_partner_category_by_all(database: Database, setup: Connection):
    conversation = insert_row(setup, TABLES["conversations"], "anna", user_id=None)
    category = insert_row(setup, TABLES["referral_partner_categories"], "anna", user_id=None)
    assert not any(sees(database, TABLES["conversations"], user, conversation) for user in ("anna", *STRANGERS))
    assert all(sees(database, TABLES["referral_partner_categories"], user, category) for user in ("anna", "bela"))
    assert not changes(database, TABLES["referral_partner_categories"], "anna", category)


def test_a_message_is_removed_by_who_wrote_it_and_by_who_may_remove_the_conversation(database: Database, setup: Connection):
    messages, annas = TABLES["messages"], insert_row(setup, TABLES["conversations"], "anna", company_id=1)
    for author, removers in (("mia", ["anna", "carl", "mia"]), ("carl", ["anna", "carl"]), (None, ["anna", "carl"])):
        key = insert_row(setup, messages, "mia", conversation_id=annas, user_id=author)
        assert [user for user in ("anna", *STRANGERS) if sees(database, messages, user, key)] == ["anna", "carl", "mia"]
        assert [user for user in ("anna", *STRANGERS) if removes(database, messages, user, key)] == removers
    key = insert_row(setup, messages, "mia", conversation_id=annas)
    setup.execute(company_memberships.delete().where(company_memberships.c.user_id == "mia"))
    assert not removes(database, messages, "mia", key)


def test_a_channel_is_seen_by_who_may_publish_to_it(database: Database, setup: Connection):
    channel = setup.scalar(
        select(user_channels.c.channel_id).where(user_channels.c.id == insert_row(setup, user_channels, "anna"))
    )
    assert sees(database, youtube_channels, "anna", channel)
    assert not sees(database, youtube_channels, "bela", channel)
    with database.tenant("anna") as session, pytest.raises(ProgrammingError, match="permission denied"):
        session.execute(youtube_channels.update().values(title="mine"))


@pytest.mark.parametrize("values", [{"role": "superadmin"}, {"email": "invited@example.com"}, {"id": "bela"}])
def test_nobody_gives_themselves_a_role_or_an_address(database: Database, setup: Connection, values: dict[str, str]):
    with database.tenant("anna") as session, pytest.raises(ProgrammingError, match="permission denied"):
        session.execute(users.update().where(users.c.id == "anna").values(values))


def test_sessions_are_read_by_nobodys_requests(database: Database, setup: Connection):
    with database.tenant("anna") as session, pytest.raises(ProgrammingError, match="permission denied"):
        session.execute(text("SELECT 1 FROM sessions"))


@pytest.mark.parametrize("table", [table for table in TABLES.values() if "updated_at" in table.columns], ids=named)
def test_the_database_keeps_when_a_row_was_written_last(setup: Connection, table: Table):
    key = row_of(setup, table, "anna")
    setup.execute(table.update().where(_key(table) == key).values(updated_at=text("'2000-01-01Z'")))
    assert setup.scalar(select(table.c.updated_at >= table.c.created_at).where(_key(table) == key))
