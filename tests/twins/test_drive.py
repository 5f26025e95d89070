import contextlib
import hashlib
import http.client
import io
import random
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import wait_until
from tests.twins.google import download, drive, upload
from tests.twins.receiver import receiving
from twins.running import Twins

CLIP = random.Random(5).randbytes(700_000)


def refusal(call: Any) -> tuple[int, str, dict[str, str]]:
    from googleapiclient.errors import HttpError

    with pytest.raises(HttpError) as raised:
        call.execute()
    return raised.value.status_code, raised.value.error_details[0]["reason"], raised.value.resp


def test_what_is_uploaded_in_pieces_is_read_back_in_pieces(twins: Twins) -> None:
    service = drive(twins)
    made = upload(service, "clip.mp4", CLIP)
    assert made["size"] == str(len(CLIP))
    assert made["md5Checksum"] == hashlib.md5(CLIP).hexdigest()
    assert made["sha256Checksum"] == hashlib.sha256(CLIP).hexdigest()
    assert download(service, made["id"], chunk_bytes=100_000) == CLIP
    assert [seen["headers"].get("range") for seen in twins.seen("drive")[-7:]][1] == "bytes=100000-199999"


def test_a_multipart_upload_with_bare_line_ends_is_understood(twins: Twins) -> None:
    from googleapiclient.http import MediaInMemoryUpload

    service = drive(twins)
    content = b"\r\n\r\n--=\n" + CLIP[:1000] + b"\n"
    made = service.files().create(body={"name": "a"}, media_body=MediaInMemoryUpload(content, "video/mp4")).execute()
    assert set(made) == {"kind", "id", "name", "mimeType"}
    assert download(service, made["id"]) == content


def test_an_empty_file_is_downloaded(twins: Twins) -> None:
    service = drive(twins)
    made = service.files().create(body={"name": "empty", "mimeType": "text/plain"}).execute()
    assert download(service, made["id"]) == b""


def test_folders_are_listed_searched_and_paged(twins: Twins) -> None:
    service = drive(twins)
    folder = service.files().create(body={"name": "Videos", "mimeType": "application/vnd.google-apps.folder"}).execute()["id"]
    for number in range(5):
        upload(service, f"talk {number}.mp4", b"x", parent=folder)
    other = upload(service, "Owner's talk.mp4", b"y")
    query = f"'{folder}' in parents and mimeType contains 'video/' and trashed = false"
    request, names, pages = service.files().list(q=query, pageSize=2, orderBy="name desc"), [], 0
    while request is not None:
        page = request.execute()
        names += [file["name"] for file in page["files"]]
        request, pages = service.files().list_next(request, page), pages + 1
    assert (pages, names) == (3, [f"talk {number}.mp4" for number in (4, 3, 2, 1, 0)])
    found = service.files().list(q="name = 'Owner\\'s talk.mp4' and 'root' in parents").execute()["files"]
    assert [file["id"] for file in found] == [other["id"]]
    assert len(service.files().list(q="name contains 'talk' and not name contains 'owner'").execute()["files"]) == 5


def test_a_request_that_the_discovery_document_forbids_is_refused(twins: Twins) -> None:
    from googleapiclient.errors import HttpError

    service = drive(twins)
    for call in (
        service.files().create(body={"titel": "x"}),
        service.files().create(body={"name": 5}),
        service.files().list(q="colour = 'red'"),
        service.files().list(fields="files(id"),
        service.changes().list(pageToken="once"),
    ):
        with pytest.raises(HttpError) as raised:
            call.execute()
        assert raised.value.status_code == 400, raised.value


def test_an_account_sees_only_its_own_files(twins: Twins) -> None:
    made = upload(drive(twins), "mine", b"x")
    assert refusal(drive(twins).files().get(fileId=made["id"]))[:2] == (404, "notFound")


