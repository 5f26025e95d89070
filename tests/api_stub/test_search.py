from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from core.settings import Settings, settings
from db import passages, videos
from db.engine import Database
from pipelines.finding import find
from pipelines.search_index import PIPELINE, SearchIndex
from testkit import Worker
from tests.api_stub.conftest import bearer
from twins.running import Twins

BREAD = "We bake the sourdough at night. The dough needs twelve hours of rest before it may go into the oven."
TAXES = "Taxes are due in April. Keep every receipt of the bakery in one folder."


def add(database: Database, owner: str, name: str, said: str) -> int:
    with database.tenant(owner) as session:
        made = videos.insert_request(session, videos.Source("sample", name, name), user_id=owner)
        assert made
        cues = [
            {"startMs": 10_000 * number, "endMs": 10_000 * number + 5000, "text": sentence}
            for number, sentence in enumerate(said.split(". "))
        ]
        videos.update_video(session, made[0], captions=cues, duration_ms=60_000)
        return made[0]


@pytest.fixture
def library(database: Database, owner: str, worker: Worker) -> tuple[int, int]:
    both = add(database, owner, "bread.mp4", BREAD), add(database, owner, "taxes.mp4", TAXES)
    worker.perform(PIPELINE, SearchIndex())
    return both


@pytest.fixture
def with_model(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    config = Settings(openai_api_key="key", embedding_model="text-embedding-3-small", _env_file=None)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setenv("EMBEDDING_MODEL", "text-embedding-3-small")
    settings.cache_clear()
    yield config
    settings.cache_clear()


def search(client: TestClient, query: str, **more: object) -> dict:
    answer = client.post("/api/search", json={"query": query, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_stems_are_found_with_times_relevance_and_reasons(client: TestClient, library: tuple[int, int]):
    found = search(client, "resting doughs")
    (one,) = found["results"]
    assert (one["videoId"], one["videoTitle"], found["totalFound"], found["message"]) == (library[0], "bread", 1, None)
    (segment,) = one["relevantSegments"]
    assert segment["startTime"] == 10
    assert 10 < segment["endTime"] <= 15
    assert "dough, rest" in segment["reason"]
    assert "twelve hours" in segment["reason"]
    assert one["relevanceScore"] == 90


def test_more_of_the_words_is_more_relevant_and_too_little_is_not_shown(client: TestClient, library: tuple[int, int]):
    found = search(client, "receipts of the bakery")["results"]
    assert [(one["videoId"], one["relevanceScore"]) for one in found] == [(library[1], 100)]
    assert search(client, "receipt xylophone saxophone trombone violin")["results"] == []  # 18 of 100
    both = search(client, "oven or folder")["results"]
    assert {one["videoId"] for one in both} == set(library)
    assert len(search(client, "oven or folder", limit=1)["results"]) == 1


def test_any_words_can_be_asked_for(client: TestClient, library: tuple[int, int]):
    for query in ("the of and", "'); DROP TABLE videos; --", "a & | ! ( ' \\ : *", "xylophone <-> \u1e9e"):
        assert search(client, query)["results"] == []


def test_a_search_is_kept_for_its_user(client: TestClient, stranger: TestClient, library: tuple[int, int], bela: str):
    search(client, "sourdough")
    search(client, "nothing of this")
    kept = client.get("/api/search/history").json()
    assert [(one["query"], one["totalFound"]) for one in kept] == [("nothing of this", 0), ("sourdough", 1)]
    assert kept[1]["results"][0]["relevantSegments"][0]["startTime"] == 0
    stranger.cookies.clear()
    assert stranger.get("/api/search/history", headers=bearer(bela)).json() == []


def test_nobody_finds_what_another_said(database: Database, stranger: TestClient, library: tuple[int, int], bela: str):
    answer = stranger.post("/api/search", json={"query": "sourdough"}, headers=bearer(bela)).json()
    assert (answer["results"], answer["message"]) == ([], "Nothing was found.")
    with database.tenant("bela") as session:
        assert session.scalar(text("SELECT count(*) FROM video_passages")) == 0


def test_videos_that_were_there_before_become_findable_by_themselves(
    client: TestClient, database: Database, owner: str, worker: Worker
):
    add(database, owner, "bread.mp4", BREAD)
    assert "made ready for search" in search(client, "sourdough")["message"]
    search(client, "sourdough")  # asks for the same job
    worker.drain()
    assert len(search(client, "sourdough")["results"]) == 1
    with database.tenant(owner) as session:
        assert passages.list_unindexed(session) == []


def test_by_meaning_where_there_is_a_model(
    with_model: Settings, database: Database, owner: str, worker: Worker, twins: Twins, library: tuple[int, int]
):
    worker.perform(PIPELINE, SearchIndex())
    answer = find(database, with_model, owner, "we the at", limit=10)
    assert [one.video_id for one in answer.found] == [library[0]]
    assert any("is near in meaning" in hit.reason for hit in answer.found[0].hits)
    asked = len(twins.records("openai.requests"))
    worker.perform(PIPELINE, SearchIndex())
    assert len(twins.records("openai.requests")) == asked + 1  # how large its vectors are; no passage is paid for twice


def test_vectors_of_another_model_are_not_compared(
    with_model: Settings, database: Database, owner: str, worker: Worker, library: tuple[int, int]
):
    worker.perform(PIPELINE, SearchIndex())
    with database.tenant(owner) as session:
        session.execute(text("UPDATE video_passages SET embedding = embedding[1:8]"))
        assert passages.search_by_meaning(session, [1.0] * 256, "text-embedding-3-small/256", least=-1, most=9) == []
        session.execute(text("UPDATE video_passages SET embedded_by = 'older/8'"))
        assert passages.search_by_meaning(session, [1.0] * 8, "text-embedding-3-small/8", least=-1, most=9) == []
        assert len(passages.list_unplaced(session, "text-embedding-3-small/256", limit=9)) == 4


@pytest.mark.parametrize("fault", ["unavailable", "html", "expired_token", "quota"])
def test_a_model_that_does_not_answer_leaves_the_words(
    with_model: Settings, database: Database, owner: str, twins: Twins, library: tuple[int, int], fault: str
):
    twins.fault("openai", fault)
    answer = find(database, with_model, owner, "sourdough", limit=10)
    assert [one.video_id for one in answer.found] == [library[0]]
    assert "by words only" in str(answer.note)
