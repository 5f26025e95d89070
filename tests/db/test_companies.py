import pytest
from sqlalchemy import text

from core.errors import Conflict, Invalid, NotFound, Refused
from db import companies, permissions, workbook
from db.base.accounts import UserRole
from db.base.companies import MemberRole
from db.engine import Database
from db.permissions import Area, CompanyDeed, OperatorDeed, OperatorRole


@pytest.fixture
def bakery(database: Database) -> int:
    """Anna's company; Mia and Bela are users."""
    with database.jobs() as session:
        session.execute(
            text(
                "INSERT INTO users (id, email) VALUES ('anna', 'a@example.com'), ('mia', 'Mia@example.com'), ('bela', 'b@example.com')"
            )
        )
    with database.tenant("anna") as session:
        return companies.insert_company(session, "Bakery", owner_id="anna")["id"]


def join(database: Database, company_id: int, role: MemberRole = MemberRole.MEMBER) -> None:
    with database.tenant("anna") as session:
        token = companies.invite(session, company_id, "mia@example.com", role, invited_by="anna")
    with database.tenant("mia") as session:
        assert companies.accept_invitation(session, token, user_id="mia") == company_id


def test_who_makes_a_company_is_its_owner(database: Database, bakery: int):
    with database.tenant("anna") as session:
        assert companies.find_role(session, bakery, "anna") is MemberRole.OWNER
        assert [row["name"] for row in companies.list_companies(session)] == ["Bakery"]


def test_an_invitation_makes_a_member_once(database: Database, bakery: int):
    with database.tenant("anna") as session:
        token = companies.invite(session, bakery, "mia@example.com", MemberRole.ADMIN, invited_by="anna")
    with database.tenant("mia") as session:
        companies.accept_invitation(session, token, user_id="mia")
        assert companies.find_role(session, bakery, "mia") is MemberRole.ADMIN
        assert [(row["user_id"], row["role"]) for row in companies.list_members(session, bakery)] == [
            ("anna", "owner"),
            ("mia", "admin"),
        ]
    with database.tenant("mia") as session, pytest.raises(NotFound, match="used up"):
        companies.accept_invitation(session, token, user_id="mia")


def test_an_invitation_is_for_the_address_that_it_was_sent_to(database: Database, bakery: int):
    with database.tenant("anna") as session:
        token = companies.invite(session, bakery, "mia@example.com", MemberRole.MEMBER, invited_by="anna")
    with database.tenant("bela") as session, pytest.raises(NotFound, match="another address"):
        companies.accept_invitation(session, token, user_id="bela")
    with database.tenant("mia") as session:
        assert companies.accept_invitation(session, token, user_id="mia") == bakery


def test_an_invitation_ends_by_time_by_withdrawal_and_by_a_newer_one(database: Database, bakery: int):
    def invite() -> str:
        with database.tenant("anna") as session:
            return companies.invite(session, bakery, "mia@example.com", MemberRole.MEMBER, invited_by="anna")

    replaced, late = invite(), invite()
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE jobs.company_invitations SET expires_at = now()"))
    withdrawn = invite()
    with database.tenant("anna") as session:
        assert [row["email"] for row in companies.list_invitations(session, bakery)] == ["mia@example.com"]
        companies.withdraw_invitation(session, bakery, "MIA@example.com")
    for token in (replaced, late, withdrawn):
        with database.tenant("mia") as session, pytest.raises(NotFound):
            companies.accept_invitation(session, token, user_id="mia")


def test_a_member_neither_invites_nor_manages(database: Database, bakery: int):
    join(database, bakery)
    deeds = (
        lambda session: companies.invite(session, bakery, "b@example.com", MemberRole.MEMBER, invited_by="mia"),
        lambda session: companies.change_role(session, bakery, "mia", MemberRole.ADMIN),
        lambda session: companies.update_company(session, bakery, {"name": "Mine"}),
        lambda session: companies.delete_company(session, bakery),
    )
    for deed in deeds:
        with database.tenant("mia") as session, pytest.raises(Refused):
            deed(session)


