import gc
import json
import weakref
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from api_stub.app import create_app
from db import jobs, users
from db.engine import Database
from tests.api_stub.conftest import is_problem


def enqueue(client: TestClient, **args: object) -> str:
    answer = client.post("/v1/jobs", json={"pipeline": "self_check", "args": args})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()["id"]


@pytest.mark.parametrize("path", ["/", "/v1/jobs", "/v1/jobs/01a20e8d-b780-73b8-81ad-23fd5fd2ebf0"])
def test_a_stranger_is_told_how_to_sign_in(stranger: TestClient, path: str):
    answer = stranger.get(path)
    assert is_problem(answer, 401)
    assert "askstephen link" in answer.json()["detail"]


def test_a_link_signs_in_once(stranger: TestClient, database: Database, owner: str):
    with database.jobs() as session:
        token = users.insert_sign_in_token(session, owner)
    assert stranger.get(f"/sign-in?token={token}", follow_redirects=False).status_code == 303
    stranger.cookies.clear()
    assert is_problem(stranger.get(f"/sign-in?token={token}", follow_redirects=False), 401)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", ""])
def test_another_host_name_is_refused(client: TestClient, host: str):
    assert is_problem(client.get("/livez", headers={"host": host}), 421)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "[::1]"])
def test_this_machines_names_are_taken(client: TestClient, host: str):
    assert client.get("/livez", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_write_from_another_sites_page_is_refused(client: TestClient, site: str):
    answer = client.post("/v1/jobs", json={"pipeline": "self_check"}, headers={"sec-fetch-site": site})
    assert is_problem(answer, 403)


def test_a_job_is_enqueued_listed_and_read(client: TestClient):
    job_id = enqueue(client, mebibytes=1)
    assert [item["id"] for item in client.get("/v1/jobs").json()["items"]] == [job_id]
    shown = client.get(f"/v1/jobs/{job_id}").json()
    assert shown["args"] == {"mebibytes": 1}
    assert [(step["name"], step["status"]) for step in shown["steps"]] == [
        ("write_sample", "queued"),
        ("read_sample", "waiting"),
    ]


def test_a_job_that_no_worker_can_take_says_so(client: TestClient):
    assert client.get(f"/v1/jobs/{enqueue(client)}").json()["why"].startswith("nothing does work of this kind now")


def test_pages_of_a_list_follow_each_other(client: TestClient):
    made = [enqueue(client) for _ in range(5)]
    first = client.get("/v1/jobs?limit=3").json()
    rest = client.get(f"/v1/jobs?limit=3&cursor={first['next_cursor']}").json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"pipeline": "nope"}, 404, "there are: "),
        ({"pipeline": "self_check", "args": {"mebibytes": 0}}, 422, "mebibytes"),
        ({"pipeline": "self_check", "args": {"mebibytes": "many"}}, 422, "mebibytes"),
        ({"pipeline": "self_check", "args": {"else": 1}}, 422, "else"),
        ({}, 422, "pipeline"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(client: TestClient, body: dict, status: int, words: str):
    answer = client.post("/v1/jobs", json=body)
    assert is_problem(answer, status)
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(("code", "status"), [("53100", 507), ("53300", 503)], ids=["its disk is full", "it serves no more"])
def test_a_database_that_has_no_room_is_told_as_that(client: TestClient, database: Database, code: str, status: int):
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON jobs.jobs EXECUTE FUNCTION refuse();
        """)
    answer = client.post("/v1/jobs", json={"pipeline": "self_check"})
    assert (answer.status_code, "retry-after" in answer.headers) == (status, True)
    assert "again" in answer.json()["detail"]


def test_a_cancelled_job_can_be_run_again(client: TestClient):
    job_id = enqueue(client)
    assert client.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert is_problem(client.post(f"/v1/jobs/{job_id}/cancel"), 409)
    assert client.post(f"/v1/jobs/{job_id}/retry").json()["status"] == "queued"


def test_another_users_job_is_not_there(client: TestClient, database: Database):
    with database.jobs() as session:
        session.connection().exec_driver_sql("INSERT INTO public.users (id) VALUES ('other')")
        job_id = jobs.insert_job(
            session, pipeline="self_check", owner_id="other", args={}, steps=[jobs.NewStep("write_sample", "io")], subject=None
        )
    for call in (client.get, client.post):
        path = f"/v1/jobs/{job_id}" if call == client.get else f"/v1/jobs/{job_id}/cancel"
        assert is_problem(call(path), 404)


def test_the_stream_of_an_ended_job_is_its_present_and_ends(client: TestClient):
    job_id = enqueue(client)
    client.post(f"/v1/jobs/{job_id}/cancel")
    lines = client.get(f"/v1/jobs/{job_id}/events").text.splitlines()
    assert lines[1] == "event: job"
    assert json.loads(lines[2].removeprefix("data: "))["status"] == "cancelled"


def test_pages_show_a_job_without_scripts_of_others(client: TestClient):
    job_id = enqueue(client)
    first = client.get("/")
    assert f'href="/jobs/{job_id}"' in first.text
    page = client.get(f"/jobs/{job_id}")
    assert "write_sample" in page.text
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]


def test_the_buttons_of_a_page_work_without_scripts(client: TestClient):
    answer = client.post("/self-check", follow_redirects=False)
    job_id = UUID(answer.headers["location"].rpartition("/")[2])
    client.post(f"/jobs/{job_id}", data={"action": "cancel"})
    assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "cancelled"


def test_health_tells_degraded_without_workers_and_metrics_count(client: TestClient):
    enqueue(client)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert 'askstephen_steps{queue="io",status="queued"} 1.0' in client.get("/metrics").text


def test_an_application_that_nobody_holds_is_let_go(database, storage, config):
    with TestClient(create_app(database, storage, config), base_url="http://127.0.0.1:8000") as client:
        assert client.get("/livez").status_code == 200
    left = weakref.ref(client.app)
    del client
    gc.collect()
    assert left() is None
