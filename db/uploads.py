"""Uploads: what a client has begun to send, and which video it became. A row lives as long as its video."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.types import Uuid

from core.errors import NotFound
from core.ids import read_id
from core.storage import Storage
from db.engine import Database

LIFETIME = timedelta(days=3)  # of an upload to which nothing is added
FOLDER = "uploads"
_UNNAMED_AFTER = timedelta(days=2)  # longer than any one request takes


def folder(upload_id: UUID) -> str:
    """Where storage keeps this upload, and nothing else."""
    return f"{FOLDER}/{upload_id}"


def key(upload_id: UUID) -> str:
    """The storage key of its bytes."""
    return f"{folder(upload_id)}/source"


def insert_upload(
    session: Session, upload_id: UUID, *, user_id: str, file_name: str, mime_type: str | None, size_bytes: int
) -> None:
    """Begin an upload of this many bytes; it expires when nothing is added for LIFETIME."""
    session.execute(
        text("""
        INSERT INTO jobs.uploads (id, user_id, file_name, mime_type, size_bytes, expires_at)
        VALUES (:id, :user_id, :file_name, :mime_type, :size_bytes, now() + :lifetime)
        """),
        {
            "id": upload_id,
            "user_id": user_id,
            "file_name": file_name,
            "mime_type": mime_type,
            "size_bytes": size_bytes,
            "lifetime": LIFETIME,
        },
    )


def get_upload(session: Session, upload_id: UUID, *, lock: bool = False) -> RowMapping:
    """One upload with `expired`; `lock` holds it until the transaction ends. Raises NotFound."""
    statement = text(f"""
        SELECT *, video_id IS NULL AND expires_at < now() AS expired FROM jobs.uploads WHERE id = :id {"FOR UPDATE" if lock else ""}
    """)  # noqa: S608  (one of two constants)
    row = session.execute(statement, {"id": upload_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no upload {upload_id}")
    return row


def keep_received(session: Session, upload_id: UUID, received_bytes: int) -> None:
    """Note how much is on the disk, and let the upload live on. Raises NotFound."""
    statement = text("""
        UPDATE jobs.uploads SET received_bytes = :received_bytes, expires_at = now() + :lifetime WHERE id = :id RETURNING 1
    """)
    params = {"id": upload_id, "received_bytes": received_bytes, "lifetime": LIFETIME}
    if session.execute(statement, params).first() is None:
        raise NotFound(f"there is no upload {upload_id} any more")


def end_upload(session: Session, upload_id: UUID, *, video_id: int) -> None:
    """Everything arrived and became this video."""
    statement = text("UPDATE jobs.uploads SET received_bytes = size_bytes, video_id = :video_id WHERE id = :id")
    session.execute(statement, {"id": upload_id, "video_id": video_id})


def delete_upload(session: Session, upload_id: UUID) -> None:
    """Forget an upload; its bytes are the caller's to remove. Raises NotFound."""
    get_upload(session, upload_id)
    session.execute(text("DELETE FROM jobs.uploads WHERE id = :id"), {"id": upload_id})


def delete_uploads_of(session: Session, video_id: int) -> list[UUID]:
    """Forget the uploads that became this video, and return their ids: their bytes are the caller's to remove."""
    statement = text("DELETE FROM jobs.uploads WHERE video_id = :video_id RETURNING id")
    return list(session.execute(statement, {"video_id": video_id}).scalars())


def prune_uploads(database: Database, storage: Storage) -> int:
    """Remove uploads that expired, and files of uploads that no row tells of any more. Returns how many; may be repeated.

    A row goes first: whoever is writing then finds no upload any more, and its file is one that no row tells of.
    """
    with database.jobs() as session:
        expired = set(
            session.execute(
                text("DELETE FROM jobs.uploads WHERE video_id IS NULL AND expires_at < now() RETURNING id")
            ).scalars()
        )
    # A request that is still sending has no row yet, but an id that tells its age.
    found = {made for name in storage.list_folders(FOLDER) if (made := read_id(name)) is not None}
    with database.jobs() as session:
        unnamed = found - _list_known(session, found)
    for upload_id in expired | unnamed:
        storage.remove_tree(folder(upload_id))
    return len(expired | unnamed)


def _list_known(session: Session, upload_ids: Collection[UUID]) -> set[UUID]:
    """Those that a row tells of, or that are too young to tell."""
    statement = text("""
        SELECT u.id FROM unnest(:ids) u(id)
        WHERE EXISTS (SELECT 1 FROM jobs.uploads o WHERE o.id = u.id)
           OR EXISTS (SELECT 1 FROM public.video_files f WHERE f.key LIKE 'uploads/' || u.id || '/%')
           OR to_timestamp(('x' || left(replace(u.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) > now() - :unnamed_after
    """).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
    return set(session.execute(statement, {"ids": list(upload_ids), "unnamed_after": _UNNAMED_AFTER}).scalars())
