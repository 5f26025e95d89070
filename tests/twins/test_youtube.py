import random
from typing import Any

import pytest

from tests.twins.google import service
from twins.running import Twins

CLIP = random.Random(7).randbytes(600_000)
SCOPES = ["https://www.googleapis.com/auth/youtube"]


def youtube(twins: Twins) -> Any:
    return service(twins, "youtube", "v3", SCOPES)


def insert(client: Any, *, title: str = "Talk", privacy: str = "private", **status: Any) -> Any:
    from googleapiclient.http import MediaInMemoryUpload

    return client.videos().insert(
        part="snippet,status",
        body={"snippet": {"title": title}, "status": {"privacyStatus": privacy, **status}},
        media_body=MediaInMemoryUpload(CLIP, "video/mp4", chunksize=256 << 10, resumable=True),
    )


def reason(call: Any) -> tuple[int, str]:
    from googleapiclient.errors import HttpError

    with pytest.raises(HttpError) as raised:
        call.execute()
    return raised.value.status_code, raised.value.error_details[0]["reason"]


def test_an_upload_is_processed_updated_and_found(twins: Twins) -> None:
    client = youtube(twins)
    made = insert(client).execute()
    assert set(made) == {"kind", "id", "etag", "snippet", "status"}
    assert (made["status"]["privacyStatus"], made["status"]["uploadStatus"]) == ("private", "uploaded")
    first = client.videos().list(part="status", id=made["id"]).execute()["items"][0]
    assert first["status"]["uploadStatus"] == "uploaded"
    read = client.videos().list(part="status,processingDetails", id=made["id"]).execute()["items"][0]
    assert (read["status"]["uploadStatus"], read["processingDetails"]["processingStatus"]) == ("processed", "succeeded")
    body = {"id": made["id"], "snippet": {"title": "Better", "categoryId": "22"}, "status": {"privacyStatus": "public"}}
    client.videos().update(part="snippet,status", body=body).execute()
    uploads = client.channels().list(part="contentDetails", mine=True).execute()["items"][0]
    playlist = uploads["contentDetails"]["relatedPlaylists"]["uploads"]
    items = client.playlistItems().list(part="snippet", playlistId=playlist).execute()["items"]
    assert [(item["snippet"]["resourceId"]["videoId"], item["snippet"]["title"]) for item in items] == [(made["id"], "Better")]
    found = youtube(twins).search().list(part="snippet", q="better", channelId=uploads["id"], type="video").execute()["items"]
    assert [item["id"]["videoId"] for item in found] == [made["id"]]
    client.videos().delete(id=made["id"]).execute()
    assert client.videos().list(part="id", id=made["id"]).execute()["items"] == []


def test_a_private_video_is_seen_by_its_owner_alone(twins: Twins) -> None:
    made = insert(youtube(twins)).execute()
    other = youtube(twins)
    assert other.videos().list(part="id", id=made["id"]).execute()["items"] == []
    body = {"id": made["id"], "status": {"privacyStatus": "public"}}
    assert reason(other.videos().update(part="status", body=body)) == (403, "forbidden")


def test_a_session_outlives_a_kill_and_answers_the_same_video_again(twins: Twins) -> None:
    client = youtube(twins)
    first = insert(client)
    first.next_chunk()
    twins.kill()
    twins.start()
    resumed = insert(client)
    resumed.resumable_uri, resumed._in_error_state = first.resumable_uri, True
    made = None
    while made is None:
        _, made = resumed.next_chunk()
    again = insert(client)
    again.resumable_uri, again._in_error_state = first.resumable_uri, True
    assert again.next_chunk()[1]["id"] == made["id"]
    assert len(client.search().list(part="snippet", forMine=True, type="video").execute()["items"]) == 1
    twins.fault("youtube", "lost_session", match="PUT")
    again._in_error_state = True
    assert reason_of(again.next_chunk) == 404


def reason_of(call: Any) -> int:
    from googleapiclient.errors import HttpError

    with pytest.raises(HttpError) as raised:
        call()
    status: int = raised.value.status_code
    return status


def test_what_the_service_refuses_is_refused(twins: Twins) -> None:
    client = youtube(twins)
    assert reason(insert(client, title="a < b")) == (400, "invalidTitle")
    assert reason(insert(client, title="x" * 101)) == (400, "invalidTitle")
    assert reason(insert(client, privacy="secret"))[0] == 400
    assert reason(insert(client, privacy="public", publishAt="2027-01-01T00:00:00Z")) == (400, "invalidPublishAt")
    assert reason(service(twins, "youtube", "v3", ["https://www.googleapis.com/auth/drive"]).videos().list(part="id"))[0] == 403


def test_a_spent_quota_refuses_until_the_day_is_over(twins: Twins) -> None:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    client = youtube(twins)
    twins.put("youtube.quota", f"{datetime.now(ZoneInfo('America/Los_Angeles')):%Y-%m-%d} search", {"used": 99})
    search = client.search().list(part="snippet", q="x")
    search.execute()
    assert reason(search) == (403, "quotaExceeded")
    client.videos().list(part="id", id="x").execute()  # another bucket
    twins.forget("youtube.quota")
    twins.fault("youtube", "upload_limit")
    assert reason(insert(client)) == (400, "uploadLimitExceeded")
