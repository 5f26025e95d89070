"""A short run of `benchmarks/api_fuzz.py`: whatever is sent, along links too, the API answers as its description says."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from benchmarks.api_fuzz import SLOW, ask, read_reports
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
    found = read_reports([ask(url, key, tmp_path, seed=1, examples=1, phases="fuzzing", but=SLOW)])
    linked = read_reports([ask(url, key, tmp_path, seed=1, examples=1, phases="stateful", only="^/v1/jobs", seconds=8)])
    assert (found["failures"], linked["failures"]) == ({}, {})
    assert found["cases"] > 200
    assert linked["links_followed"] > 10


def test_a_job_that_links_lead_from_its_post_over_a_reading_to_its_cancelling_is_counted_once(tmp_path: Path):
    steps = [
        _case("posted", "POST /v1/jobs", 202),
        _case("read", "GET /v1/jobs/{job_id}", 200, after="posted"),
        _case("cancelled", "POST /v1/jobs/{job_id}/cancel", 202, after="read"),
        _case("cancelled again", "POST /v1/jobs/{job_id}/cancel", 202, after="read"),
        _case("cancelled unread", "POST /v1/jobs/{job_id}/cancel", 202, after="posted"),
    ]
    found = read_reports([_report(tmp_path, steps)])
    assert (found["jobs_cancelled"], found["jobs_posted_read_and_cancelled"]) == (3, 1)


@pytest.mark.parametrize(("status", "led"), [(404, "read"), (200, "posted")], ids=["read in vain", "cancelled unread"])
def test_a_job_that_was_not_read_on_the_way_is_not_counted(tmp_path: Path, status: int, led: str):
    steps = [
        _case("posted", "POST /v1/jobs", 202),
        _case("read", "GET /v1/jobs/{job_id}", status, after="posted"),
        _case("cancelled", "POST /v1/jobs/{job_id}/cancel", 202, after=led),
    ]
    assert read_reports([_report(tmp_path, steps)])["jobs_posted_read_and_cancelled"] == 0


def test_only_the_answers_that_a_description_cannot_foretell_are_not_held_against_the_run(tmp_path: Path):
    steps = [
        _case("known", "POST /v1/jobs", 422, said="this Idempotency-Key was sent with another body before"),
        _case("new", "POST /v1/jobs", 422, said="the pipeline was not understood"),
    ]
    found = read_reports([_report(tmp_path, steps, failed="positive_data_acceptance")])
    assert found["unsaid"] == {"POST /v1/jobs": 1}
    assert found["failures"] == {"positive_data_acceptance": {"POST /v1/jobs": 1}}


def _case(name: str, operation: str, status: int, *, after: str | None = None, said: str = "") -> dict[str, Any]:
    """One request as schemathesis reports it."""
    method, path = operation.split()
    case = {"value": {"method": method, "path": path}, "is_transition_applied": after is not None}
    content = {"$base64": b64encode(said.encode()).decode()}
    return {
        "name": name,
        "case": case | ({"parent_id": after} if after else {}),
        "interaction": {"response": {"status_code": status, "content": content}},
    }


def _report(folder: Path, steps: list[dict[str, Any]], *, failed: str | None = None) -> Path:
    recorder = {
        "cases": {step["name"]: step["case"] for step in steps},
        "interactions": {step["name"]: step["interaction"] for step in steps},
        "checks": {step["name"]: [{"name": failed, "status": "failure"}] for step in steps if failed},
    }
    report = folder / "events.ndjson"
    report.write_text(json.dumps({"ScenarioFinished": {"recorder": recorder}}) + "\n")
    return report


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
