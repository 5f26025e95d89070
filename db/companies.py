"""Companies, who belongs to them, and invitations. Policies of the database decide who may; these say it in words."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping, select, text
from sqlalchemy.orm import Session

from core import ids
from core.errors import Conflict, Invalid, NotFound
from db.base.accounts import users
from db.base.companies import MemberRole, companies, company_memberships
from db.base.rows import delete_row, get_row, insert_row, list_rows, require_only, update_row
from db.engine import Role, acting_as
from db.permissions import CompanyDeed, require_company_deed

INVITATION_LIFETIME = timedelta(days=7)
_CHANGEABLE = ("name", "website", "industry", "settings")


def insert_company(session: Session, name: str, *, owner_id: str, **details: object) -> RowMapping:
    """A new company (`website`, `industry`, `settings`), whose owner is its first member. Raises Invalid."""
    require_only(details, _CHANGEABLE)
    if not name.strip():
        raise Invalid("a company needs a name")
    return insert_row(session, companies, {"name": name, "owner_id": owner_id, **details})


def list_companies(session: Session, *, before: int | None = None, limit: int = 50, more: bool = False) -> list[RowMapping]:
    """Those that the user belongs to, newest first. With `more`, one over the limit tells that there is one."""
    return list_rows(session, companies, before=before, limit=limit, more=more)


def update_company(session: Session, company_id: int, values: Mapping[str, Any]) -> RowMapping:
    """Set these of `name`, `website`, `industry`, `settings`. Raises NotFound, Refused, Invalid."""
    require_only(values, _CHANGEABLE)
    return update_row(session, companies, company_id, values)


def delete_company(session: Session, company_id: int) -> None:
    """Close a company: what members wrote for it stays with each of them. Raises NotFound, Refused."""
    delete_row(session, companies, company_id)


def find_role(session: Session, company_id: int, user_id: str) -> MemberRole | None:
    """What this user is in the company, or None."""
    mine = company_memberships.c.company_id == company_id, company_memberships.c.user_id == user_id
    stored = session.scalar(select(company_memberships.c.role).where(*mine))
    return None if stored is None else MemberRole(stored)


def list_members(session: Session, company_id: int) -> list[RowMapping]:
    """Who belongs to the company, with names and addresses, the longest-standing first. Raises NotFound."""
    get_row(session, companies, company_id)
    member = company_memberships
    shown = (member.c.user_id, member.c.role, member.c.created_at, users.c.email, users.c.first_name, users.c.last_name)
    joined = select(*shown).join(users, users.c.id == member.c.user_id).where(member.c.company_id == company_id)
    with acting_as(session, Role.JOBS):  # a user sees no other user's row
        return list(session.execute(joined.order_by(member.c.id)).mappings())


def change_role(session: Session, company_id: int, user_id: str, role: MemberRole) -> None:
    """Make a member an admin, or an admin a member. Raises NotFound, Refused; Conflict for the owner."""
    if role is MemberRole.OWNER:
        raise Conflict("a company has one owner, who made it")
    update_row(session, company_memberships, _membership(session, company_id, user_id), {"role": role})


def remove_member(session: Session, company_id: int, user_id: str) -> None:
    """Let a member go, or go oneself. Raises NotFound, Refused; Conflict for the owner."""
    delete_row(session, company_memberships, _membership(session, company_id, user_id))


def _membership(session: Session, company_id: int, user_id: str) -> int:
    named = company_memberships.c.company_id == company_id, company_memberships.c.user_id == user_id
    row = session.execute(select(company_memberships.c.id, company_memberships.c.role).where(*named)).one_or_none()
    if row is None:
        raise NotFound(f"{user_id} is no member of company {company_id}")
    if row.role == MemberRole.OWNER:
        raise Conflict("the owner stays as long as the company does; close it instead")
    return int(row.id)


def invite(session: Session, company_id: int, email: str, role: MemberRole, *, invited_by: str) -> str:
    """The token of a new invitation, which replaces an earlier one to the same address. Raises NotFound, Refused, Invalid."""
    get_row(session, companies, company_id)
    require_company_deed(find_role(session, company_id, invited_by), CompanyDeed.INVITE)
    if role is MemberRole.OWNER or "@" not in email:
        raise Invalid("an invitation needs an e-mail address, and the role admin or member")
    withdraw_invitation(session, company_id, email)
    token = secrets.token_urlsafe(24)
    session.execute(
        text("""
        INSERT INTO jobs.company_invitations (id, company_id, email, role, token_hash, invited_by, expires_at)
        VALUES (:id, :company_id, :email, :role, :hash, :invited_by, now() + :lifetime)
        """),
        {
            "id": ids.new_id(),
            "company_id": company_id,
            "email": email,
            "role": role.value,
            "hash": _hash(token),
            "invited_by": invited_by,
            "lifetime": INVITATION_LIFETIME,
        },
    )
    return token


def list_invitations(session: Session, company_id: int) -> list[RowMapping]:
    """Those that are open, newest first; for who runs the company."""
    statement = text("""
        SELECT id, email, role, invited_by, created_at, expires_at FROM jobs.company_invitations
        WHERE company_id = :company_id AND expires_at > now() ORDER BY id DESC
    """)
    return list(session.execute(statement, {"company_id": company_id}).mappings())


def withdraw_invitation(session: Session, company_id: int, email: str) -> None:
    """Make the invitation to this address worthless, where there is one."""
    statement = text("DELETE FROM jobs.company_invitations WHERE company_id = :company_id AND lower(email) = lower(:email)")
    session.execute(statement, {"company_id": company_id, "email": email})


def accept_invitation(session: Session, token: str, *, user_id: str) -> int:
    """Use the token up: the user is a member now of the company whose id is returned.

    A token works once, within a week, and for who has the address that it was sent to. A member who is one already keeps their role.
    Raises NotFound, whichever of these it is.
    """
    taken = text("""
        DELETE FROM jobs.company_invitations i USING public.users u
        WHERE i.token_hash = :hash AND i.expires_at > now() AND u.id = :user_id AND lower(u.email) = lower(i.email)
        RETURNING i.company_id, i.role
    """)
    join = text("""
        INSERT INTO public.company_memberships (company_id, user_id, role) VALUES (:company_id, :user_id, :role)
        ON CONFLICT (company_id, user_id) DO NOTHING
    """)
    with acting_as(session, Role.JOBS):
        row = session.execute(taken, {"hash": _hash(token), "user_id": user_id}).one_or_none()
        if row is None:
            raise NotFound("this invitation is used up, has expired, or was sent to another address; ask for a new one")
        session.execute(join, {"company_id": row.company_id, "user_id": user_id, "role": row.role})
    return int(row.company_id)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
