"""The operators' pages and their buttons, without a browser."""

import html
import re
import shlex
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from core.ids import new_id
from db import api_keys, jobs, operators, schedules
from db.engine import Database
from db.permissions import OperatorRole
from db.schedule_rules import read_rule
from tests.api_stub.conftest import app, bearer, bela, client, config, is_problem, stranger  # noqa: F401
from tests.api_stub.operating import break_job, make_job, make_user, status_of

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"
LISTS = ("/", "/jobs", "/failures", "/queues", "/workers", "/schedules", "/providers", "/actions")


@pytest.fixture
def full(client: TestClient, database: Database, owner: str) -> dict[str, str]:  # noqa: F811
    """One of everything that the pages show, much of it hostile; what each page of one thing shows."""
    failed = break_job(database, make_job(database, owner, subject=HOSTILE, name=HOSTILE), HOSTILE, error_class=HOSTILE)
    waiting = make_job(database, owner, subject=HOSTILE, name=HOSTILE)
    batch = new_id()
    with database.jobs() as session:
        jobs.insert_batch(
            session, batch, owner_id=owner, pipeline="self_check", priority=2, job_ids=[waiting, failed], hook=None
        )
        schedule = schedules.insert(
            session,
            owner_id=owner,
            pipeline="self_check",
            args={},
            rule=read_rule({"kind": "interval", "minutes": 60}),
            zone="UTC",
        )
    client.put("/ops/providers/tube/breaker", json={"seconds": 60, "reason": HOSTILE})
    client.put("/ops/pauses", json={"kind": "owner", "name": HOSTILE, "reason": HOSTILE})
    client.put("/ops/limits", json={"kind": "owner", "name": HOSTILE, "most": 3})
    [group] = client.get("/ops/failures").json()["items"]
    return {
        "failed": str(failed),
        "waiting": str(waiting),
        "batch": str(batch),
        "schedule": str(schedule["id"]),
        "group": group["id"],
    }


def addresses(full: dict[str, str]) -> list[str]:
    return [
        *LISTS,
        f"/jobs/{full['failed']}",
        f"/jobs/{full['waiting']}",
        f"/batches/{full['batch']}",
        f"/failures/{full['group']}",
        "/jobs/bulk?deed=retry",
        "/jobs/bulk?deed=cancel&status=live",
        "/jobs?status=failed&error=script",
    ]


def test_nothing_on_any_page_runs_what_a_customer_wrote(client: TestClient, full: dict[str, str]):  # noqa: F811
    shown = 0
    for address in addresses(full):
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.text[:300])
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        shown += answer.text.count("&lt;script&gt;alert(1)")
    assert shown > len(LISTS)


def test_a_line_with_what_a_customer_wrote_is_one_line_that_does_what_it_says(
    client: TestClient,  # noqa: F811
    full: dict[str, str],
    database: Database,
    owner: str,
):
    with database.jobs() as session:
        key = api_keys.insert_api_key(session, user_id=owner, name="tests")
    met = set()
    for address in addresses(full):
        page = client.get(address).text
        lines = [html.unescape(line) for line in re.findall(r'<code tabindex="0">(.*?)</code>', page, re.DOTALL)]
        for line in lines:
            words = shlex.split(line.replace("$ASKSTEPHEN_KEY", key))
            if "-F" in words:
                continue
            url = urlsplit(words[3])
            body = words[words.index("-d") + 1] if "-d" in words else None
            headers = {**bearer(key), **({"Content-Type": "application/json"} if body else {})}
            answer = client.request(words[2], f"{url.path}?{url.query}", content=body, headers=headers)
            # A line with a name to fill in, or one whose deed an earlier line has done already, is refused; none is malformed.
            assert answer.status_code in {200, 201, 202, 204, 404, 409}, (line, answer.status_code, answer.text)
            met.add((words[2], answer.status_code < 300))
    assert {("PUT", True), ("POST", True), ("DELETE", True), ("GET", True)} <= met


def post(client: TestClient, path: str, **data: str):  # noqa: F811
    return client.post(path, data=data, follow_redirects=False)


def test_the_buttons_of_a_queue(client: TestClient):  # noqa: F811
    assert post(client, "/pauses", kind="queue", name="io", action="drain", reason="a deploy").headers["location"] == "/queues"
    assert "Drains since" in client.get("/queues").text
    post(client, "/pauses", kind="queue", name="io", action="resume")
    assert "Drains since" not in client.get("/queues").text
    post(client, "/limits", kind="queue", name="io", most="3")
    post(client, "/queues/io/promise", promise_seconds="7")
    [io] = [one for one in client.get("/ops/queues").json()["items"] if one["name"] == "io"]
    assert (io["most"], io["promise_seconds"]) == (3, 7)
    post(client, "/limits", kind="queue", name="io", most="")
    assert client.get("/ops/limits").json()["items"] == []
    assert len(client.get("/ops/actions").json()["items"]) == 5


def test_the_buttons_of_a_provider_and_of_a_schedule(client: TestClient, full: dict[str, str]):  # noqa: F811
    post(client, "/providers/tube", action="try")
    assert client.get("/ops/providers").json()["items"][0]["breakers"] == []
    post(client, "/providers/tube", action="hold", reason="new keys")
    assert "new keys" in client.get("/providers").text
    post(client, f"/schedules/{full['schedule']}", action="pause")
    assert "Paused" in client.get("/schedules").text
    post(client, f"/schedules/{full['schedule']}", action="resume")
    assert "Paused" not in client.get("/schedules").text
    assert post(client, f"/schedules/{full['schedule']}", action="run").headers["location"].startswith("/jobs/")


