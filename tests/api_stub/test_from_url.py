import pytest
from fastapi.testclient import TestClient

from db import videos
from db.engine import Database
from tests.api_stub.conftest import is_problem


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/talks/A%20talk.mp4?x=1", "A talk.mp4"),
        ("https://www.youtube.com/watch?v=abc", "watch"),
        ("https://example.com/", "example.com"),
        ("https://example.com/..", "example.com"),
        ("https://example.com/a%0ab%5c", "ab"),
    ],
)
def test_a_url_becomes_a_request_a_video_and_a_job(client: TestClient, database: Database, owner: str, url: str, name: str):
    answer = client.post("/v1/videos/from-url", json={"url": url})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    with database.tenant(owner) as session:
        request = videos.get_request(session, answer.json()["request_id"])
    assert (request["provider"], request["source_path"], request["source_file_name"]) == ("url", url, name)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/a.mp4", "file:///etc/passwd", "http://[::ffff:10.0.0.1]/", "https://a:b@example.com/", "x"]
)
def test_one_that_leads_elsewhere_is_refused_at_once(client: TestClient, url: str):
    is_problem(client.post("/v1/videos/from-url", json={"url": url}), 422)


def test_the_same_url_again_is_a_conflict_but_for_the_same_request(client: TestClient):
    body = {"url": "https://example.com/a.mp4"}
    first = client.post("/v1/videos/from-url", json=body, headers={"Idempotency-Key": "k"})
    again = client.post("/v1/videos/from-url", json=body, headers={"Idempotency-Key": "k"})
    assert again.json() == first.json()
    is_problem(client.post("/v1/videos/from-url", json=body), 409)