def test_an_admin_does_not_close_the_company(database: Database, bakery: int):
    join(database, bakery, MemberRole.ADMIN)
    with database.tenant("mia") as session:
        assert (
            companies.update_company(session, bakery, {"website": "https://bread.example"})["website"]
            == "https://bread.example"
        )
        with pytest.raises(Refused):
            companies.delete_company(session, bakery)


def test_the_owner_stays(database: Database, bakery: int):
    join(database, bakery, MemberRole.ADMIN)
    for user in ("anna", "mia"):
        with database.tenant(user) as session, pytest.raises(Conflict, match="owner stays"):
            companies.remove_member(session, bakery, "anna")
    with database.tenant("anna") as session, pytest.raises(Conflict, match="one owner"):
        companies.change_role(session, bakery, "mia", MemberRole.OWNER)


def test_a_member_goes_by_themselves_or_is_let_go(database: Database, bakery: int):
    for who in ("mia", "anna"):
        join(database, bakery)
        with database.tenant(who) as session:
            companies.remove_member(session, bakery, "mia")
        with database.tenant("mia") as session:
            assert companies.list_companies(session) == []


def test_strangers_find_no_company(database: Database, bakery: int):
    with database.tenant("bela") as session:
        for deed in (companies.list_members, companies.delete_company):
            with pytest.raises(NotFound):
                deed(session, bakery)
        with pytest.raises(NotFound):
            companies.invite(session, bakery, "b@example.com", MemberRole.MEMBER, invited_by="bela")


def test_members_share_the_companys_workbook_beside_their_own(database: Database, bakery: int):
    join(database, bakery)
    with database.tenant("anna") as session:
        workbook.save_section(session, "swot", {"key_insight": "ours"}, user_id="anna", company_id=bakery)
        workbook.save_section(session, "swot", {"key_insight": "hers"}, user_id="anna")
    with database.tenant("mia") as session:
        shared = workbook.save_section(session, "swot", {"key_metric": "loaves"}, user_id="mia", company_id=bakery)
        assert (shared["key_insight"], shared["key_metric"], shared["user_id"]) == ("ours", "loaves", "anna")
        assert workbook.find_section(session, "swot", user_id="anna") is None


def test_a_company_needs_a_name_and_nothing_unknown(database: Database, bakery: int):
    with database.tenant("anna") as session:
        with pytest.raises(Invalid, match="name"):
            companies.insert_company(session, " ", owner_id="anna")
        with pytest.raises(Invalid, match="owner_id cannot be set"):
            companies.update_company(session, bakery, {"owner_id": "mia"})


def test_every_role_has_a_row_and_none_borrows_from_another_table():
    assert set(permissions.AREAS) == set(UserRole)
    assert set(permissions.COMPANY_DEEDS) == set(MemberRole)
    assert set(permissions.OPERATOR_DEEDS) == set(OperatorRole)
    assert permissions.user_role(None) is UserRole.SEARCH
    assert permissions.user_role("owner") is UserRole.SEARCH
    assert permissions.operator_role(UserRole.ADMIN, None) is None
    assert permissions.operator_role(UserRole.SUPERADMIN, None) is OperatorRole.ADMIN


def test_what_a_role_may_not_is_refused_with_who_to_ask():
    permissions.require_area(UserRole.CREATIVE, Area.PUBLISH)
    for refused in (
        lambda: permissions.require_area(UserRole.SEARCH, Area.PUBLISH),
        lambda: permissions.require_company_deed(MemberRole.MEMBER, CompanyDeed.INVITE),
        lambda: permissions.require_company_deed(None, CompanyDeed.READ),
        lambda: permissions.require_operator_deed(OperatorRole.VIEWER, OperatorDeed.MEND),
        lambda: permissions.require_operator_deed(None, OperatorDeed.WATCH),
    ):
        with pytest.raises(Refused, match="ask"):
            refused()
