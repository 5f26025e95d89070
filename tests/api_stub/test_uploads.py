import asyncio
import contextlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from api_stub.body import blocks
from api_stub.uploads import FormFile
from core.errors import AskStephenError
from core.settings import Settings
from core.storage import FolderStorage, _disk_errors
from db import uploads, videos
from db.engine import Database
from testkit import assert_enqueued
from tests.api_stub.conftest import MIB, Served, files_of, is_problem, send_raw
from tests.conftest import wait_until

BOUNDARY = "x" * 24
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(content: bytes, *, name: str = "a.mp4", field: str = "file") -> bytes:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: video/mp4\r\n\r\n'
    )
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def head_of_form(length: int | str) -> str:
    return f"POST /api/upload HTTP/1.1\nContent-Type: {FORM['Content-Type']}\nContent-Length: {length}\n"


@pytest.mark.parametrize("field", ["file", "video", "anything"])
def test_an_upload_becomes_a_video_with_its_request_and_job(
    client: TestClient, database: Database, storage: FolderStorage, owner: str, field: str
):
    answer = client.post("/api/upload", files={field: ("Übung 1.mp4", b"content", "video/mp4")}, data={"title": "passed over"})
    assert answer.status_code == 201, answer.text
    video = answer.json()
    assert answer.headers["location"] == f"/api/videos/{video['id']}"
    assert {name: video[name] for name in ("originalFilename", "fileSize", "mimeType", "status", "userId")} == {
        "originalFilename": "Übung 1.mp4",
        "fileSize": 7,
        "mimeType": "video/mp4",
        "status": "uploading",
        "userId": owner,
    }
    with database.tenant(owner) as session:
        (request,) = videos.list_requests(session)
        assert_enqueued(session, "ingest", args={"request_id": request["id"]}, subject=videos.subject(video["id"]), count=1)
    assert (request["provider"], request["video_id"]) == ("upload", video["id"])
    with storage.open(request["source_path"]) as file:
        assert file.read() == b"content"


def test_a_browser_that_sends_a_page_goes_on_to_the_videos_page(client: TestClient):
    answer = client.post(
        "/api/upload", files={"file": ("a.mp4", b"x")}, headers={"Accept": "text/html,*/*"}, follow_redirects=False
    )
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/videos/")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../up.mp4", "without / or"),
        ("a\\b.mp4", "without / or"),
        ("x" * 256, "255 bytes"),
        ("a\x07.mp4", "cannot be shown"),
        (" ", "no name"),
    ],
)
def test_a_name_that_cannot_be_kept_is_refused_in_words(client: TestClient, storage: FolderStorage, name: str, words: str):
    answer = client.post("/api/upload", content=form(b"content", name=name), headers=FORM)
    assert is_problem(answer, 400, words)
    assert files_of(storage) == ["uploads"]


@pytest.mark.parametrize(
    ("body", "status_code", "words"),
    [
        (form(b""), 400, "empty"),
        (form(b"x", name=""), 400, "no file"),
        (form(b"one").replace(b"--\r\n", b"\r\n") + form(b"two")[28:], 400, "more than one file"),
        (form(b"cut off")[:-30], 400, "ends early"),
        (b"", 400, "ends early"),
        (b"no form at all", 400, "not a form"),
    ],
)
def test_what_is_not_one_file_is_refused_and_leaves_nothing(
    client: TestClient, storage: FolderStorage, body: bytes, status_code: int, words: str
):
    answer = client.post("/api/upload", content=body, headers=FORM)
    assert is_problem(answer, status_code, words)
    assert files_of(storage) == ["uploads"]


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", f"multipart/form-data; boundary={'x' * 5000}"])
def test_a_body_of_another_kind_is_refused(client: TestClient, kind: str):
    assert is_problem(client.post("/api/upload", content=b"{}", headers={"Content-Type": kind}), 400, "not a form")


def test_a_file_over_the_limit_is_refused_with_the_limit(
    app: FastAPI, client: TestClient, storage: FolderStorage, config: Settings
):
    app.state.settings = config.model_copy(update={"upload_limit_bytes": 3 * MIB})
    taken = client.post("/api/upload", files={"file": ("a.mp4", bytes(3 * MIB))})
    assert taken.status_code == 201
    before = files_of(storage)
    assert is_problem(client.post("/api/upload", files={"file": ("a.mp4", bytes(3 * MIB + 1))}), 413, "3 MiB (3145728 bytes)")
    assert files_of(storage) == before


