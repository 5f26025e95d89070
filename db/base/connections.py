"""Accounts elsewhere that a user has connected: storage, social, and sign-ins under way. Tokens are encrypted."""

from enum import StrEnum

from sqlalchemy import Boolean, Column, Index, String, Table, Text, text

from db.base.columns import (
    Document,
    LooseBoolean,
    UtcDateTime,
    by_owner,
    company,
    created_at,
    key,
    metadata,
    updated_at,
    user,
    words,
)


class CloudProvider(StrEnum):
    """Where files of a user may lie."""

    DROPBOX = "dropbox"
    GOOGLE_DRIVE = "google_drive"
    GDRIVE = "gdrive"  # an alias that earlier rows hold; we write `google_drive`
    ONEDRIVE = "onedrive"
    S3 = "s3"
    GCS = "gcs"
    AZURE_BLOB = "azure_blob"


cloud_connections = Table(
    "cloud_connections",
    metadata,
    key(),
    user(),
    company(),
    *words("provider", CloudProvider, required=True),
    Column("account_id", Text),
    Column("account_name", Text),
    Column("account_email", Text),
    Column("profile_photo_url", Text),
    Column("selected_folder_path", Text),
    Column("selected_folder_name", Text),
    Column("is_active", LooseBoolean, nullable=False, server_default=text("true")),
    Column("last_synced_at", UtcDateTime),
    Column("metadata", Document),
    Column("access_token", Text),
    Column("refresh_token", Text),
    Column("token_expires_at", UtcDateTime),
    created_at(),
    updated_at(),
    *by_owner("cloud_connections"),
)

user_social_accounts = Table(
    "user_social_accounts",
    metadata,
    key(),
    user(),
    company(),
    Column("platform", Text, nullable=False, server_default=text("'youtube'")),
    Column("account_id", Text),
    Column("account_name", Text),
    Column("account_email", Text),
    Column("channel_id", Text),
    Column("profile_image_url", Text),
    Column("access_token", Text),
    Column("refresh_token", Text),
    Column("token_expires_at", UtcDateTime),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("metadata", Document),
    created_at(),
    updated_at(),
    *by_owner("user_social_accounts"),
)

oauth_states = Table(
    "oauth_states",
    metadata,
    key(),
    Column("provider", Text, nullable=False),
    user(required=False),  # nobody's while somebody signs in
    Column("state", Text, nullable=False, unique=True),
    Column("code_verifier", Text),
    Column("browser_hash", String),  # of the cookie of the browser that began
    Column("expires_at", UtcDateTime, nullable=False, server_default=text("(now() + '00:10:00'::interval)")),
    created_at(),
    updated_at(),
    Index("oauth_states_by_expiry", "expires_at"),
)
