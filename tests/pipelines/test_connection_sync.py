"""New videos of connected accounts, from the change to the ingest, against the twins."""

import random
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from db import syncs, videos
from testkit import Worker
from tests.accounts import FOLDER, MAKERS, Account, choose, google
from tests.pipelines.looks import fetch_all, look
from tests.twins.google import drive
from twins.running import Twins

CLIP = random.Random(11).randbytes(300_000)


@pytest.fixture(params=["google_drive", "dropbox"])
def account(request: pytest.FixtureRequest, twins: Twins, worker: Worker, owner: str) -> Account:
    name = f"{uuid4().hex}@example.com"
    made = MAKERS[request.param](twins, worker.database, owner, name)
    choose(worker.database, owner, made.connection_id, made.folder)
    return made


def requests(worker: Worker, owner: str) -> list[str]:
    with worker.database.tenant(owner) as session:
        return sorted(row["source_file_name"] for row in videos.list_requests(session))


def sources(worker: Worker, owner: str) -> dict[str, bytes]:
    """The bytes that were fetched, by the file's name."""
    with worker.database.tenant(owner) as session:
        rows = videos.list_requests(session)
        files = {row["source_file_name"]: videos.list_files(session, row["video_id"]) for row in rows}
    return {name: worker.storage.local(kept["source"]["key"]).read_bytes() for name, kept in files.items() if kept}


def test_each_new_video_of_the_folder_and_below_is_taken_in_once(worker: Worker, owner: str, account: Account) -> None:
    account.put("before.mp4", CLIP)
    assert look(worker, owner, account) == "succeeded"
    deeper = account.subfolder("Größe & Co's")
    account.put("日本 (1).mp4", CLIP + b"1", deeper)
    account.put("notes.txt.mp4.part", b"unfinished") if account.provider == "dropbox" else None
    account.put("empty.mp4", b"") if account.provider == "dropbox" else None
    look(worker, owner, account)
    look(worker, owner, account)
    assert requests(worker, owner) == ["before.mp4", "日本 (1).mp4"]
    fetch_all(worker)
    assert sources(worker, owner) == {"before.mp4": CLIP, "日本 (1).mp4": CLIP + b"1"}


def test_a_new_version_is_taken_in_and_a_new_name_is_not(worker: Worker, owner: str, account: Account) -> None:
    file = account.put("a.mp4", CLIP)
    look(worker, owner, account)
    account.rename(file, "b.mp4")
    look(worker, owner, account)
    assert requests(worker, owner) == ["a.mp4"]
    account.put("b.mp4", CLIP + b"changed", over=file)
    look(worker, owner, account)
    assert requests(worker, owner) == ["a.mp4", "b.mp4"]
    fetch_all(worker)  # the first one by its revision, although the file has another now
    assert sources(worker, owner) == {"a.mp4": CLIP, "b.mp4": CLIP + b"changed"}


def test_a_cursor_that_is_void_means_looking_at_everything(worker: Worker, owner: str, account: Account, twins: Twins) -> None:
    account.put("a.mp4", CLIP)
    look(worker, owner, account)
    account.put("b.mp4", CLIP)
    twins.fault(account.twin, "reset_cursor", match="changes|continue")
    assert look(worker, owner, account) == "succeeded"
    assert requests(worker, owner) == ["a.mp4", "b.mp4"]


def test_the_same_bytes_are_not_fetched_again_and_outlive_the_first_video(
    worker: Worker, owner: str, account: Account, twins: Twins
) -> None:
    from api_stub.videos import delete

    account.put("a.mp4", CLIP)
    look(worker, owner, account)
    fetch_all(worker)
    account.put("copy.mp4", CLIP)
    before = len(downloads(twins, account))
    look(worker, owner, account)
    fetch_all(worker)
    assert len(downloads(twins, account)) == before
    assert sources(worker, owner) == {"a.mp4": CLIP, "copy.mp4": CLIP}
    with worker.database.tenant(owner) as session:
        first = min(row["video_id"] for row in videos.list_requests(session))
    delete(worker.database, worker.storage, owner, first)
    assert sources(worker, owner) == {"copy.mp4": CLIP}


def downloads(twins: Twins, account: Account) -> list[dict[str, Any]]:
    return [seen for seen in twins.seen(account.twin) if "/revisions/" in seen["request"] or "download" in seen["request"]]


def test_a_file_that_is_gone_before_it_is_fetched_fails_with_words(worker: Worker, owner: str, account: Account) -> None:
    file = account.put("a.mp4", CLIP)
    look(worker, owner, account)
    account.remove(file)
    fetch_all(worker)
    with worker.database.tenant(owner) as session:
        row = videos.list_requests(session)[0]
    assert row["status"] == "failed"
    assert "no longer in" in row["error_message"]


def test_a_damaged_download_is_fetched_again(worker: Worker, owner: str, account: Account, twins: Twins) -> None:
    account.put("a.mp4", CLIP)
    look(worker, owner, account)
    twins.fault(account.twin, "corrupt", match="revisions/|download")
    fetch_all(worker)
    with worker.database.jobs() as session:
        error = session.scalar(text("SELECT error FROM jobs.job_steps WHERE name = 'fetch'"))
        session.execute(text("UPDATE jobs.job_steps SET available_at = now() WHERE status = 'retrying'"))
    assert "arrived damaged" in error
    fetch_all(worker)
    assert sources(worker, owner) == {"a.mp4": CLIP}


def test_another_folder_begins_anew_and_the_first_ones_cursor_is_not_kept(worker: Worker, owner: str, account: Account) -> None:
    account.put("a.mp4", CLIP)
    deeper = account.subfolder("other")
    account.put("b.mp4", CLIP, deeper)
    with worker.database.tenant(owner) as session:
        before = syncs.get_sync(session, account.connection_id)
    choose(worker.database, owner, account.connection_id, deeper)
    with worker.database.tenant(owner) as session, pytest.raises(Exception, match="another folder"):
        syncs.save_cursor(session, before, "1")
    look(worker, owner, account)
    assert requests(worker, owner) == ["b.mp4"]


def test_an_account_that_lets_nobody_in_says_what_to_do_and_is_left_alone_for_an_hour(
    worker: Worker, owner: str, account: Account, twins: Twins
) -> None:
    twins.expire_tokens("google" if account.twin == "drive" else "dropbox")
    twins.fault("google_oauth" if account.twin == "drive" else "dropbox", "revoked", match="token")
    assert look(worker, owner, account) == "failed"
    with worker.database.tenant(owner) as session:
        sync = syncs.get_sync(session, account.connection_id)
    assert "connect" in sync["problem"]
    with worker.database.jobs() as session:
        assert session.scalar(text("SELECT next_look_at > now() + interval '50 min' FROM jobs.syncs"))


def test_a_folder_that_is_moved_in_brings_what_is_in_it(worker: Worker, owner: str, twins: Twins) -> None:
    name = f"{uuid4().hex}@example.com"
    account = google(twins, worker.database, owner, name)
    choose(worker.database, owner, account.connection_id, account.folder)
    service = drive(twins, name)
    outside = service.files().create(body={"name": "outside", "mimeType": FOLDER}).execute()["id"]
    account.put("a.mp4", CLIP, outside)
    look(worker, owner, account)
    assert requests(worker, owner) == []
    service.files().update(fileId=outside, addParents=account.folder, removeParents="root").execute()
    look(worker, owner, account)
    assert requests(worker, owner) == ["a.mp4"]
