from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import NotFound
from core.ids import new_id
from core.storage import FolderStorage
from db import uploads, videos
from db.engine import Database


def id_made(ago: timedelta) -> UUID:
    """An id as it would have been made back then."""
    milliseconds = int((datetime.now(UTC) - ago).timestamp() * 1000)
    return UUID(int=milliseconds << 80 | new_id().int & ((1 << 80) - 1))


def begin(database: Database, owner: str, upload_id: UUID) -> None:
    with database.tenant(owner) as session:
        uploads.insert_upload(session, upload_id, user_id=owner, file_name="a.mp4", mime_type=None, size_bytes=10)


def lay(storage: FolderStorage, upload_id: UUID) -> None:
    with storage.resumable(uploads.key(upload_id)).append() as tail:
        tail.write(b"01")


def left(storage: FolderStorage) -> list[str]:
    return storage.list_folders(uploads.FOLDER)


def test_adding_to_an_upload_lets_it_live_on(database: Database, owner: str):
    upload_id = new_id()
    begin(database, owner, upload_id)
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.uploads SET expires_at = now() - interval '1 day'"))
    with database.tenant(owner) as session:
        assert uploads.get_upload(session, upload_id)["expired"]
        uploads.keep_received(session, upload_id, 2)
        upload = uploads.get_upload(session, upload_id)
    assert (upload["received_bytes"], upload["expired"]) == (2, False)


def test_an_upload_is_its_owners(database: Database, owner: str):
    upload_id = new_id()
    begin(database, owner, upload_id)
    with database.tenant("stranger") as session, pytest.raises(NotFound):
        uploads.keep_received(session, upload_id, 1)


def test_what_expired_is_pruned_and_what_lives_is_not(database: Database, storage: FolderStorage, owner: str):
    live, expired = new_id(), new_id()
    for upload_id in (live, expired):
        begin(database, owner, upload_id)
        lay(storage, upload_id)
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.uploads SET expires_at = now() WHERE id = :id"), {"id": expired})
    assert uploads.prune_uploads(database, storage) == 1
    assert left(storage) == [str(live)]
    assert uploads.prune_uploads(database, storage) == 0


def test_files_that_no_row_tells_of_are_pruned_once_no_request_can_be_sending_them(database: Database, storage: FolderStorage):
    old, young = id_made(timedelta(days=3)), id_made(timedelta(hours=30))
    for upload_id in (old, young):
        lay(storage, upload_id)
    with storage.writer("uploads/not-ours/source") as file:
        file.write(b"x")
    assert uploads.prune_uploads(database, storage) == 1
    assert left(storage) == sorted([str(young), "not-ours"])


def test_files_that_a_video_names_are_not_pruned(database: Database, storage: FolderStorage, owner: str):
    old = id_made(timedelta(days=300))
    lay(storage, old)
    with database.tenant(owner) as session:
        video_id, _ = videos.insert_request(session, videos.Source("upload", uploads.key(old), "a.mp4"), user_id=owner)
        videos.keep_files(session, video_id, [videos.NewFile(videos.FileKind.SOURCE, uploads.key(old), 2, "00")])
    assert uploads.prune_uploads(database, storage) == 0
    assert left(storage) == [str(old)]


def test_an_upload_that_became_a_video_stays_until_the_video_goes(database: Database, storage: FolderStorage, owner: str):
    old = id_made(timedelta(days=300))
    begin(database, owner, old)
    lay(storage, old)
    with database.tenant(owner) as session:
        uploads.end_upload(session, old, video_id=7)
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.uploads SET expires_at = now() - interval '1 day'"))
    assert uploads.prune_uploads(database, storage) == 0
    with database.tenant(owner) as session:
        assert uploads.delete_uploads_of(session, 7) == [old]
    assert uploads.prune_uploads(database, storage) == 1
