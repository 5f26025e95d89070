import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from api_stub import door
from api_stub.app import create_app
from core.rates import Quota, Rates
from core.settings import Settings
from core.storage import FolderStorage
from db import api_keys
from db.engine import Database
from tests.api_stub.conftest import Served, bearer, is_problem, send_raw

CONVERSATIONS = "/v1/conversations"


@pytest.fixture
def key(database: Database) -> str:
    """Of a user whom no other test counts."""
    return new_key(database, f"user-{uuid4().hex}")


def new_key(database: Database, user: str) -> str:
    with database.jobs() as session:
        session.execute(text("INSERT INTO users (id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": user})
        return api_keys.insert_api_key(session, user_id=user, name=f"door {uuid4().hex}")


@pytest.fixture
def open_door(database: Database, storage: FolderStorage, redis_url: str) -> Callable:
    @contextmanager
    def opened(**limits: object) -> Iterator[TestClient]:
        settings = Settings(local_mode=False, redis_url=SecretStr(redis_url), watch_owner="", _env_file=None, **limits)
        address = (f"10.{uuid4().bytes[0]}.{uuid4().bytes[0]}.{uuid4().bytes[0]}", 1)
        app = create_app(database, storage, settings)
        with TestClient(app, base_url="https://jobs.example.com", client=address) as client:
            yield client

    return opened


def test_a_user_who_asks_too_often_is_told_when_to_come_again(open_door: Callable, database: Database, key: str):
    with open_door(requests_per_minute=3) as client:
        told = [client.get(CONVERSATIONS, headers=bearer(key)) for _ in range(4)]
        assert [answer.status_code for answer in told] == [200, 200, 200, 429]
        assert told[0].headers["ratelimit-policy"] == '"user";q=3;w=60'
        assert told[0].headers["ratelimit"] == '"user";r=2;t=20'
        assert is_problem(told[3], 429, "try again in")
        assert 1 <= int(told[3].headers["retry-after"]) <= 20
        assert '"user";r=0' in told[3].headers["ratelimit"]
        assert client.get(CONVERSATIONS, headers=bearer(new_key(database, "another"))).status_code == 200


def test_a_second_key_of_the_same_user_is_no_second_quota(open_door: Callable, database: Database):
    user = f"user-{uuid4().hex}"
    with open_door(requests_per_minute=2) as client:
        answers = [client.get(CONVERSATIONS, headers=bearer(new_key(database, user))).status_code for _ in range(3)]
    assert answers == [200, 200, 429]


def test_writes_have_a_quota_of_their_own_and_one_refused_takes_from_none(open_door: Callable, key: str):
    with open_door(writes_per_minute=1, requests_per_minute=10) as client:
        answers = [client.post(CONVERSATIONS, json={"title": "Hello"}, headers=bearer(key)) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [201, 429, 429, 429, 429]
        left = client.get(CONVERSATIONS, headers=bearer(key)).headers["ratelimit"]
    assert left.startswith('"user";r=8')


def test_guessing_keys_uses_an_address_up(open_door: Callable, key: str):
    with open_door(address_requests_per_minute=120) as client:
        guesses = [client.get(CONVERSATIONS, headers=bearer(f"ask_{n}")).status_code for n in range(5)]
        assert guesses[0] == 401
        assert guesses[-1] == 429
        assert client.get(CONVERSATIONS, headers=bearer(key)).status_code == 429
        assert client.get("/livez").status_code == 200
        page = client.get("/", headers={"accept": "text/html"})
        assert (page.status_code, "<h1>Too Many Requests</h1>" in page.text) == (429, True)


def test_many_at_once_get_no_more_than_the_quota(redis_url: str):
    rates, quota, whose = Rates(redis_url), Quota("test", 50, 3600), uuid4().hex
    let_in: list[int] = []

    def ask() -> None:
        let_in.extend(1 for _ in range(20) if rates.take({quota: whose})[0].wait_seconds == 0)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rates.close()
    assert len(let_in) == 50


def test_while_redis_is_away_nobody_is_counted_and_nobody_waits(database: Database, storage: FolderStorage, key: str):
    settings = Settings(
        local_mode=False, redis_url=SecretStr("redis://127.0.0.1:1/0"), requests_per_minute=1, watch_owner="", _env_file=None
    )
    with TestClient(create_app(database, storage, settings), base_url="https://jobs.example.com") as client:
        answers = [client.get(CONVERSATIONS, headers=bearer(key)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "ratelimit" not in answers[0].headers


def test_in_local_mode_nobody_is_counted(client: TestClient):
    assert "ratelimit" not in client.get(CONVERSATIONS).headers


@pytest.mark.parametrize("length", [door.BODY_BYTES + 1, 2**40])
def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(served: Served, length: int):
    head = f"POST {CONVERSATIONS} HTTP/1.1\nContent-Type: application/json\nContent-Length: {length}"
    with send_raw(served, head) as connection:
        assert connection.recv(64).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_say_is_refused_where_it_grows_too_large(served: Served):
    head = f"POST {CONVERSATIONS} HTTP/1.1\nContent-Type: application/json\nTransfer-Encoding: chunked"
    with send_raw(served, head, 17 * (b"10000\r\n" + bytes(65536) + b"\r\n")) as connection:
        assert connection.recv(64).startswith(b"HTTP/1.1 413 ")
    assert served.client.get(CONVERSATIONS).status_code == 200


@pytest.mark.parametrize(("path", "status"), [(CONVERSATIONS, 422), ("/api/ingest-requests", 400)])
@pytest.mark.parametrize("depth", [65, 100_000])
def test_a_body_that_is_too_deep_is_refused(client: TestClient, path: str, status: int, depth: int):
    body = b"[" * depth + b"]" * depth
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert is_problem(answer, status, "deeper than 64")


def test_brackets_in_words_are_words(client: TestClient):
    title = "[" * 200 + '"' + "{" * 200
    assert client.post(CONVERSATIONS, json={"title": title}).json()["title"] == title


def nested(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((nested(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((nested(item) for item in value), default=0)
    return 0


@given(
    st.recursive(
        st.text(alphabet='[]{}"\\a') | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text('{["'), inner)
    )
)
def test_the_depth_of_a_document_is_told_without_reading_it(document: object):
    assert door.depth(json.dumps(document).encode()) == nested(document)


def test_a_statement_of_a_request_that_takes_too_long_is_given_up(database_url: str):
    with Database(database_url, statement_seconds=0.05) as hurried:
        with hurried.tenant("anna") as session, pytest.raises(OperationalError, match="statement timeout"):
            session.execute(text("SELECT pg_sleep(5)"))
        with hurried.engine.connect() as connection:
            assert connection.scalar(text("SHOW statement_timeout")) == "0"  # it ended with the transaction


def test_a_request_that_takes_too_long_is_answered_with_when_to_come_again(
    database_url: str, database: Database, storage: FolderStorage, config: Settings, key: str
):
    with database.engine.begin() as locker, Database(database_url, statement_seconds=0.05) as hurried:
        locker.execute(text("LOCK TABLE conversations"))
        with TestClient(create_app(hurried, storage, config), base_url="http://127.0.0.1:8000") as client:
            answer = client.get(CONVERSATIONS, headers=bearer(key))
    assert is_problem(answer, 503, "longer than a request may")
    assert answer.headers["retry-after"] == "2"
