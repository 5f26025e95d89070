"""/v1/companies: companies, who belongs to them, and who is invited."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api_stub.auth import DatabaseHere, User
from api_stub.contract import LARGEST_ID, Email, Id
from db import companies
from db.base.companies import MemberRole
from db.base.companies import companies as table
from db.base.rows import MOST, get_row
from db.permissions import CompanyDeed, require_company_deed

router = APIRouter(prefix="/v1", tags=["companies"])
Name = Annotated[str, Field(min_length=1, max_length=200)]
Role = Literal["admin", "member"]


class Company(BaseModel):
    """A company."""

    id: int
    name: str
    website: str | None
    industry: str | None
    owner_id: str
    settings: Any
    created_at: datetime
    updated_at: datetime


class Companies(BaseModel):
    """A page of them."""

    items: list[Company]
    next_cursor: int | None


class ChangedCompany(BaseModel):
    """What may be set."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"industry": "bakery"}]})

    name: Name = ""
    website: str | None = None
    industry: str | None = None
    settings: dict[str, Any] | None = None


class NewCompany(ChangedCompany):
    """A company, which whoever makes it owns."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada's Bakery", "website": "https://bakery.example"}]})

    name: Name


class Member(BaseModel):
    """Somebody who belongs to a company."""

    user_id: str
    role: str
    email: str | None
    first_name: str | None
    last_name: str | None
    created_at: datetime


class Members(BaseModel):
    """All of them, the longest-standing first."""

    items: list[Member]


class ChangedMember(BaseModel):
    """Another role."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "admin"}]})

    role: Role


class NewInvitation(BaseModel):
    """Whom to invite; it takes the place of an earlier one to the same address."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"email": "bela@example.com", "role": "member"}]})

    email: Email
    role: Role = "member"


class Invitation(BaseModel):
    """An open invitation; its token is told once, to who made it."""

    id: UUID
    email: str
    role: str
    invited_by: str
    created_at: datetime
    expires_at: datetime


class Invitations(BaseModel):
    """Those that are open, newest first."""

    items: list[Invitation]


class Invited(BaseModel):
    """The token to send to who is invited."""

    email: str
    role: str
    token: str


class Token(BaseModel):
    """What an invitation came with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"token": "c2VjcmV0IG9mIGFuIGludml0YXRpb24"}]})

    token: Annotated[str, Field(min_length=1, max_length=200)]


class Joined(BaseModel):
    """The company that one belongs to now."""

    company_id: int


@router.get("/companies")
def list_companies(
    user: User,
    database: DatabaseHere,
    cursor: Annotated[int | None, Query(ge=1, le=LARGEST_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> Companies:
    """Those that you belong to, newest first; `next_cursor` is null on the last page."""
    with database.tenant(user) as session:
        rows = companies.list_companies(session, before=cursor, limit=limit, more=True)
    shown = [Company.model_validate(dict(row)) for row in rows[:limit]]
    return Companies(items=shown, next_cursor=shown[-1].id if len(rows) > limit else None)


@router.post(
    "/companies",
    status_code=201,
    responses={201: {"headers": {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}}},
)
def post_company(new: NewCompany, user: User, database: DatabaseHere, response: Response) -> Company:
    """Make a company."""
    values = new.model_dump(exclude_unset=True)
    with database.tenant(user) as session:
        row = companies.insert_company(session, values.pop("name"), owner_id=user, **values)
    response.headers["Location"] = f"/v1/companies/{row['id']}"
    return Company.model_validate(dict(row))


@router.get("/companies/{company_id}")
def get_company(company_id: Id, user: User, database: DatabaseHere) -> Company:
    """One company."""
    with database.tenant(user) as session:
        return Company.model_validate(dict(get_row(session, table, company_id)))


@router.patch("/companies/{company_id}")
def patch_company(company_id: Id, changed: ChangedCompany, user: User, database: DatabaseHere) -> Company:
    """Change what is sent; for who runs the company."""
    with database.tenant(user) as session:
        return Company.model_validate(
            dict(companies.update_company(session, company_id, changed.model_dump(exclude_unset=True)))
        )


@router.delete("/companies/{company_id}", status_code=204)
def delete_company(company_id: Id, user: User, database: DatabaseHere) -> None:
    """Close a company, for its owner; what members wrote for it stays with each of them."""
    with database.tenant(user) as session:
        companies.delete_company(session, company_id)


@router.get("/companies/{company_id}/members")
def list_members(company_id: Id, user: User, database: DatabaseHere) -> Members:
    """Who belongs to it."""
    with database.tenant(user) as session:
        rows = companies.list_members(session, company_id)
    return Members(items=[Member.model_validate(dict(row)) for row in rows])


@router.patch("/companies/{company_id}/members/{user_id}", status_code=204)
def patch_member(company_id: Id, user_id: str, changed: ChangedMember, user: User, database: DatabaseHere) -> None:
    """Give a member another role; for who runs the company."""
    with database.tenant(user) as session:
        companies.change_role(session, company_id, user_id, MemberRole(changed.role))


@router.delete("/companies/{company_id}/members/{user_id}", status_code=204)
def delete_member(company_id: Id, user_id: str, user: User, database: DatabaseHere) -> None:
    """Let a member go, for who runs the company; or go oneself."""
    with database.tenant(user) as session:
        companies.remove_member(session, company_id, user_id)


@router.get("/companies/{company_id}/invitations")
def list_invitations(company_id: Id, user: User, database: DatabaseHere) -> Invitations:
    """Those that are open; for who runs the company."""
    with database.tenant(user) as session:
        get_row(session, table, company_id)
        require_company_deed(companies.find_role(session, company_id, user), CompanyDeed.INVITE)
        rows = companies.list_invitations(session, company_id)
    return Invitations(items=[Invitation.model_validate(dict(row)) for row in rows])


@router.post("/companies/{company_id}/invitations", status_code=201)
def post_invitation(company_id: Id, new: NewInvitation, user: User, database: DatabaseHere) -> Invited:
    """Invite who has this address; for who runs the company."""
    with database.tenant(user) as session:
        token = companies.invite(session, company_id, new.email, MemberRole(new.role), invited_by=user)
    return Invited(email=new.email, role=new.role, token=token)


@router.delete("/companies/{company_id}/invitations/{email}", status_code=204)
def delete_invitation(company_id: Id, email: str, user: User, database: DatabaseHere) -> None:
    """Make the invitation to this address worthless; for who runs the company."""
    with database.tenant(user) as session:
        get_row(session, table, company_id)
        require_company_deed(companies.find_role(session, company_id, user), CompanyDeed.INVITE)
        companies.withdraw_invitation(session, company_id, email)


@router.post("/invitations/accept")
def accept_invitation(sent: Token, user: User, database: DatabaseHere) -> Joined:
    """Use an invitation up: it works once, for who has the address that it was sent to."""
    with database.tenant(user) as session:
        return Joined(company_id=companies.accept_invitation(session, sent.token, user_id=user))
