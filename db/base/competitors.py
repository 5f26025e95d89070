"""What was read of competitors, and what changed between two readings."""

from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from db.base.columns import Document, UtcDateTime, by_owner, company, created_at, key, metadata, updated_at, user, words
from db.base.leads import client


class SnapshotSource(StrEnum):
    """What was read."""

    WEBSITE = "website"
    YOUTUBE = "youtube"
    LISTING = "listing"


class Severity(StrEnum):
    """How much a change matters."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


competitor_snapshots = Table(
    "competitor_snapshots",
    metadata,
    key(),
    user(),
    company(),
    client(),
    Column("competitor_key", Text, nullable=False),  # `lead:12`, `url:https://…` or `channel:UC…`
    *words("source", SnapshotSource, required=True),
    Column("url", Text),
    Column("captured_at", UtcDateTime, nullable=False, server_default=text("now()")),
    Column("content_hash", Text),
    Column("extracted_data", Document),
    Column("raw_body_key", Text),  # in storage
    Column("http_status", Integer),
    created_at(),
    updated_at(),
    *by_owner("competitor_snapshots"),
    Index("competitor_snapshots_by_body", "raw_body_key"),
    Index("competitor_snapshots_by_competitor", "client_id", "competitor_key", "source", text("id DESC")),
)

competitor_changes = Table(
    "competitor_changes",
    metadata,
    key(),
    user(),
    company(),
    Column("before_snapshot_id", Integer, ForeignKey("public.competitor_snapshots.id", ondelete="CASCADE")),
    Column("after_snapshot_id", Integer, ForeignKey("public.competitor_snapshots.id", ondelete="CASCADE"), nullable=False),
    Column("change_type", Text, nullable=False),
    Column("field", Text),
    Column("before", Text),
    Column("after", Text),
    *words("severity", Severity, default=Severity.LOW, required=True),
    Column("summary", Text),
    Column("detected_at", UtcDateTime, nullable=False, server_default=text("now()")),
    Column("acknowledged_at", UtcDateTime),
    created_at(),
    updated_at(),
    *by_owner("competitor_changes"),
    Index("competitor_changes_by_before", "before_snapshot_id"),
    Index("competitor_changes_by_after", "after_snapshot_id"),
)