def test_changes_name_each_changed_file_once_at_its_latest(twins: Twins) -> None:
    service = drive(twins)
    kept, gone = upload(service, "kept", b"1")["id"], upload(service, "gone", b"1")["id"]
    start = service.changes().getStartPageToken().execute()["startPageToken"]
    assert service.changes().list(pageToken=start).execute()["changes"] == []
    service.files().update(fileId=kept, body={"name": "renamed"}).execute()
    service.files().update(fileId=kept, body={"name": "renamed again"}).execute()
    service.files().delete(fileId=gone).execute()
    first = service.changes().list(pageToken=start, pageSize=1).execute()
    second = service.changes().list(pageToken=first["nextPageToken"]).execute()
    assert [(first["changes"][0]["fileId"], first["changes"][0]["file"]["name"])] == [(kept, "renamed again")]
    assert [(change["fileId"], change["removed"]) for change in second["changes"]] == [(gone, True)]
    assert service.changes().list(pageToken=second["newStartPageToken"]).execute()["changes"] == []


def test_a_revision_stays_readable_after_the_next_one(twins: Twins) -> None:
    from googleapiclient.http import MediaInMemoryUpload

    service = drive(twins)
    made = upload(service, "clip", b"first")
    service.files().update(fileId=made["id"], media_body=MediaInMemoryUpload(b"second", "video/mp4")).execute()
    assert download(service, made["id"]) == b"second"
    assert service.revisions().get_media(fileId=made["id"], revisionId=made["headRevisionId"]).execute() == b"first"
    assert len(service.revisions().list(fileId=made["id"]).execute()["revisions"]) == 2


def test_a_channel_tells_of_changes_until_it_is_stopped(twins: Twins) -> None:
    service = drive(twins)
    start = service.changes().getStartPageToken().execute()["startPageToken"]
    with receiving() as receiver:
        body = {"id": str(uuid4()), "type": "web_hook", "address": receiver.url, "token": "secret"}
        channel = service.changes().watch(pageToken=start, body=body).execute()
        wait_until(lambda: len(receiver.got) == 1)
        twins.fault("drive", "no_push")
        upload(service, "unheard", b"x")
        upload(service, "heard", b"x")
        wait_until(lambda: len(receiver.got) == 2)
        assert receiver.header("X-Goog-Resource-State") == ["sync", "change"]
        assert receiver.header("X-Goog-Channel-Token") == ["secret"] * 2
        assert receiver.header("X-Goog-Resource-ID") == [channel["resourceId"]] * 2
        stop = {"id": body["id"], "resourceId": channel["resourceId"]}
        assert refusal(service.channels().stop(body={**stop, "resourceId": "another"}))[0] == 404
        service.channels().stop(body=stop).execute()
        assert refusal(service.channels().stop(body=stop))[0] == 404
    assert refusal(service.changes().watch(pageToken=start, body={**body, "address": "http://far.example"}))[0] == 400


def test_an_expired_token_is_refreshed_and_a_revoked_one_is_the_end(twins: Twins) -> None:
    from google.auth.exceptions import RefreshError

    service = drive(twins)
    service.files().list().execute()
    twins.expire_tokens("google")
    service.files().list().execute()
    assert twins.seen()[-2]["request"] == "POST /token"
    twins.expire_tokens("google")
    twins.fault("google_oauth", "revoked")
    with pytest.raises(RefreshError) as raised:
        service.files().list().execute()
    assert (raised.value.args[1]["error"], raised.value.retryable) == ("invalid_grant", False)


