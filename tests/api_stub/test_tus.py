import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from core.settings import Settings
from core.storage import FolderStorage
from db import uploads, videos
from db.engine import Database
from testkit import assert_enqueued
from tests.api_stub.conftest import MIB, Served, bearer, files_of, is_problem, send_raw
from tests.conftest import wait_until

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def begin(client: httpx.Client, length: int, *, name: str = "Übung.mp4", **headers: str) -> httpx.Response:
    metadata = f"filename {encoded(name)},filetype {encoded('video/mp4')},relativePath"
    return client.post("/files", headers={**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata, **headers})


@pytest.fixture
def at(client: TestClient) -> str:
    """An upload of 10 bytes."""
    answer = begin(client, 10)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def send(client: httpx.Client, at: str, offset: int, content: object, **headers: str) -> httpx.Response:
    return client.patch(at, content=content, headers={**BYTES, "Upload-Offset": str(offset), **headers})


def offset_of(client: httpx.Client, at: str) -> int:
    answer = client.head(at, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


def partial_of(storage: FolderStorage, at: str) -> Path:
    return storage.root / f"uploads{at.removeprefix('/files')}" / "source.partial"


def test_the_server_tells_what_it_can(client: TestClient):
    answer = client.options("/files")
    assert answer.status_code == 204
    shown = {name: answer.headers[name] for name in ("tus-resumable", "tus-version", "tus-max-size", "tus-checksum-algorithm")}
    assert shown == {
        "tus-resumable": "1.0.0",
        "tus-version": "1.0.0",
        "tus-max-size": str(100 * MIB),
        "tus-checksum-algorithm": "sha1,sha256",
    }
    assert set(answer.headers["tus-extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "expiration",
        "termination",
        "checksum",
    }


@pytest.mark.parametrize("headers", [{}, {"Tus-Resumable": "0.2.2"}])
def test_another_version_is_refused_with_ours(client: TestClient, headers: dict):
    answer = client.head("/files/01a20e8d-b780-73b8-81ad-23fd5fd2ebf0", headers=headers)
    assert (answer.status_code, answer.headers["tus-version"], answer.headers["tus-resumable"]) == (412, "1.0.0", "1.0.0")


def test_an_upload_in_pieces_becomes_a_video(
    client: TestClient, at: str, database: Database, storage: FolderStorage, owner: str
):
    first = send(client, at, 0, b"01234")
    assert (first.status_code, first.headers["upload-offset"]) == (204, "5")
    assert first.headers["upload-expires"].endswith("GMT")
    assert offset_of(client, at) == 5
    last = send(client, at, 5, b"56789")
    assert (last.status_code, last.headers["upload-offset"]) == (204, "10")
    with database.tenant(owner) as session:
        (video,) = videos.list_videos(session)
        (request,) = videos.list_requests(session)
        assert_enqueued(session, "ingest", args={"request_id": request["id"]}, subject=videos.subject(video["id"]), count=1)
    assert last.headers["content-location"] == f"/videos/{video['id']}"
    assert (video["original_filename"], video["mime_type"], video["file_size"]) == ("Übung.mp4", "video/mp4", 10)
    assert request["provider"] == "upload"
    with storage.open(request["source_path"]) as file:
        assert file.read() == b"0123456789"
    assert offset_of(client, at) == 10


def test_a_head_tells_all_that_a_client_needs_to_go_on(client: TestClient, at: str):
    headers = client.head(at, headers=TUS).headers
    assert (headers["upload-offset"], headers["upload-length"]) == ("0", "10")
    assert headers["upload-metadata"] == f"filename {encoded('Übung.mp4')},filetype {encoded('video/mp4')}"


def test_a_beginning_may_come_with_the_creation(client: TestClient):
    headers = {**BYTES, "Upload-Length": "4", "Upload-Metadata": f"filename {encoded('a.mp4')}"}
    half = client.post("/files", content=b"01", headers=headers)
    assert (half.status_code, half.headers["upload-offset"]) == (201, "2")
    whole = client.post("/files/", content=b"0123", headers=headers)
    assert (whole.status_code, whole.headers["upload-offset"]) == (201, "4")
    assert whole.headers["content-location"].startswith("/videos/")


@pytest.mark.parametrize(
    ("headers", "status_code", "words"),
    [
        ({"Upload-Length": str(100 * MIB + 1)}, 413, "100 MiB"),
        ({"Upload-Length": "0"}, 422, "empty"),
        ({"Upload-Length": "-1"}, 422, "upload-length"),
        ({"Upload-Defer-Length": "1"}, 422, "upload-length"),
        ({"Upload-Length": "1", "Upload-Metadata": f"filename {encoded('../a.mp4')}"}, 422, "path"),
        ({"Upload-Length": "1", "Upload-Metadata": f"filename {encoded('a' + chr(10) + '.mp4')}"}, 422, "line break"),
        ({"Upload-Length": "1", "Upload-Metadata": "filename !"}, 400, "base64"),
        ({"Upload-Length": "1", "Upload-Metadata": f"filename {encoded('a')[:-1]}ü".encode()}, 400, "base64"),
        ({"Upload-Length": "1"}, 422, "no name"),
    ],
)
def test_an_upload_that_cannot_be_taken_is_refused_at_its_creation(
    client: TestClient, headers: dict, status_code: int, words: str
):
    answer = client.post("/files", headers={**TUS, **headers})
    assert is_problem(answer, status_code, words)
    assert answer.headers["tus-resumable"] == "1.0.0"
    if status_code == 413:
        assert answer.headers["tus-max-size"] == str(100 * MIB)


def test_an_upload_that_does_not_fit_in_is_refused_at_its_creation(app: FastAPI, client: TestClient, config: Settings):
    app.state.settings = config.model_copy(update={"upload_limit_bytes": 1 << 62})
    assert is_problem(begin(client, 1 << 61), 507, "no room")


def test_a_piece_for_another_place_is_refused_with_the_right_one(client: TestClient, at: str):
    send(client, at, 0, b"012")
    for offset in (0, 2, 4, 10):
        assert is_problem(send(client, at, offset, b"x" if offset < 10 else b""), 409, "goes on at 3")
    assert offset_of(client, at) == 3


def test_a_piece_of_another_type_is_refused(client: TestClient, at: str):
    answer = client.patch(at, content=b"x", headers={**TUS, "Content-Type": "video/mp4", "Upload-Offset": "0"})
    assert is_problem(answer, 415)


def test_more_than_was_announced_is_refused(client: TestClient, served: Served, at: str):
    assert is_problem(send(client, at, 0, bytes(11)), 413, "only 10 bytes")
    assert is_problem(send(served.client, at, 0, iter([bytes(11)])), 413, "only 10 bytes")
    assert offset_of(client, at) == 0


def test_a_checksum_that_is_right_counts_and_a_wrong_one_does_not(client: TestClient, at: str):
    for name in ("sha1", "sha256"):
        right = base64.b64encode(hashlib.new(name, b"01234").digest()).decode()
        offset = 0 if name == "sha1" else 5
        wrong = send(client, at, offset, b"01x34", **{"Upload-Checksum": f"{name} {right}"})
        assert is_problem(wrong, 460)
        assert offset_of(client, at) == offset
        assert send(client, at, offset, b"01234", **{"Upload-Checksum": f"{name} {right}"}).status_code == 204


def test_a_checksum_of_another_kind_is_refused(client: TestClient, at: str):
    assert is_problem(send(client, at, 0, b"x", **{"Upload-Checksum": "md5 eA=="}), 400, "sha1 or sha256")


def test_an_upload_that_was_given_up_is_gone(client: TestClient, at: str, storage: FolderStorage):
    send(client, at, 0, b"01")
    assert client.delete(at, headers=TUS).status_code == 204
    assert files_of(storage) == ["uploads"]
    assert client.head(at, headers=TUS).status_code == 404
    assert is_problem(send(client, at, 2, b"2"), 404)
    assert files_of(storage) == ["uploads"]


def test_an_upload_that_became_a_video_is_not_given_up(client: TestClient, at: str):
    send(client, at, 0, bytes(10))
    assert is_problem(client.delete(at, headers=TUS), 409, "delete that one")
    assert send(client, at, 10, b"").status_code == 204
    assert is_problem(send(client, at, 3, b""), 409)


def test_others_do_not_find_an_upload(client: TestClient, at: str, bela: str):
    assert client.head(at, headers={**TUS, **bearer(bela)}).status_code == 404
    assert is_problem(send(client, at, 0, b"x", **bearer(bela)), 404)
    assert is_problem(client.delete(at, headers={**TUS, **bearer(bela)}), 404)


@pytest.mark.parametrize(("method", "status_code"), [("PATCH", 204), ("HEAD", 200), ("DELETE", 204), ("PUT", 405)])
def test_a_client_that_can_only_post_names_the_method(client: TestClient, at: str, method: str, status_code: int):
    headers = {**BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": method}
    assert client.post(at, content=b"01", headers=headers).status_code == status_code


def expire(database: Database) -> None:
    with database.jobs() as session:
        session.execute(text("UPDATE jobs.uploads SET expires_at = now() - interval '1 minute'"))


def test_an_upload_that_expired_is_gone_and_pruned(client: TestClient, at: str, database: Database, storage: FolderStorage):
    send(client, at, 0, b"01")
    expire(database)
    assert client.head(at, headers=TUS).status_code == 410
    assert uploads.prune_uploads(database, storage) == 1
    assert files_of(storage) == ["uploads"]
    assert client.head(at, headers=TUS).status_code == 404


def test_an_upload_that_became_a_video_does_not_expire(client: TestClient, at: str, database: Database, storage: FolderStorage):
    send(client, at, 0, bytes(10))
    expire(database)
    assert uploads.prune_uploads(database, storage) == 0
    assert offset_of(client, at) == 10


def test_what_a_lost_connection_brought_counts(served: Served, storage: FolderStorage):
    at = begin(served.client, 10 * MIB).headers["location"]
    head = f"PATCH {at} HTTP/1.1\nTus-Resumable: 1.0.0\nUpload-Offset: 0\nContent-Length: {10 * MIB}\n"
    with send_raw(served, head + "Content-Type: application/offset+octet-stream\n", b"x" * (3 * MIB)):
        wait_until(lambda: storage.resumable(f"uploads/{at.rpartition('/')[2]}/source").size() >= 2 * MIB)
    wait_until(lambda: offset_of(served.client, at) == 3 * MIB)
    assert send(served.client, at, 3 * MIB, bytes(7 * MIB)).headers["upload-offset"] == str(10 * MIB)


def test_a_second_writer_is_turned_away_while_the_first_writes(served: Served, storage: FolderStorage):
    at = begin(served.client, 10 * MIB).headers["location"]
    head = f"PATCH {at} HTTP/1.1\nTus-Resumable: 1.0.0\nUpload-Offset: 0\nContent-Length: {2 * MIB}\n"
    with send_raw(served, head + "Content-Type: application/offset+octet-stream\n", b"x" * MIB) as first:
        wait_until(lambda: storage.resumable(f"uploads/{at.rpartition('/')[2]}/source").size() >= MIB)
        assert is_problem(send(served.client, at, 0, b"y"), 423)
        assert served.client.head(at, headers=TUS).status_code == 200
        first.sendall(b"x" * MIB)
        assert first.recv(100).startswith(b"HTTP/1.1 204")
    assert offset_of(served.client, at) == 2 * MIB


@pytest.fixture
def lost(client: TestClient, at: str, storage: FolderStorage) -> Iterator[Path]:
    """The file of an upload of which five bytes were counted."""
    send(client, at, 0, b"01234")
    yield partial_of(storage, at)
    assert offset_of(client, at) == 10


def test_bytes_that_were_not_counted_before_a_crash_are_cut_off(client: TestClient, at: str, lost: Path):
    with lost.open("ab") as file:
        file.write(b"567")
    assert offset_of(client, at) == 5
    assert send(client, at, 5, b"56789").status_code == 204
    assert (lost.parent / "source").read_bytes() == b"0123456789"


def test_bytes_that_the_disk_lost_are_sent_again(client: TestClient, at: str, lost: Path):
    lost.write_bytes(b"01")
    assert offset_of(client, at) == 2
    assert send(client, at, 2, b"23456789").status_code == 204
    assert (lost.parent / "source").read_bytes() == b"0123456789"


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("by", ["HEAD", "PATCH"])
def test_an_upload_whose_end_was_cut_short_is_finished_by_the_next_call(
    client: TestClient, at: str, lost: Path, database: Database, storage: FolderStorage, owner: str, by: str, *, named: bool
):
    upload = at.rpartition("/")[2]
    lost.write_bytes(b"0123456789")
    with database.tenant(owner) as session:
        uploads.keep_received(session, upload, 10)
    if named:
        storage.resumable(f"uploads/{upload}/source").finish(10)
    answer = client.head(at, headers=TUS) if by == "HEAD" else send(client, at, 10, b"")
    assert answer.headers["content-location"].startswith("/videos/")
    with database.tenant(owner) as session:
        assert len(videos.list_videos(session)) == 1


def test_an_upload_that_another_call_is_finishing_is_told_as_it_is(
    client: TestClient, at: str, lost: Path, database: Database, storage: FolderStorage, owner: str
):
    upload = at.rpartition("/")[2]
    lost.write_bytes(b"0123456789")
    with database.tenant(owner) as session:
        uploads.keep_received(session, upload, 10)
    with storage.resumable(f"uploads/{upload}/source").append():
        answer = client.head(at, headers=TUS)
    assert (answer.status_code, answer.headers["upload-offset"]) == (200, "10")
    assert "content-location" not in answer.headers


def test_a_large_piece_is_counted_while_it_arrives(served: Served, database: Database, owner: str):
    at = begin(served.client, 80 * MIB).headers["location"]

    def received() -> int:
        with database.tenant(owner) as session:
            return uploads.get_upload(session, at.rpartition("/")[2])["received_bytes"]

    head = f"PATCH {at} HTTP/1.1\nTus-Resumable: 1.0.0\nUpload-Offset: 0\nContent-Length: {80 * MIB}\n"
    with send_raw(served, head + "Content-Type: application/offset+octet-stream\n") as connection:
        for _ in range(40):
            connection.sendall(bytes(MIB))
        wait_until(lambda: received() >= 32 * MIB)


def test_the_disk_that_fills_up_meanwhile_is_told(client: TestClient, at: str, storage: FolderStorage):
    partial_of(storage, at).parent.mkdir(parents=True)
    partial_of(storage, at).symlink_to("/dev/full")
    assert is_problem(send(client, at, 0, bytes(10)), 507, "full")
    partial_of(storage, at).unlink()
    assert offset_of(client, at) == 0
