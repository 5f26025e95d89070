from fastapi.testclient import TestClient

from tests.api_stub.conftest import bearer, is_problem

BATCH = {"pipeline": "self_check", "args": [{"mebibytes": 1}, {"mebibytes": 2}]}


def test_a_batch_is_asked_for_and_watched_as_one(client: TestClient):
    made = client.post("/v1/batches", json=BATCH)
    assert made.status_code == 202
    seen = client.get(made.headers["location"]).json()
    assert (seen["id"], seen["status"], seen["jobs"], seen["finished_at"]) == (
        made.json()["id"],
        "running",
        {"queued": 2},
        None,
    )
    client.post("/v1/jobs", json={"pipeline": "self_check"})
    assert len(client.get(f"/v1/jobs?batch={seen['id']}").json()["items"]) == 2


def test_one_job_that_cannot_be_leaves_none_behind(client: TestClient):
    answer = client.post("/v1/batches", json=BATCH | {"args": [{"mebibytes": 1}, {"mebibytes": 0}]})
    assert is_problem(answer, 422, "job 2 of 2: arguments of self_check: mebibytes")
    assert client.get("/v1/jobs").json()["items"] == []


def test_a_hook_that_cannot_be_is_refused_at_once(client: TestClient):
    assert is_problem(client.post("/v1/batches", json=BATCH | {"then": {"pipeline": "gone"}}), 404, "gone")
    assert is_problem(
        client.post("/v1/batches", json=BATCH | {"then": {"pipeline": "self_check", "args": {"no": 1}}}), 422, "no"
    )


def test_an_empty_batch_and_one_that_is_too_long_are_refused(client: TestClient):
    assert is_problem(client.post("/v1/batches", json=BATCH | {"args": []}), 422)
    assert is_problem(client.post("/v1/batches", json=BATCH | {"args": [{}] * 1001}), 422)


def test_cancelling_a_batch_is_followed_by_its_hook(client: TestClient):
    url = client.post("/v1/batches", json=BATCH | {"then": {"pipeline": "self_check"}}).headers["location"]
    cancelled = client.post(f"{url}/cancel")
    assert cancelled.status_code == 202
    assert (cancelled.json()["status"], cancelled.json()["jobs"]) == ("cancelled", {"cancelled": 2})
    assert client.get(f"/v1/jobs/{cancelled.json()['hook_job_id']}").json()["status"] == "queued"
    assert is_problem(client.post(f"{url}/cancel"), 409, "ended already")


def test_a_batch_sent_again_with_its_key_is_made_once(client: TestClient):
    first, second = (client.post("/v1/batches", json=BATCH, headers={"Idempotency-Key": "a"}) for _ in range(2))
    assert second.json() == first.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(client.get("/v1/jobs").json()["items"]) == 2


def test_another_users_batch_is_not_there(client: TestClient, bela: str):
    url = client.post("/v1/batches", json=BATCH).headers["location"]
    assert is_problem(client.get(url, headers=bearer(bela)), 404)
    assert is_problem(client.post(f"{url}/cancel", headers=bearer(bela)), 404)
    assert client.get(url).json()["status"] == "running"
