import base64
import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from core.children import Limits, Output
from core.errors import AskStephenError, Misconfigured, NotFound, Refused, Unavailable
from core.guard import Guard, get_guard
from core.sandbox.run import Sandbox
from core.storage import FolderStorage
from db import videos
from pipelines import ingest
from pipelines.providers.base import Fetched, Wanted
from pipelines.providers.url import provider
from testkit import Worker
from tests.conftest import let_in
from tests.pipelines.providers.deliveries import delivery_to
from tests.sites import Handler, files, say, site

CONTENT = os.urandom(400_000)
PAGE = b'<html><title>A page</title><video src="/a.mp4"></video></html>'
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n%s\n#EXTINF:4,\n/2.ts\n"


class Fetch:
    """The provider with the real sandbox, on a site of the test."""

    def __init__(self, sandbox: Sandbox, storage: FolderStorage, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.storage = storage
        self._run = partial(sandbox.run, folder=folder)
        self._folder = folder
        self._patch = patch

    def __call__(self, url: str, *, limit_bytes: int = 10_000_000) -> Fetched:
        self._patch.setenv("UPLOAD_LIMIT_BYTES", str(limit_bytes))
        provider.settings.cache_clear()
        delivery = delivery_to(self.storage, run=self._run, folder=lambda: self._folder)
        return provider.Url(Guard(["127.0.0.0/8"])).fetch(Wanted(url, "video.mp4", None, None), delivery)


@pytest.fixture
def fetch(sandbox: Sandbox, storage: FolderStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fetch]:
    (tmp_path / "attempt").mkdir()
    folder = let_in(tmp_path / "attempt")
    yield Fetch(sandbox, storage, folder, monkeypatch)
    monkeypatch.undo()
    provider.settings.cache_clear()


def test_the_video_of_a_page_is_found_and_fetched(fetch: Fetch) -> None:
    with site(files({"/": ("text/html", PAGE), "/a.mp4": ("video/mp4", CONTENT)})) as url:
        fetched = fetch(f"{url}/")
    assert fetch.storage.local(fetched.key).read_bytes() == CONTENT


def test_the_parts_of_a_finished_playlist_are_put_together(fetch: Fetch) -> None:
    listed = PLAYLIST % b"/1.ts" + b"#EXT-X-ENDLIST\n"
    parts = {"/1.ts": ("video/mp2t", CONTENT[:1000]), "/2.ts": ("video/mp2t", CONTENT[1000:])}
    with site(files({"/l.m3u8": ("application/vnd.apple.mpegurl", listed), **parts})) as url:
        assert fetch.storage.local(fetch(f"{url}/l.m3u8").key).read_bytes() == CONTENT


def test_a_live_stream_is_refused(fetch: Fetch) -> None:
    with (
        site(files({"/l.m3u8": ("application/vnd.apple.mpegurl", PLAYLIST % b"/1.ts")})) as url,
        pytest.raises(Refused, match="live"),
    ):
        fetch(f"{url}/l.m3u8")


def test_a_part_that_lies_on_a_machine_of_ours_is_refused(fetch: Fetch) -> None:
    listed = PLAYLIST % b"http://169.254.169.254/1.ts" + b"#EXT-X-ENDLIST\n"
    with site(files({"/l.m3u8": ("application/vnd.apple.mpegurl", listed)})) as url, pytest.raises(Refused, match=r"169\.254"):
        fetch(f"{url}/l.m3u8")


@pytest.mark.parametrize("kind", ["text/html", "video/mp4"])
def test_a_redirect_to_a_machine_of_ours_is_refused(fetch: Fetch, kind: str) -> None:
    with site(say(b"", status=302, Location="http://169.254.169.254/x.mp4", Content_Type=kind)) as url, pytest.raises(Refused):
        fetch(url)


def test_a_file_that_says_that_it_is_too_large_is_refused_before_it_comes(fetch: Fetch) -> None:
    asked: list[str | None] = []
    with site(files({"/a.mp4": ("video/mp4", CONTENT)}, asked)) as url, pytest.raises(Refused, match="at most"):
        fetch(f"{url}/a.mp4", limit_bytes=300_000)
    assert asked == []


def endless(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n")
    while request.command != "HEAD":
        request.wfile.write(CONTENT)


def test_one_that_does_not_say_how_large_it_is_is_cut_at_the_limit(fetch: Fetch) -> None:
    with site(endless) as url, pytest.raises(Refused, match="larger"):
        fetch(f"{url}/a.mp4", limit_bytes=3_000_000)
    assert not any(path.is_file() for path in fetch.storage.root.rglob("*"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (say(b"<html><p>Nothing to see</p></html>", Content_Type="text/html"), Refused),
        (say(b"no", status=404), NotFound),
        (say(b"no", status=403), Refused),
        (say(b"later", status=429, Retry_After="7"), Unavailable),
        (say(b"later", status=503), Unavailable),
        (say(base64.b64decode("H4sIAAAA"), Content_Type="text/html", Content_Encoding="gzip"), AskStephenError),
    ],
)
def test_what_is_no_video_is_told_in_a_sentence(fetch: Fetch, answer: Handler, error: type[Exception]) -> None:
    with site(answer) as url, pytest.raises(error) as raised:
        assert fetch(f"{url}/page").size_bytes
    assert "Traceback" not in str(raised.value)


def test_a_site_that_is_not_on_the_list_is_refused(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL_EXTRACTORS", "youtube")
    with (
        site(files({"/": ("text/html", PAGE), "/a.mp4": ("video/mp4", CONTENT)})) as url,
        pytest.raises(Refused, match="not taken"),
    ):
        fetch(f"{url}/")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://localhost/a.mp4", "ytsearch:cats", "http://[::1]/", "-o/tmp/x"])
def test_what_is_no_public_address_is_refused(fetch: Fetch, url: str) -> None:
    with pytest.raises(Refused):
        fetch(url)


def test_a_sandbox_that_has_no_network_of_its_own_is_told_to_the_operator(fetch: Fetch) -> None:
    whole = fetch._run

    def run(argv: list[str], *, limits: Limits, **given: object) -> Output:
        return whole(argv, limits=replace(limits, loopback=False), **given)

    fetch._run = run
    with site(files({"/": ("text/html", PAGE)})) as url, pytest.raises(Misconfigured, match="namespaces"):
        fetch(f"{url}/")


def test_a_page_that_drips_is_left_when_the_attempt_is_told_to_stop(fetch: Fetch) -> None:
    stop = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while request.command != "HEAD" and not stop.wait(0.05):
            request.wfile.write(b"<p>")

    class Told(Exception):
        pass

    asked: list[bool] = []

    def check() -> None:
        asked.append(True)
        if len(asked) > 8:
            raise Told

    fetch._run = partial(fetch._run, check=check)
    with site(drip) as url, pytest.raises(Told):
        fetch(url)
    with contextlib.suppress(AskStephenError):
        stop.set()


def test_an_ingest_begins_with_what_lies_at_the_url(worker: Worker, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_ALLOWED", "127.0.0.0/8")
    for cached in (provider.settings, get_guard):
        cached.cache_clear()
    with site(files({"/": ("text/html", PAGE), "/a.mp4": ("video/mp4", CONTENT)})) as url:
        with worker.database.tenant(owner) as session:
            started = ingest.start(session, videos.Source("url", f"{url}/", "a.mp4"), user_id=owner)
        assert started is not None
        for _ in range(2):  # at first it only learns what it calls
            worker.runner.run(worker.list_due()[0])
    with worker.database.tenant(owner) as session:
        file = videos.list_files(session, started.video_id)[videos.FileKind.SOURCE]
    assert worker.storage.local(file["key"]).read_bytes() == CONTENT
    monkeypatch.undo()
    for cached in (provider.settings, get_guard):
        cached.cache_clear()
