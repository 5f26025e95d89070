import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from core.errors import Misconfigured
from tests.conftest import wait_until
from tests.twins.receiver import receiving
from twins.running import Twins

CLIP = random.Random(6).randbytes(5_000_000)  # more than one block of the content hash
Connect = Callable[..., Any]


@pytest.fixture
def connect(twins: Twins) -> Iterator[Connect]:
    """Makes the official client as a product would, each time for an account of its own."""
    from dropbox import Dropbox

    clients: list[Dropbox] = []

    def make(**options: Any) -> Dropbox:
        granted = twins.grant("dropbox", f"{uuid4().hex}@example.com", [])
        client = Dropbox(
            oauth2_access_token=granted["access_token"],
            oauth2_refresh_token=granted["refresh_token"],
            app_key="key",
            app_secret="secret",
            **{"max_retries_on_error": 0, "max_retries_on_rate_limit": 0, "timeout": 10, **options},
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def test_what_is_uploaded_is_listed_found_and_read_back(connect: Connect) -> None:
    from dropbox.content_hash import content_hash

    dropbox = connect()
    made = dropbox.files_upload(CLIP, "/Videos/Größe.mp4")
    assert made.content_hash == content_hash(CLIP)
    assert dropbox.files_get_metadata("/videos/GRÖßE.mp4").id == made.id
    assert [entry.name for entry in dropbox.files_list_folder("").entries] == ["Videos"]
    assert [entry.name for entry in dropbox.files_list_folder("", recursive=True).entries] == ["Videos", "Größe.mp4"]
    assert [match.metadata.get_metadata().name for match in dropbox.files_search_v2("größe").matches] == ["Größe.mp4"]
    for path in (made.path_lower, made.id, f"rev:{made.rev}"):
        _, answer = dropbox.files_download(path)
        assert answer.content == CLIP
    _, part = dropbox.files_download(made.id, extra_headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, CLIP[1000:2000])


def test_a_listing_goes_on_by_cursor_and_then_tells_what_changed(connect: Connect) -> None:
    from dropbox import files

    dropbox = connect()
    for number in range(5):
        dropbox.files_upload(b"x", f"/{number}.mp4")
    page = dropbox.files_list_folder("", limit=2)
    names = [entry.name for entry in page.entries]
    while page.has_more:
        page = dropbox.files_list_folder_continue(page.cursor)
        names += [entry.name for entry in page.entries]
    assert names == [f"{number}.mp4" for number in range(5)]
    assert dropbox.files_list_folder_continue(page.cursor).entries == []
    dropbox.files_delete_v2("/3.mp4")
    dropbox.files_move_v2("/4.mp4", "/later/4.mp4")
    page = dropbox.files_list_folder_continue(page.cursor)
    changes = [*page.entries, *dropbox.files_list_folder_continue(page.cursor).entries]
    assert page.has_more
    assert [entry.path_lower for entry in changes] == ["/3.mp4", "/4.mp4", "/later"]  # not recursive
    assert [isinstance(entry, files.DeletedMetadata) for entry in changes] == [True, True, False]


def test_a_longpoll_ends_when_something_changes(connect: Connect) -> None:
    dropbox = connect()
    cursor = dropbox.files_list_folder_get_latest_cursor("", recursive=True).cursor
    answers: list[bool] = []
    waiting = Thread(target=lambda: answers.append(dropbox.files_list_folder_longpoll(cursor, timeout=30).changes))
    waiting.start()
    dropbox.files_upload(b"x", "/new.mp4")
    waiting.join(timeout=20)
    assert answers == [True]
    assert [entry.name for entry in dropbox.files_list_folder_continue(cursor).entries] == ["new.mp4"]


def test_a_session_that_lost_its_place_is_told_it(connect: Connect) -> None:
    from dropbox import files
    from dropbox.exceptions import ApiError

    dropbox = connect()
    session_id = dropbox.files_upload_session_start(CLIP[:1000]).session_id
    dropbox.files_upload_session_append_v2(CLIP[1000:2000], files.UploadSessionCursor(session_id, 1000))
    with pytest.raises(ApiError) as raised:
        dropbox.files_upload_session_append_v2(CLIP[1000:2000], files.UploadSessionCursor(session_id, 1000))
    assert raised.value.error.get_incorrect_offset().correct_offset == 2000
    commit = files.CommitInfo("/clip.mp4")
    made = dropbox.files_upload_session_finish(CLIP[2000:3000], files.UploadSessionCursor(session_id, 2000), commit)
    assert dropbox.files_download(made.id)[1].content == CLIP[:3000]


def test_a_file_that_is_there_is_not_replaced_unless_asked(connect: Connect) -> None:
    from dropbox import files
    from dropbox.exceptions import ApiError

    dropbox = connect()
    first = dropbox.files_upload(b"one", "/a.mp4")
    with pytest.raises(ApiError) as raised:
        dropbox.files_upload(b"two", "/A.mp4")
    assert raised.value.error.get_path().reason.is_conflict()
    assert dropbox.files_upload(b"two", "/a.mp4", autorename=True).name == "a (1).mp4"
    second = dropbox.files_upload(b"two", "/a.mp4", mode=files.WriteMode.update(first.rev))
    assert (second.id, second.rev != first.rev) == (first.id, True)


def test_a_webhook_proves_itself_and_hears_signed_which_account_changed(twins: Twins, connect: Connect) -> None:
    dropbox = connect()
    with receiving(echoes=False) as deaf, pytest.raises(Misconfigured, match="did not echo"):
        twins.add_webhook(deaf.url, "app secret")
    with receiving() as receiver:
        twins.add_webhook(receiver.url, "app secret")
        twins.fault("dropbox", "no_push")
        dropbox.files_upload(b"x", "/unheard.mp4")
        dropbox.files_upload(b"x", "/heard.mp4")
        wait_until(lambda: receiver.got)
        headers, body = receiver.got[0]
        assert json.loads(body)["list_folder"]["accounts"] == [dropbox.users_get_current_account().account_id]
        assert headers["X-Dropbox-Signature"] == hmac.new(b"app secret", body, hashlib.sha256).hexdigest()
        assert len(receiver.got) == 1
    twins.forget("dropbox.webhooks")


def test_the_consent_flow_with_its_proof_key_ends_in_tokens(twins: Twins) -> None:
    import requests
    from dropbox import DropboxOAuth2Flow

    session: dict[str, str] = {}
    flow = DropboxOAuth2Flow(
        "key", "https://product.example/callback", session, "csrf", use_pkce=True, token_access_type="offline"
    )
    sent_back = requests.get(flow.start(), allow_redirects=False, timeout=10).headers["Location"]
    query = {name: values[0] for name, values in parse_qs(urlsplit(sent_back).query).items()}
    kept = dict(session)
    result = flow.finish(query)
    assert result.refresh_token
    assert result.account_id.startswith("dbid:")
    session.update(kept)
    with pytest.raises(requests.HTTPError):  # a code opens once
        flow.finish(query)


def test_faults_reach_the_client_as_the_errors_it_knows(twins: Twins, connect: Connect, tmp_path: Path) -> None:
    from dropbox import exceptions

    dropbox = connect()
    made = dropbox.files_upload(CLIP, "/clip.mp4")
    cursor = dropbox.files_list_folder("").cursor

    def fails(kind: str, call: Callable[[], object], *, times: int = 1, match: str = "") -> Any:
        twins.fault("dropbox", kind, times=times, retry_after=7, match=match)
        with pytest.raises(Exception) as raised:  # noqa: PT011  each is told below
            call()
        return raised.value

    assert fails("rate_limit", lambda: dropbox.files_list_folder("")).backoff == 7
    assert isinstance(fails("unavailable", lambda: dropbox.files_list_folder("")), exceptions.InternalServerError)
    assert fails("reset_cursor", lambda: dropbox.files_list_folder_continue(cursor)).error.is_reset()
    assert fails("not_found", lambda: dropbox.files_download("/clip.mp4")).error.get_path().is_not_found()
    assert fails("forbidden", lambda: dropbox.files_download("/clip.mp4")).error.get_path().is_restricted_content()
    assert fails("quota", lambda: dropbox.files_upload(b"", "/b")).error.get_path().reason.is_insufficient_space()
    assert fails("missing_scope", lambda: dropbox.files_list_folder("")).error.is_missing_scope()
    half = fails("cut", lambda: dropbox.files_download_to_file(str(tmp_path / "clip"), made.id))
    assert "ChunkedEncodingError" in type(half).__name__ or "Connection" in type(half).__name__
    assert (tmp_path / "clip").stat().st_size < len(CLIP)
    twins.expire_tokens("dropbox")
    assert dropbox.files_get_metadata("/clip.mp4").rev == made.rev  # refreshed
    twins.expire_tokens("dropbox")
    assert fails("revoked", lambda: dropbox.files_list_folder("")).error.is_invalid_access_token()


def test_the_downloader_goes_on_after_a_cut_and_notices_another_byte(twins: Twins, connect: Connect, tmp_path: Path) -> None:
    from dropbox import file_transfer

    dropbox = connect()
    made = dropbox.files_upload(CLIP, "/clip.mp4")
    options = file_transfer.DownloadOptions(parallel_downloads=1)

    def download(name: str) -> bytes:
        file_transfer.Downloader(dropbox).download(made.id, file_transfer.File(str(tmp_path / name)), options)
        return (tmp_path / name).read_bytes()

    twins.fault("dropbox", "cut", match="download")
    assert download("cut") == CLIP
    assert twins.seen("dropbox")[-1]["headers"]["range"] > "bytes=1"
    twins.fault("dropbox", "corrupt", match="download", times=10)
    with pytest.raises(file_transfer.TransferError):
        download("corrupt")


def test_a_request_that_the_sdk_types_forbid_is_refused(twins: Twins, connect: Connect) -> None:
    import requests

    connect()
    token = twins.grant("dropbox", "a@example.com", [])["access_token"]
    for body in ('{"path": 5}', '{"path": "", "colour": "red"}', '{"path": "no slash"}', "{"):
        answer = requests.post(
            "https://api.dropboxapi.com/2/files/list_folder",
            data=body,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=10,
        )
        assert (answer.status_code, "files/list_folder" in answer.text) == (400, True), answer.text


def test_what_was_told_outlives_a_kill(twins: Twins, connect: Connect) -> None:
    dropbox = connect()
    made = dropbox.files_upload(CLIP, "/clip.mp4")
    cursor = dropbox.files_list_folder("").cursor
    session_id = dropbox.files_upload_session_start(b"first").session_id
    twins.fault("dropbox", "rate_limit", match="get_metadata")
    twins.kill()
    twins.start()
    from dropbox import files
    from dropbox.exceptions import RateLimitError

    with pytest.raises(RateLimitError):
        dropbox.files_get_metadata("/clip.mp4")
    cursor_of_session = files.UploadSessionCursor(session_id, 5)
    dropbox.files_upload_session_finish(b" second", cursor_of_session, files.CommitInfo("/two.mp4"))
    assert [entry.name for entry in dropbox.files_list_folder_continue(cursor).entries] == ["two.mp4"]
    assert dropbox.files_download(made.id)[1].content == CLIP
