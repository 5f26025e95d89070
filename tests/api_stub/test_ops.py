import pytest
from fastapi.testclient import TestClient

from tests.api_stub.conftest import bearer, is_problem

LIMIT = {"kind": "owner", "name": "*", "most": 2}
PAUSE = {"kind": "queue", "name": "io", "reason": "the disk is being changed"}


def test_an_operator_pauses_and_resumes(client: TestClient):
    [paused] = client.put("/ops/pauses", json=PAUSE).json()["items"]
    assert (paused["kind"], paused["name"], paused["drain"], paused["reason"]) == ("queue", "io", False, PAUSE["reason"])
    assert [queue["name"] for queue in client.get("/ops/queues").json()["items"] if queue["paused_at"]] == ["io"]
    assert client.delete("/ops/pauses/queue/io").status_code == 204
    assert client.get("/ops/pauses").json() == {"items": []}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/ops/queues", None),
        ("GET", "/ops/pauses", None),
        ("PUT", "/ops/pauses", PAUSE),
        ("DELETE", "/ops/pauses/queue/io", None),
        ("GET", "/ops/limits", None),
        ("GET", "/ops/jobs/01a20e8d-b780-73b8-81ad-23fd5fd2ebf0/evidence", None),
        ("GET", "/ops/retention", None),
        ("PUT", "/ops/limits", LIMIT),
        ("PUT", "/ops/weights/bela", {"weight": 2}),
    ],
)
def test_others_may_not(stranger: TestClient, bela: str, method: str, path: str, body: dict | None):
    assert is_problem(stranger.request(method, path, json=body, headers=bearer(bela)), 403)
    assert is_problem(stranger.request(method, path, json=body), 401)


@pytest.mark.parametrize("change", [{"kind": "worker"}, {"name": ""}, {"name": "oi"}, {"until": "tomorrow"}])
def test_what_cannot_be_paused_is_refused(client: TestClient, change: dict):
    assert is_problem(client.put("/ops/pauses", json=PAUSE | change), 422)


def test_what_is_not_paused_is_not_found(client: TestClient):
    assert is_problem(client.delete("/ops/pauses/queue/io"), 404)


def test_the_page_has_the_buttons_for_an_operator_only(client: TestClient, bela: str):
    assert 'aria-label="Pause io"' in client.get("/").text
    assert client.post("/queues/io", data={"action": "pause"}, follow_redirects=False).status_code == 303
    assert 'aria-label="Resume io"' in client.get("/").text
    client.cookies.clear()
    assert "Resume" not in client.get("/", headers=bearer(bela)).text
    assert is_problem(client.post("/queues/io", data={"action": "resume"}, headers=bearer(bela)), 403)


def test_a_request_sent_again_with_its_key_is_answered_as_before(client: TestClient):
    body, headers = {"pipeline": "self_check", "args": {"mebibytes": 1}}, {"Idempotency-Key": "a"}
    first, second = (client.post("/v1/jobs", json=body, headers=headers) for _ in range(2))
    assert (second.status_code, second.json(), second.headers["location"]) == (202, first.json(), first.headers["location"])
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(client.get("/v1/jobs").json()["items"]) == 1


def test_a_key_with_another_body_is_refused(client: TestClient):
    headers = {"Idempotency-Key": "a"}
    client.post("/v1/jobs", json={"pipeline": "self_check"}, headers=headers)
    answer = client.post("/v1/jobs", json={"pipeline": "self_check", "args": {"mebibytes": 2}}, headers=headers)
    assert is_problem(answer, 422, "another body")


def test_a_key_of_a_request_that_failed_is_free(client: TestClient):
    headers = {"Idempotency-Key": "a"}
    assert is_problem(client.post("/v1/jobs", json={"pipeline": "self_check", "args": {"mebibytes": 0}}, headers=headers), 422)
    assert client.post("/v1/jobs", json={"pipeline": "self_check"}, headers=headers).status_code == 202


def test_a_key_is_its_senders_own(client: TestClient, bela: str):
    body, headers = {"pipeline": "self_check"}, {"Idempotency-Key": "a"}
    mine = client.post("/v1/jobs", json=body, headers=headers).json()["id"]
    assert client.post("/v1/jobs", json=body, headers=headers | bearer(bela)).json()["id"] != mine


@pytest.mark.parametrize("priority", [-1, 4, "high"])
def test_a_priority_is_0_to_3(client: TestClient, priority: object):
    assert is_problem(client.post("/v1/jobs", json={"pipeline": "self_check", "priority": priority}), 422)


def test_an_operator_sets_limits_and_weights(client: TestClient, bela: str):
    assert client.put("/ops/limits", json=LIMIT).json() == {"items": [LIMIT]}
    assert client.put("/ops/weights/bela", json={"weight": 2}).json() == {"weights": {"bela": 2.0}}
    assert client.get("/ops/limits").json() == {"items": [LIMIT], "weights": {"bela": 2.0}}
    assert client.put("/ops/limits", json=LIMIT | {"most": None}).json() == {"items": []}


@pytest.mark.parametrize(
    ("who", "weight", "status"), [("bela", 0.009, 422), ("bela", 101, 422), ("bela", "heavy", 422), ("nobody", 1, 404)]
)
def test_a_weight_that_cannot_be_is_refused(client: TestClient, bela: str, who: str, weight: object, status: int):
    assert is_problem(client.put(f"/ops/weights/{who}", json={"weight": weight}), status)


def test_an_operator_sees_how_attempts_of_a_job_ended(client: TestClient):
    job_id = client.post("/v1/jobs", json={"pipeline": "self_check"}).json()["id"]
    assert client.get(f"/ops/jobs/{job_id}/evidence").json() == {"items": []}
    assert is_problem(client.get("/ops/jobs/01a20e8d-b780-73b8-81ad-23fd5fd2ebf0/evidence"), 404)