def test_a_job_is_run_again_from_a_step_by_its_button(client: TestClient, database: Database, owner: str):  # noqa: F811
    job_id = break_job(database, make_job(database, make_user(database, "bela")), "no")
    assert "<option>write_sample</option>" in client.get(f"/jobs/{job_id}").text
    assert post(client, f"/jobs/{job_id}", action="retry", step="write_sample", reason="mended").status_code == 303
    assert status_of(database, job_id) == "queued"
    [action] = client.get("/ops/actions").json()["items"]
    assert action["detail"] == {"step": "write_sample", "reason": "mended"}


def test_all_that_match_are_run_again_by_the_button_of_their_preview(client: TestClient, database: Database, owner: str):  # noqa: F811
    failed = [break_job(database, make_job(database, owner), "no") for _ in range(2)]
    page = client.get("/jobs/bulk?deed=retry&error=no").text
    assert "Run 2 jobs of 1 owner again?" in page
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    late = break_job(database, make_job(database, owner), "no")
    answer = post(client, "/jobs/bulk", **{name: html.unescape(value) for name, value in fields.items()}, reason="mended")
    assert "2 jobs run again" in answer.text
    assert [status_of(database, one) for one in (*failed, late)] == ["queued", "queued", "failed"]


def test_a_viewer_sees_everything_and_has_no_button(stranger: TestClient, full: dict[str, str], database: Database):  # noqa: F811
    user = make_user(database, "viewer")
    with database.jobs() as session:
        operators.set_role(session, user, OperatorRole.VIEWER, added_by="tests")
        key = bearer(api_keys.insert_api_key(session, user_id=user, name="tests"))
    stranger.cookies.clear()
    for address in addresses(full):
        answer = stranger.get(address, headers=key)
        if address == "/actions" or "bulk" in address:
            assert is_problem(answer, 403)
        else:
            assert answer.status_code == 200
            assert address == "/" or 'method="post"' not in answer.text, address
    for path in ("/pauses", "/limits", "/weights", "/queues/io", "/queues/io/promise", "/providers/tube", "/jobs/bulk"):
        assert stranger.post(path, data={}, headers=key).status_code in {403, 422}
    assert "&lt;script&gt;" not in stranger.get("/jobs?owner=nobody", headers=key).text
    assert "Arguments" not in stranger.get(f"/jobs/{full['failed']}", headers=key).text


def test_others_may_not_look(stranger: TestClient, bela: str, full: dict[str, str]):  # noqa: F811
    stranger.cookies.clear()
    for address in addresses(full)[1:]:
        assert stranger.get(address, headers=bearer(bela)).status_code in {403, 404}, address
    assert "Needs a person" not in stranger.get("/", headers=bearer(bela)).text


def menu(page: str) -> list[str]:
    [nav] = re.findall(r"<nav.*?</nav>", page, re.DOTALL)
    return re.findall(r'<a href="([^"]+)"', nav)


@pytest.mark.parametrize("role", [None, *OperatorRole])
@pytest.mark.parametrize("product", ["user", "pickone"])
def test_the_menu_has_the_pages_that_its_reader_may_open_and_no_others(
    stranger: TestClient,  # noqa: F811
    bela: str,  # noqa: F811
    database: Database,
    role: OperatorRole | None,
    product: str,
):
    with database.jobs() as session:
        session.execute(text("UPDATE users SET role = :role WHERE id = 'bela'"), {"role": product})
        operators.set_role(session, "bela", role, added_by="tests")
    stranger.cookies.clear()
    shown = menu(stranger.get("/", headers=bearer(bela)).text)
    everything = [*LISTS, "/competitors", "/search", "/coach"]
    assert set(shown) == {page for page in everything if stranger.get(page, headers=bearer(bela)).status_code == 200}
    refused = stranger.get("/jobs/bulk", headers=bearer(bela) | {"Accept": "text/html"})
    assert refused.status_code in {403, 422}
    assert menu(refused.text) == shown
    assert "<nav" not in stranger.get("/", headers={"Accept": "text/html"}).text


def test_a_customers_first_page_has_their_own_work_and_no_words_of_operators(
    stranger: TestClient,  # noqa: F811
    database: Database,
    bela: str,  # noqa: F811
):
    make_job(database, "bela")
    shown = stranger.get("/", headers=bearer(bela)).text
    assert "1 under way" in shown
    assert "Queues" not in shown
    assert "self check</button>" not in shown


def test_who_is_no_operator_is_told_so_in_a_sentence(stranger: TestClient, bela: str):  # noqa: F811
    problem = stranger.get("/ops/attention", headers=bearer(bela)).json()
    assert problem["detail"] == "only operators may look at everybody's work; ask an admin of the platform"


def test_what_is_shown_as_an_alarm_is_what_needs_a_person(client: TestClient, database: Database, owner: str):  # noqa: F811
    assert "card alarm" not in client.get("/").text
    make_job(database, owner)  # nobody serves its queue
    first = client.get("/").text
    assert "Nothing needs a person" not in first
    assert first.count("card alarm") == 2  # the line that says so, and the queue
