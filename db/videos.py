"""Videos, the requests that bring them in, and the files that an ingest made of them. Every call runs as its owner."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Table, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from core.errors import NotFound
from db.base import videos as tables
from db.base.rows import MOST, delete_row, find_row, list_rows
from db.base.videos import RequestStatus
from db.engine import Role, acting_as


class FileKind(StrEnum):
    """What a file of a video is."""

    SOURCE = "source"
    LADDER = "ladder"  # the key is the master playlist's; details: `ladder`, `verification`, `files`
    MP4 = "mp4"
    POSTER = "poster"
    TRANSCRIPT = "transcript"
    CAPTIONS_VTT = "captions_vtt"
    CAPTIONS_SRT = "captions_srt"
    EXPORT = "export"  # what was cut of it to be published; details: `of_sha256`, `start_ms`, `end_ms`
    THUMBNAIL = "thumbnail"
    SPEAKER_IMAGE = "speaker_image"


# Without these an ingest has not ended.
INGESTED = frozenset(FileKind) - {FileKind.EXPORT, FileKind.THUMBNAIL, FileKind.SPEAKER_IMAGE}


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file in storage that is to belong to a video."""

    kind: FileKind
    key: str
    size_bytes: int
    sha256: str
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a video comes from. `version` names these very bytes where the provider can tell; taken once only.

    `revision` is how to ask for them, where they have a name besides the file's; `connection_id` the account that has them.
    """

    provider: str
    path: str
    file_name: str
    size_bytes: int | None = None
    mime_type: str | None = None
    version: str | None = None
    revision: str | None = None
    connection_id: int | None = None


def insert_request(session: Session, source: Source, *, user_id: str) -> tuple[int, int] | None:
    """The ids of a new video and of its ingest request, or None when this version of the file was taken before."""
    if source.version is not None and not _is_new_version(session, source, user_id):
        return None
    video_id = session.scalar(
        text("""
        INSERT INTO videos (user_id, original_filename, title, storage_path, file_size, mime_type)
        VALUES (:user_id, :file_name, :title, '', :size_bytes, :mime_type) RETURNING id
        """),
        {
            "user_id": user_id,
            "file_name": source.file_name,
            "title": source.file_name.rpartition(".")[0] or source.file_name,
            "size_bytes": source.size_bytes,
            "mime_type": source.mime_type,
        },
    )
    request_id = session.scalar(
        text("""
        INSERT INTO video_ingest_requests (user_id, provider, source_path, source_file_name, source_file_size, video_id)
        VALUES (:user_id, :provider, :path, :file_name, :size_bytes, :video_id) RETURNING id
        """),
        {
            "user_id": user_id,
            "provider": source.provider,
            "path": source.path,
            "file_name": source.file_name,
            "size_bytes": source.size_bytes,
            "video_id": video_id,
        },
    )
    return int(video_id or 0), int(request_id or 0)


def _is_new_version(session: Session, source: Source, user_id: str) -> bool:
    statement = text("""
        INSERT INTO jobs.seen_versions (user_id, provider, source_path, version) VALUES (:user_id, :provider, :path, :version)
        ON CONFLICT DO NOTHING RETURNING 1
    """)
    params = {"user_id": user_id, "provider": source.provider, "path": source.path, "version": source.version}
    return session.execute(statement, params).first() is not None


_NOTE_TAKEN = text("""
INSERT INTO jobs.seen_versions (user_id, provider, source_path, version, sha256)
VALUES (:user_id, :provider, :path, :version, :sha256)
ON CONFLICT (user_id, provider, source_path, version) DO UPDATE SET sha256 = excluded.sha256
""")
_FIND_TAKEN = text("""
SELECT f.key, f.size_bytes, f.sha256 FROM jobs.seen_versions s
JOIN video_files f ON f.sha256 = s.sha256 AND f.kind = 'source' JOIN videos v ON v.id = f.video_id AND v.user_id = s.user_id
WHERE s.user_id = :user_id AND s.provider = :provider AND s.version = :version AND s.sha256 IS NOT NULL LIMIT 1
""")


def note_taken(session: Session, *, user_id: str, provider: str, path: str, version: str, sha256: str) -> None:
    """Remember that this version of a file was taken in, and what its bytes are."""
    named = {"user_id": user_id, "provider": provider, "path": path, "version": version, "sha256": sha256}
    session.execute(_NOTE_TAKEN, named)


def find_taken(session: Session, *, user_id: str, provider: str, version: str) -> RowMapping | None:
    """A source of this user's that holds the bytes of this version: `key`, `size_bytes`, `sha256`."""
    named = {"user_id": user_id, "provider": provider, "version": version}
    return session.execute(_FIND_TAKEN, named).mappings().one_or_none()


def lock_source(session: Session, key: str) -> bool:
    """Keep the source that has this key from being removed until this transaction ends; False when it is gone."""
    statement = text("SELECT 1 FROM video_files WHERE key = :key AND kind = 'source' LIMIT 1 FOR SHARE")
    return session.execute(statement, {"key": key}).first() is not None


def list_seen_versions(session: Session, provider: str) -> set[tuple[str, str]]:
    """Path and version of every file that was taken from this provider."""
    statement = text("SELECT source_path, version FROM jobs.seen_versions WHERE provider = :provider")
    return {(row.source_path, row.version) for row in session.execute(statement, {"provider": provider})}


def get_video(session: Session, video_id: int) -> RowMapping:
    """One video. Raises NotFound."""
    return _one(session, tables.videos, video_id, "video")


def get_request(session: Session, request_id: int) -> RowMapping:
    """One ingest request. Raises NotFound."""
    return _one(session, tables.video_ingest_requests, request_id, "ingest request")


