"""Videos, the requests that bring them in, their confidentiality checks, and the channels they are published to."""

from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from db.base.columns import Document, UtcDateTime, by_owner, company, created_at, key, metadata, updated_at, user, words


class VideoStatus(StrEnum):
    """Of a video, as clients know it."""

    UPLOADING = "uploading"  # its bytes are on their way, or not looked at yet
    TRANSCRIBING = "transcribing"  # it is a video; the ladder and the transcript are being made
    GENERATING_METADATA = "generating_metadata"
    READY_TO_EDIT = "ready_to_edit"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    FAILED = "failed"


class RequestStatus(StrEnum):
    """Of an ingest request."""

    QUEUED = "queued"
    DOWNLOADING = "downloading"
    PROCESSING = "processing"
    TRANSCRIBING = "transcribing"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Privacy(StrEnum):
    """Who may watch a video once it is published."""

    PUBLIC = "public"
    PRIVATE = "private"
    UNLISTED = "unlisted"


class VideoConfidentiality(StrEnum):
    """What is known of a video's content."""

    PENDING = "pending"
    CHECKING = "checking"
    CLEAR = "clear"
    FLAGGED = "flagged"
    ERROR = "error"


class CheckStatus(StrEnum):
    """Of a confidentiality check."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    ERROR = "error"


class Verdict(StrEnum):
    """What a confidentiality check came to."""

    CLEAR = "clear"
    FLAGGED = "flagged"


videos = Table(
    "videos",
    metadata,
    key(),
    user(),
    company(),
    Column("original_filename", Text, nullable=False),
    Column("storage_path", Text, nullable=False),
    *words("status", VideoStatus, default=VideoStatus.UPLOADING, required=True),
    Column("assembly_id", Text),
    Column("file_size", BigInteger),
    Column("mime_type", Text),
    Column("transcript", Text),
    Column("captions", Document),
    Column("title", Text),
    Column("description", Text),
    Column("tags", Text),
    Column("hashtags", Text),
    Column("sentiment", Text),
    Column("categories", Text),  # separated by commas
    Column("category", Text, server_default=text("'22'")),  # YouTube's id of it
    Column("ai_summary", Text),
    Column("thumbnail_prompt", Text),
    Column("thumbnail_url", Text),
    Column("speaker_image_url", Text),
    Column("language", Text, server_default=text("'en'")),
    Column("duration_ms", Integer),
    Column("suggested_start_ms", Integer),
    Column("trim_start_ms", Integer),
    Column("trim_end_ms", Integer),
    Column("parent_video_id", Integer, ForeignKey("public.videos.id", ondelete="SET NULL")),  # set for a clip
    Column("start_sec", Integer),
    Column("end_sec", Integer),
    *words("privacy_status", Privacy, default=Privacy.PRIVATE, required=True),
    Column("youtube_id", Text),
    Column("youtube_url", Text),
    Column("youtube_channel_id", Text),
    Column("youtube_response", Document),
    Column("published_at", UtcDateTime),
    Column("error_message", Text),
    *words("confidentiality_status", VideoConfidentiality, default=VideoConfidentiality.PENDING, required=True),
    Column("confidentiality_issues", Document),
    Column("last_confidentiality_check_id", Integer),
    Column("last_confidentiality_check_at", UtcDateTime),
    created_at(),
    updated_at(),
    *by_owner("videos"),
    Index("videos_by_user_status", "user_id", "status", text("id DESC")),
    Index("videos_by_company_status", "company_id", "status", text("id DESC"), postgresql_where=text("company_id IS NOT NULL")),
    Index("videos_by_parent", "parent_video_id", postgresql_where=text("parent_video_id IS NOT NULL")),
)

video_ingest_requests = Table(
    "video_ingest_requests",
    metadata,
    key(),
    user(),
    company(),
    Column("provider", Text, nullable=False),
    Column("source_path", Text, nullable=False),
    Column("source_file_name", Text, nullable=False),
    Column("source_file_size", BigInteger),
    *words("status", RequestStatus, default=RequestStatus.QUEUED, required=True),
    Column("progress", Document),
    Column("error_message", Text),
    Column("video_id", Integer, ForeignKey("public.videos.id", ondelete="SET NULL")),
    Column("downloaded_path", Text),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    created_at(),
    updated_at(),
    *by_owner("video_ingest_requests"),
    Index("video_ingest_requests_by_video", "video_id"),
)

confidentiality_checks = Table(
    "confidentiality_checks",
    metadata,
    key(),
    Column("video_id", Integer, ForeignKey("public.videos.id", ondelete="CASCADE"), nullable=False),
    *words("status", CheckStatus, default=CheckStatus.PENDING, required=True),
    *words("overall_status", Verdict),
    Column("segments", Document),
    Column("summary", Text),
    Column("high_count", Integer, nullable=False, server_default=text("0")),
    Column("medium_count", Integer, nullable=False, server_default=text("0")),
    Column("low_count", Integer, nullable=False, server_default=text("0")),
    Column("model_used", Text),
    Column("triggered_by", String),
    Column("error_message", Text),
    Column("completed_at", UtcDateTime),
    created_at(),
    updated_at(),
    Column("ran", Document),  # what looked at what
    Column("content_sha256", Text),  # of the source that was checked
    Column("cleared_by", String),  # who decided on the last finding
    Column("cleared_at", UtcDateTime),
    Index("confidentiality_checks_by_video", "video_id", text("id DESC")),
)

youtube_channels = Table(
    "youtube_channels",
    metadata,
    key(),
    Column("channel_id", Text, nullable=False, unique=True),  # YouTube's own id
    Column("title", Text),
    Column("handle", Text),
    Column("description", Text),
    Column("thumbnail_url", Text),
    Column("subscriber_count", BigInteger),
    Column("video_count", BigInteger),
    Column("view_count", BigInteger),
    Column("uploads_playlist_id", Text),
    Column("last_synced_at", UtcDateTime),
    created_at(),
    updated_at(),
)

user_channels = Table(
    "user_channels",
    metadata,
    key(),
    user(),
    Column("channel_id", Integer, ForeignKey("public.youtube_channels.id", ondelete="CASCADE"), nullable=False),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    created_at(),
    updated_at(),
    UniqueConstraint("user_id", "channel_id"),
    Index("user_channels_by_channel", "channel_id"),
)
