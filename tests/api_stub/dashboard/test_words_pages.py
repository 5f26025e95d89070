from fastapi.testclient import TestClient

from db.engine import Database
from pipelines.search_index import PIPELINE, SearchIndex
from testkit import Worker
from tests.api_stub.conftest import bearer
from tests.api_stub.test_search import BREAD, add


def test_what_was_said_is_found_with_links_to_its_moments(client: TestClient, database: Database, owner: str, worker: Worker):
    video_id = add(database, owner, "<b>bread</b>.mp4", BREAD)
    worker.perform(PIPELINE, SearchIndex())
    page = client.get("/search", params={"query": "resting dough"}).text
    assert f'href="/media/videos/{video_id}/mp4#t=10.0"' in page
    assert "&lt;b&gt;bread&lt;/b&gt;" in page
    assert "90 of 100" in page
    assert "resting dough</a>" in client.get("/search").text  # it was looked for before
    assert "Nothing was found." in client.get("/search", params={"query": "xylophone"}).text


def test_the_coach_is_asked_and_read_without_a_script(client: TestClient, worker: Worker):
    sent = client.post("/coach", data={"section": "swot", "message": "<i>Where</i> do I begin?"})
    assert (sent.status_code, "The coach is writing" in sent.text) == (200, True)
    assert 'data-seconds="1"' in sent.text
    worker.drain()
    page = client.get(sent.url).text
    assert "&lt;i&gt;Where&lt;/i&gt;" in page
    assert "No language model is set up" in page
    assert "The coach is writing" not in page
    again = client.post(
        "/coach", data={"section": "swot", "message": "And then?", "conversation_id": sent.url.path.split("/")[-1]}
    )
    assert again.url.path == sent.url.path
    assert "Where" in client.get("/coach").text


def test_the_pages_are_for_who_may(stranger: TestClient, bela: str):
    assert stranger.get("/search", headers=bearer(bela)).status_code == 200
    assert stranger.get("/coach", headers=bearer(bela)).status_code == 403
    sent = stranger.post("/coach", data={"section": "swot", "message": "x"}, headers=bearer(bela))
    assert sent.status_code == 403
