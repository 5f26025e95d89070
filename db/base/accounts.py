"""Users and their browser sessions."""

from enum import StrEnum

from sqlalchemy import Column, Index, Integer, String, Table, Text, text

from db.base.columns import Document, UtcDateTime, created_at, metadata, updated_at, words


class UserRole(StrEnum):
    """Which areas of the product a user may enter; `db.permissions` says what each may do."""

    SUPERADMIN = "superadmin"
    ADMIN = "admin"
    CREATIVE = "creative"
    SEARCH = "search"
    PICKONE = "pickone"
    USER = "user"


users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True, server_default=text("gen_random_uuid()::text")),
    Column("email", String, unique=True),
    Column("first_name", String),
    Column("last_name", String),
    Column("profile_image_url", String),
    *words("role", UserRole, default=UserRole.USER, required=True, kind=String),
    Column("default_channel_id", Integer),  # of `youtube_channels`; no reference, earlier rows may name one that is gone
    Column("notes", Text),
    created_at(),
    updated_at(),
)

sessions = Table(
    "sessions",
    metadata,
    Column("sid", String, primary_key=True),
    Column("sess", Document, nullable=False),
    Column("expire", UtcDateTime, nullable=False),
    Index("sessions_expire", "expire"),
)
