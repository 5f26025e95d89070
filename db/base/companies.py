"""Companies and who belongs to them."""

from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from db.base.columns import Document, created_at, key, metadata, updated_at, user, words


class MemberRole(StrEnum):
    """What a member may do in a company; `db.permissions` says it in full."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


companies = Table(
    "companies",
    metadata,
    key(),
    Column("name", Text, nullable=False),
    Column("website", Text),
    Column("industry", Text),
    Column("owner_id", String, ForeignKey("public.users.id"), nullable=False),
    Column("settings", Document),
    created_at(),
    updated_at(),
    Index("companies_by_owner", "owner_id"),
)

company_memberships = Table(
    "company_memberships",
    metadata,
    key(),
    Column("company_id", Integer, ForeignKey("public.companies.id", ondelete="CASCADE"), nullable=False),
    user(),
    *words("role", MemberRole, default=MemberRole.MEMBER, required=True),
    created_at(),
    updated_at(),
    UniqueConstraint("company_id", "user_id"),
    Index("company_memberships_by_user", "user_id"),
)
