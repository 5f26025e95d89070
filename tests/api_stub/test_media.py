import contextlib
import hashlib

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from api_stub.media import _attachment, _read_range
from core.storage import FolderStorage
from db import videos
from db.engine import Database
from db.videos import FileKind, NewFile
from tests.api_stub.conftest import Served, bearer, is_problem, send_raw

CONTENT = {
    FileKind.MP4: bytes(range(256)) * 4,
    FileKind.POSTER: b"jpeg",
    FileKind.CAPTIONS_VTT: b"WEBVTT\n",
    FileKind.CAPTIONS_SRT: b"1\n",
    FileKind.TRANSCRIPT: b"{}",
}
PARTS = {"master.m3u8": b"#EXTM3U\n", "0/video.m3u8": b"#EXTM3U\n#", "0/init.mp4": b"init", "0/s1.m4s": b"segment"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def at(database: Database, storage: FolderStorage, owner: str) -> str:
    """The media of a video that was made, its name a nuisance."""
    base = "attempts/0123456789abcdef0123456789abcdef"
    stored = {f"{base}/{kind.value}": content for kind, content in CONTENT.items()}
    stored |= {f"{base}/ladder/{name}": content for name, content in PARTS.items()}
    stored[f"{base}/ladder/left.m4s"] = b"not of the ladder"
    for key, content in stored.items():
        with storage.writer(key) as file:
            file.write(content)
    listed = [{"name": name, "size_bytes": len(content), "sha256": sha256(content)} for name, content in PARTS.items()]
    files = [NewFile(kind, f"{base}/{kind.value}", len(content), sha256(content)) for kind, content in CONTENT.items()]
    files.append(NewFile(FileKind.LADDER, f"{base}/ladder/master.m3u8", 1, "00", {"files": listed}))
    files.append(NewFile(FileKind.SOURCE, f"{base}/mp4", 1024, "00"))
    source = videos.Source("folder", "a", 'Q3 "plan"; ü.final.mov')
    with database.tenant(owner) as session:
        video_id, _ = videos.insert_request(session, source, user_id=owner)
        videos.keep_files(session, video_id, files)
    return f"/media/videos/{video_id}"


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("mp4", CONTENT[FileKind.MP4], "video/mp4"),
        ("poster", b"jpeg", "image/jpeg"),
        ("captions_vtt", b"WEBVTT\n", "text/vtt; charset=utf-8"),
        ("captions_srt", b"1\n", "application/x-subrip"),
        ("transcript", b"{}", "application/json"),
        ("ladder/master.m3u8", PARTS["master.m3u8"], "application/vnd.apple.mpegurl"),
        ("ladder/0/init.mp4", b"init", "video/mp4"),
        ("ladder/0/s1.m4s", b"segment", "video/mp4"),
    ],
)
def test_a_file_is_served_with_its_type_length_and_hash(
    client: TestClient, at: str, name: str, content: bytes, media_type: str
):
    answer = client.get(f"{at}/{name}")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == media_type
    assert answer.headers["etag"] == f'"{sha256(content)}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"].startswith("private")
    head = client.head(f"{at}/{name}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content)))


@pytest.mark.parametrize(
    "name",
    [
        "source",
        "ladder",
        "original",
        "ladder/left.m4s",
        "ladder/",
        "ladder/0",
        "ladder/%2e%2e/mp4",
        "ladder/..%2f..%2f..%2fetc%2fpasswd",
        "ladder//etc/passwd",
        "ladder/0%00",
        "%2e%2e/mp4",
    ],
)
def test_nothing_else_is_served(client: TestClient, at: str, name: str):
    assert client.get(f"{at}/{name}").status_code == 404


@pytest.mark.parametrize("name", ["ladder/../mp4", "ladder/0/../master.m3u8", "../1/mp4", "ladder/../../../../etc/passwd"])
def test_a_path_that_walks_is_no_name(served: Served, at: str, name: str):
    with send_raw(served, f"GET {at}/{name} HTTP/1.1") as connection:  # clients shorten such a path before they send it
        assert connection.recv(100).startswith(b"HTTP/1.1 404")


def test_another_users_media_are_not_there(client: TestClient, at: str, bela: str):
    for name in ("mp4", "ladder/master.m3u8"):
        assert is_problem(client.get(f"{at}/{name}", headers=bearer(bela)), 404)


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, 1024),
        ("bytes=1000-9999", 1000, 1024),
        ("bytes=-24", 1000, 1024),
        ("bytes=-9999", 0, 1024),
    ],
)
def test_a_part_is_served(client: TestClient, at: str, wanted: str, start: int, end: int):
    answer = client.get(f"{at}/mp4", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, CONTENT[FileKind.MP4][start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/1024"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("wanted", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused(client: TestClient, at: str, wanted: str):
    answer = client.get(f"{at}/mp4", headers={"Range": wanted})
    assert is_problem(answer, 416)
    assert answer.headers["content-range"] == "bytes */1024"


@pytest.mark.parametrize("wanted", ["bytes=", "bytes=-", "items=0-1", "bytes=5-2", "bytes=0-1,4-5", "bytes=a-b"])
def test_what_is_no_single_part_is_passed_over(client: TestClient, at: str, wanted: str):
    assert client.get(f"{at}/mp4", headers={"Range": wanted}).status_code == 200


@given(header=st.one_of(st.text(max_size=30), st.from_regex(r"bytes=\d{0,9}-\d{0,9}", fullmatch=True)), size=st.integers(0, 99))
def test_a_part_lies_inside_the_file_whatever_is_asked_for(header: str, size: int):
    found = (0, 1)
    with contextlib.suppress(HTTPException):
        found = _read_range(header, size)
    assert found is None or 0 <= found[0] < found[1] <= max(1, size)


def test_a_part_of_another_version_is_not_mixed_in(client: TestClient, at: str):
    tag = client.head(f"{at}/mp4").headers["etag"]
    asked = {"Range": "bytes=0-9"}
    assert client.get(f"{at}/mp4", headers={**asked, "If-Range": tag}).status_code == 206
    assert client.get(f"{at}/mp4", headers={**asked, "If-Range": '"older"'}).status_code == 200


def test_what_a_client_has_is_not_sent_again(client: TestClient, at: str):
    for name in ("mp4", "ladder/0/s1.m4s"):
        tag = client.head(f"{at}/{name}").headers["etag"]
        for known in (tag, f'"x", W/{tag}', "*"):
            answer = client.get(f"{at}/{name}", headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert client.get(f"{at}/{name}", headers={"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.parametrize(
    ("name", "saved"),
    [("captions_srt", True), ("transcript", True), ("mp4?download=1", True), ("captions_vtt?download=1", True), ("mp4", False)],
)
def test_a_browser_saves_what_is_to_be_kept(client: TestClient, at: str, name: str, *, saved: bool):
    assert ("content-disposition" in client.get(f"{at}/{name}").headers) is saved


def test_a_saved_file_has_the_videos_name_without_its_nuisance(client: TestClient, at: str):
    shown = client.get(f"{at}/mp4?download=1").headers["content-disposition"]
    plain = 'attachment; filename="Q3 _plan__ _.final.mp4"'
    assert shown == f"{plain}; filename*=UTF-8''Q3%20%22plan%22%3B%20%C3%BC.final.mp4"


@given(st.text(max_size=80))
def test_no_name_breaks_out_of_its_header(name: str):
    plain, _, _ = _attachment(name).removeprefix('attachment; filename="').partition('"; filename*=')
    assert '"' not in plain
    assert _attachment(name).isprintable()
    assert _attachment(name).isascii()


def test_a_file_that_is_damaged_in_storage_is_not_served(client: TestClient, at: str, storage: FolderStorage):
    for path in storage.root.rglob("mp4"):
        path.write_bytes(b"short")
    assert is_problem(client.get(f"{at}/mp4"), 404, "damaged")
