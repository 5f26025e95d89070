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


def test_a_refused_method_is_told_all_that_the_path_knows(served: Served):
    answer = served.client.put("/v1/conversations/1")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, PATCH"