def test_too_few_scopes_are_refused(twins: Twins) -> None:
    from tests.twins.google import service

    narrow = service(twins, "drive", "v3", ["https://www.googleapis.com/auth/youtube"])
    assert refusal(narrow.files().list())[:2] == (403, "insufficientPermissions")


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("rate_limit", 429, "rateLimitExceeded"),
        ("user_rate_limit", 403, "userRateLimitExceeded"),
        ("quota", 403, "downloadQuotaExceeded"),
        ("unavailable", 503, "backendError"),
        ("server_error", 500, "internalError"),
        ("reset_cursor", 400, "invalid"),
        ("abusive", 403, "cannotDownloadAbusiveFile"),
        ("forbidden", 403, "insufficientFilePermissions"),
    ],
)
def test_a_fault_is_worded_as_the_service_words_it(twins: Twins, kind: str, status: int, reason: str) -> None:
    service = drive(twins)
    twins.fault("drive", kind, match="GET /drive/v3/files$", retry_after=7)
    code, why, headers = refusal(service.files().list())
    assert (code, why) == (status, reason)
    assert headers.get("retry-after") == ("7" if kind == "rate_limit" else None)
    service.files().list().execute()


def test_a_cut_download_is_noticed_and_goes_on_when_asked_again(twins: Twins) -> None:
    service = drive(twins)
    made = upload(service, "clip", CLIP)
    twins.fault("drive", "cut", match="GET")
    with pytest.raises(http.client.IncompleteRead):
        download(service, made["id"])
    assert download(service, made["id"]) == CLIP


def test_an_ignored_range_answers_everything_and_the_client_appends_it(twins: Twins) -> None:
    from googleapiclient.http import MediaIoBaseDownload

    service = drive(twins)
    made = upload(service, "clip", CLIP)
    twins.fault("drive", "ignore_range", match="GET")
    content = io.BytesIO()
    loader = MediaIoBaseDownload(content, service.files().get_media(fileId=made["id"]), chunksize=500_000)
    loader.next_chunk()
    twins.fault("drive", "ignore_range", match="GET")
    loader.next_chunk()
    assert content.getvalue().endswith(CLIP)
    assert len(content.getvalue()) > len(CLIP)


def test_a_corrupt_download_has_another_hash(twins: Twins) -> None:
    service = drive(twins)
    made = upload(service, "clip", CLIP)
    twins.fault("drive", "corrupt", match="GET")
    got = download(service, made["id"])
    assert len(got) == len(CLIP)
    assert hashlib.md5(got).hexdigest() != made["md5Checksum"]


def test_an_upload_survives_half_a_chunk_a_lost_answer_and_a_kill(twins: Twins) -> None:
    import httplib2
    from googleapiclient.errors import HttpError
    from googleapiclient.http import MediaInMemoryUpload

    service = drive(twins)
    media = MediaInMemoryUpload(CLIP, "video/mp4", chunksize=100_000, resumable=True)
    media.has_stream = lambda: False  # chunks as bytes: the client can send one twice
    request = service.files().create(body={"name": "clip"}, media_body=media, fields="*")
    commanded = ("half", "lost", "dropped", "unavailable", "expired_token")
    for kind in commanded:
        twins.fault("drive", kind, match="PUT")
    made = None
    for turn in range(20):
        try:
            _, made = request.next_chunk()
        except (OSError, HttpError, httplib2.HttpLib2Error, http.client.HTTPException):
            continue
        if made:
            break
        if turn == 4:
            assert [seen["fault"] for seen in twins.seen("drive") if seen["fault"]][-5:] == list(commanded)
            twins.kill()
            twins.start()
    assert made
    assert download(service, made["id"]) == CLIP
    assert len(service.files().list().execute()["files"]) == 1


def test_of_every_four_answers_one_is_bad_and_the_same_seed_draws_the_same(twins: Twins) -> None:
    from googleapiclient.errors import HttpError

    service = drive(twins)

    def faults() -> list[str | None]:
        before = len(twins.seen("drive"))
        while len(twins.seen("drive")) < before + 12:
            with contextlib.suppress(HttpError, OSError, http.client.HTTPException):
                service.files().list().execute()
        return [seen["fault"] for seen in twins.seen("drive")[before : before + 12]]

    twins.level(every=4, seed=3)
    first = faults()
    twins.level(every=4, seed=3)
    assert faults() == first
    assert [sum(fault is not None for fault in first[start : start + 4]) for start in (0, 4, 8)] == [1, 1, 1]