def test_a_declared_length_over_the_limit_is_refused_before_the_body(served: Served):
    with send_raw(served, head_of_form(200 * MIB)) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_file_that_does_not_fit_in_is_refused_before_the_body(app: FastAPI, served: Served, config: Settings):
    app.state.settings = config.model_copy(update={"upload_limit_bytes": 1 << 62})
    with send_raw(served, head_of_form(1 << 61)) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 507")


class FullDisk(FolderStorage):
    """A storage folder whose disk has no room: the device says so."""

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:  # noqa: ARG002  (no key has room)
        with _disk_errors(), Path("/dev/full").open("wb", buffering=0) as file:
            yield file


def test_a_disk_that_fills_up_meanwhile_is_told(app: FastAPI, client: TestClient, storage: FolderStorage):
    app.state.storage = FullDisk(storage.root)
    assert is_problem(client.post("/api/upload", files={"file": ("a.mp4", b"x")}), 507, "full")


def test_a_client_that_hangs_up_leaves_nothing(served: Served, storage: FolderStorage, database: Database, owner: str):
    with send_raw(served, head_of_form(50 * MIB), form(bytes(3 * MIB))[: 2 * MIB]):
        wait_until(lambda: any(path.endswith(".partial") for path in files_of(storage)))
    wait_until(lambda: files_of(storage) == ["uploads"])
    with database.tenant(owner) as session:
        assert videos.list_videos(session) == []


def test_memory_stays_flat_while_a_large_file_arrives(served: Served, storage: FolderStorage):
    block, count = bytes(MIB), 64
    length = len(form(b"")) + count * MIB

    def body() -> Iterator[bytes]:
        head, tail = form(b"|").split(b"|")
        yield head
        for _ in range(count):
            yield block
        yield tail

    served.client.get("/livez")
    tracemalloc.start()
    try:
        answer = served.client.post("/api/upload", content=body(), headers={**FORM, "Content-Length": str(length)})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status_code, answer.json()["fileSize"]) == (201, count * MIB)
    assert peak < 12 * MIB


def test_what_is_uploaded_is_not_pruned(client: TestClient, database: Database, storage: FolderStorage):
    client.post("/api/upload", files={"file": ("a.mp4", b"x")})
    before = files_of(storage)
    assert uploads.prune_uploads(database, storage) == 0
    assert files_of(storage) == before


class Kept(bytearray):
    """A file in memory."""

    write = bytearray.extend


@given(content=st.binary(max_size=400), cuts=st.lists(st.integers(1, 60), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_form_is_read_the_same_however_it_is_cut(content: bytes, cuts: list[int]):
    kept, sent = Kept(), form(b"\r\n--" + content)
    file = FormFile(BOUNDARY.encode(), kept, limit_bytes=1000)
    while sent:
        cut = cuts[len(sent) % len(cuts)]
        file.feed(sent[:cut])
        sent = sent[cut:]
    assert file.end() == "a.mp4"
    assert bytes(kept) == b"\r\n--" + content


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_a_hostile_form_is_refused_as_such(body: bytes):
    def read() -> None:
        file = FormFile(BOUNDARY.encode(), Kept(), limit_bytes=100)
        file.feed(b"--" + BOUNDARY.encode() + body)
        file.end()

    with pytest.raises((HTTPException, AskStephenError)):
        read()


def test_a_silent_client_is_given_up_after_what_it_sent():
    sent, got = [b"arrived"], []

    async def receive() -> dict:
        if not sent:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": sent.pop(), "more_body": True}

    async def read() -> None:
        stream = blocks(Request({"type": "http"}, receive), silence_seconds=0.05)
        got.append(await anext(stream))
        await anext(stream)

    with pytest.raises(HTTPException, match="nothing arrived"):
        asyncio.run(read())
    assert got == [b"arrived"]


def test_an_upload_without_a_length_is_taken(served: Served):
    answer = served.client.post("/api/upload", content=iter([form(b"chunked")]), headers=FORM)
    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert answer.json()["fileSize"] == 7


def test_others_do_not_see_an_upload(client: TestClient, bela: str):
    video = client.post("/api/upload", files={"file": ("a.mp4", b"x")}).json()
    answer = client.get(f"/api/videos/{video['id']}", headers={"Authorization": f"Bearer {bela}"})
    assert is_problem(answer, 404)
