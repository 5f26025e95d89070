from uuid import uuid4

from fastapi.testclient import TestClient

from tests.api_stub.conftest import is_problem

WEEKLY = {"pipeline": "self_check", "rule": {"kind": "weekly", "weekday": 1, "hour": 9}, "zone": "Europe/Berlin"}


def test_a_schedule_is_made_previewed_paused_resumed_run_and_removed(client: TestClient):
    made = client.post("/v1/schedules", json=WEEKLY)
    assert made.status_code == 201
    at = f"/v1/schedules/{made.json()['id']}"
    coming = client.get(f"{at}/preview?count=3").json()
    assert coming[0]["at"] == made.json()["next_fire_at"]
    assert len(coming) == 3
    assert client.post(f"{at}/pause").json()["next_fire_at"] is None
    assert client.post(f"{at}/resume").json()["next_fire_at"] == made.json()["next_fire_at"]
    ran = client.post(f"{at}/run")
    assert ran.status_code == 202
    assert client.get(f"/v1/jobs/{ran.json()['job_id']}").status_code == 200
    assert [fire["outcome"] for fire in client.get(f"{at}/fires").json()] == ["asked"]
    assert [item["id"] for item in client.get("/v1/schedules").json()["items"]] == [made.json()["id"]]
    assert client.delete(at).status_code == 204
    assert client.get("/v1/schedules").json()["items"] == []


def test_what_could_not_run_is_refused(client: TestClient):
    assert is_problem(client.post("/v1/schedules", json=WEEKLY | {"zone": "Mars"}), 422, "Mars")
    assert is_problem(client.post("/v1/schedules", json=WEEKLY | {"rule": {"kind": "weekly"}}), 422, "weekday")
    assert is_problem(client.post("/v1/schedules", json=WEEKLY | {"pipeline": "gone"}), 404, "gone")
    assert is_problem(client.post(f"/v1/schedules/{uuid4()}/run"), 404)