def _one(session: Session, table: Table, row_id: int, words: str) -> RowMapping:
    row = find_row(session, table, table.c.id == row_id)
    if row is None:
        raise NotFound(f"there is no {words} {row_id}")
    return row


def list_videos(session: Session, *, before: int | None = None, limit: int = MOST) -> list[RowMapping]:
    """Newest first, from `before` (exclusive) on."""
    return list_rows(session, tables.videos, before=before, limit=limit)


def list_requests(session: Session, *, before: int | None = None, limit: int = MOST) -> list[RowMapping]:
    """Newest first, from `before` (exclusive) on."""
    return list_rows(session, tables.video_ingest_requests, before=before, limit=limit)


_CHANGEABLE = frozenset(
    {
        "original_filename",
        "transcript",
        "title",
        "description",
        "tags",
        "hashtags",
        "sentiment",
        "categories",
        "category",
        "ai_summary",
        "thumbnail_prompt",
        "thumbnail_url",
        "speaker_image_url",
        "language",
        "suggested_start_ms",
        "trim_start_ms",
        "trim_end_ms",
        "privacy_status",
        "captions",
        "status",
        "storage_path",
        "file_size",
        "mime_type",
        "duration_ms",
        "start_sec",
        "end_sec",
        "error_message",
        "confidentiality_status",
        "last_confidentiality_check_id",
    }
)
_DOCUMENTS = frozenset({"captions", "progress", "segments"})


def update_video(session: Session, video_id: int, **values: object) -> None:
    """Set these columns. Raises NotFound."""
    unknown = set(values) - _CHANGEABLE
    if unknown:
        raise ValueError(f"not a column that may change: {', '.join(sorted(unknown))}")
    _update(session, "videos", video_id, values, "video")


def update_request(session: Session, request_id: int, *, status: RequestStatus, **values: object) -> None:
    """Set the status and these columns (`downloaded_path`, `error_message`, `started_at`, …). Raises NotFound."""
    _update(session, "video_ingest_requests", request_id, {"status": status, **values}, "ingest request")


def _update(session: Session, table: str, row_id: int, values: Mapping[str, object], words: str) -> None:
    settings = ", ".join(f"{name} = :{name}" for name in values)
    documents = [bindparam(name, type_=JSONB(none_as_null=True)) for name in values if name in _DOCUMENTS]
    statement = text(f"UPDATE {table} SET {settings} WHERE id = :id RETURNING id").bindparams(*documents)  # noqa: S608
    if session.execute(statement, {**values, "id": row_id}).first() is None:
        raise NotFound(f"there is no {words} {row_id}")


_KEEP_FILE = text("""
INSERT INTO video_files (video_id, kind, key, size_bytes, sha256, details)
VALUES (:video_id, :kind, :key, :size_bytes, :sha256, :details)
ON CONFLICT (video_id, kind) DO UPDATE SET key = excluded.key, size_bytes = excluded.size_bytes, sha256 = excluded.sha256,
    details = excluded.details, created_at = now()
""").bindparams(bindparam("details", type_=JSONB(none_as_null=True)))


def keep_files(session: Session, video_id: int, files: Sequence[NewFile]) -> None:
    """Make these the files of the video; those of an earlier run stop counting."""
    for file in files:
        session.execute(
            _KEEP_FILE,
            {
                "video_id": video_id,
                "kind": file.kind,
                "key": file.key,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256,
                "details": dict(file.details) if file.details is not None else None,
            },
        )


def list_files(session: Session, video_id: int) -> dict[str, RowMapping]:
    """The files of a video by kind."""
    rows = session.execute(text("SELECT * FROM video_files WHERE video_id = :id"), {"id": video_id}).mappings()
    return {row["kind"]: row for row in rows}


def list_with_file(session: Session, video_ids: Collection[int], kind: FileKind) -> set[int]:
    """Those of these videos that have a file of this kind."""
    statement = text("SELECT video_id FROM video_files WHERE kind = :kind AND video_id = ANY(:ids)")
    return set(session.execute(statement, {"kind": kind, "ids": list(video_ids)}).scalars())


def list_named_claims(session: Session, claims: Collection[UUID]) -> set[UUID]:
    """Those of these attempts that wrote a file of a video, whoever owns it; for the role of the job core."""
    statement = text("""
        SELECT DISTINCT c.id FROM unnest(:claims) c(id)
        JOIN video_files f ON f.key LIKE 'attempts/' || replace(c.id::text, '-', '') || '/%'
    """).bindparams(bindparam("claims", type_=ARRAY(Uuid)))
    return set(session.execute(statement, {"claims": list(claims)}).scalars())


_UNNAMED = text("""
SELECT k.key FROM unnest(CAST(:keys AS text[])) k (key)
WHERE NOT EXISTS (SELECT 1 FROM video_files f WHERE f.key LIKE replace(substring(k.key FROM '^[^/]+/[^/]+/'), '_', '\\_') || '%')
""")


def delete_video(session: Session, video_id: int) -> list[str]:
    """Remove a video with its files' rows, checks and requests; returns the storage keys of which nobody's file is a neighbour.

    What one attempt wrote lies together, and a source may belong to several videos of its owner. Raises NotFound, Forbidden.
    """
    get_video(session, video_id)
    statement = text("SELECT key FROM video_files WHERE video_id = :id")
    keys = list(session.execute(statement, {"id": video_id}).scalars())
    session.execute(text("DELETE FROM video_ingest_requests WHERE video_id = :id"), {"id": video_id})
    delete_row(session, tables.videos, video_id)
    with acting_as(session, Role.JOBS):  # sees the keys of all, also of files that who asks may not see
        return list(session.execute(_UNNAMED, {"keys": keys}).scalars())


def subject(video_id: int) -> str:
    """How a job names this video as what it is about."""
    return f"video:{video_id}"
