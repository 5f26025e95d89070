"""A short run of `benchmarks/api_fuzz.py`: whatever is sent, along links too, the API answers as its description says."""

from pathlib import Path

import pytest

from benchmarks.api_fuzz import SLOW, fuzz
from db import api_keys
from db.engine import Database
from tests.api_stub.conftest import Served


@pytest.mark.timeout(240)
def test_nothing_that_is_sent_brings_the_api_to_an_answer_that_it_does_not_declare(
    served: Served, database: Database, owner: str, tmp_path: Path
):
    with database.jobs() as session:
        key = api_keys.insert_api_key(session, user_id=owner, name="fuzz")
    url = f"http://127.0.0.1:{served.port}"
    found = fuzz(url, key, tmp_path, seed=1, examples=1, phases="fuzzing", but=SLOW)
    linked = fuzz(url, key, tmp_path, seed=1, examples=1, phases="stateful", seconds=5, but=SLOW)
    assert (found["failures"], linked["failures"]) == ({}, {})
    assert found["cases"] > 200
    assert linked["cases"] > 10


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/conversations/1", "DELETE, GET, PATCH"),
        ("DELETE", "/v1/connections/google_drive/start", "POST"),
        ("DELETE", "/v1/competitors/changes", "GET"),
        ("GET", "/v1/videos/from-url", "POST"),
        ("POST", "/files/019a0000-0000-7000-8000-000000000000", "DELETE, HEAD, OPTIONS, PATCH"),
    ],
)
def test_a_refused_method_is_told_all_that_the_path_knows(served: Served, method: str, path: str, allowed: str):
    answer = served.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


def test_bodies_of_which_the_product_knows_the_fields_are_described_closed(served: Served):
    described = served.client.get("/openapi.json").json()
    body = described["paths"]["/api/videos/{video_id}"]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]
    assert body["additionalProperties"] is False
    assert described["components"]["schemas"]["self_check.args"]["additionalProperties"] is False
